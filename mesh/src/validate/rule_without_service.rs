//! DestinationRules of a host that is no service.

use crate::Severity;
use crate::resource::walk::At;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0207",
    severity: Severity::Warning,
    title: "A DestinationRule applies to no service",
    explanation: "Its policies and subsets apply to the service that `host` names. A short name is looked up in the namespace of the DestinationRule, which may not be that of the service. The lookup is exact, as in Istio: a service with a wildcard host does not count for names below it, and upper and lower case differ. Where no services are known at all, this is not checked.",
    corresponds_to: &["IST0174"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("rule_without_service.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    if !context.services.known() {
        return;
    }
    for (resource, spec) in context.rules() {
        let Some(host) = spec.host.as_deref().filter(|host| !host.is_empty()) else { continue };
        let full = context.qualify(resource, host);
        // A wildcard is for services that may come.
        if full.starts_with('*') || context.services.any(&full).is_some_and(|service| service.written == full)
        {
            continue;
        }
        if let Some(near) = context.services.nearly(&full, &resource.key.namespace) {
            let message = format!(
                "No service is called exactly `{host}`, but there is `{}`: the policies and subsets apply to nothing.",
                near.written
            );
            report.add(resource, &At::SPEC.field("host"), message);
            continue;
        }
        let full = if host == full { String::new() } else { format!(" ({full})") };
        let message =
            format!("No service is called `{host}`{full}: the policies and subsets apply to nothing.");
        report.add(resource, &At::SPEC.field("host"), message);
    }
}
