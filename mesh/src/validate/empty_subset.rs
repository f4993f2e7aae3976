//! Subsets and selectors that no instance belongs to.

use crate::Severity;
use crate::labels::selects;
use crate::resource::walk::At;

use super::context::Context;
use super::rule::{Check, Report, Rule};
use super::services::instances;

pub(super) const RULE: Rule = Rule {
    code: "MW0208",
    severity: Severity::Warning,
    title: "No instance has these labels",
    explanation: "A subset consists of the service's instances with its labels, and a ServiceEntry with a `workloadSelector` of the WorkloadEntries with its labels in the same namespace. Where there is none, traffic gets 503 without a healthy upstream (UH).",
    corresponds_to: &["IST0173"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("empty_subset.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, spec) in context.rules() {
        let Some(host) = spec.host.as_deref().filter(|host| !host.is_empty()) else { continue };
        let full = context.qualify(resource, host);
        let Some(known) = context.services.any(&full).and_then(instances) else { continue };
        if known.is_empty() {
            continue;
        }
        let list = At::SPEC.field("subsets");
        for (index, subset) in spec.subsets.iter().enumerate() {
            if subset.labels.is_empty()
                || known.iter().any(|instance| selects(&subset.labels, &instance.labels))
            {
                continue;
            }
            let name = subset.name.as_deref().unwrap_or_default();
            let message =
                format!("No instance of `{host}` has the labels of subset `{name}`: traffic to it gets 503.");
            report.add(resource, &list.index(index).field("labels"), message);
        }
    }
    for (resource, spec) in context.service_entries() {
        let Some(host) = spec.hosts.first().filter(|_| spec.workload_selector.is_some()) else { continue };
        let service = context.services.any(&context.qualify(resource, host));
        if service.and_then(instances).is_some_and(<[_]>::is_empty) {
            let message = format!(
                "No WorkloadEntry in `{}` has these labels: traffic to `{host}` gets 503.",
                resource.key.namespace
            );
            report.add(resource, &At::SPEC.field("workloadSelector"), message).corresponds_to(&["IST0127"]);
        }
    }
}
