//! Health checks that cannot be read.

use crate::Severity;
use crate::annotation::HEALTH_CHECK;
use crate::plan::HealthCheck;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0430",
    severity: Severity::Error,
    title: "A health check is invalid",
    explanation: "Istio has no field for active health checks, so the built-in proxy reads them from the annotation `meshwright.io/health-check` of a DestinationRule: YAML with one of `http`, `tcp` and `grpc`, and how often to check. An invalid one is left out, and nothing is checked.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("health_check.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, _) in context.rules() {
        let Some(text) = resource.metadata.annotations.get(HEALTH_CHECK) else { continue };
        if let Err(error) = HealthCheck::parse(text)
            && let Some(document) = report.mesh.document(&resource.key)
        {
            let path = format!("metadata.annotations[\"{HEALTH_CHECK}\"]");
            report.add_at(document, &path, format!("The health check is left out: {error}."));
        }
    }
}
