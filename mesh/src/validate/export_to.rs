//! Who sees a resource.

use crate::Severity;
use crate::resource::walk::At;
use crate::resource::{Resource, Spec};

use super::context::Context;
use super::names::is_namespace;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0106",
    severity: Severity::Error,
    title: "`exportTo` contradicts itself",
    explanation: "`exportTo` lists namespaces, `.` for the resource's own, or `*` for all. Each namespace may be listed once. `*` and `~` (nobody, for a ServiceEntry) must be the only entry. A DestinationRule with a `workloadSelector` cannot be exported.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("export_to.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for resource in context.resources() {
        let (list, entry, selects) = match &resource.spec {
            Spec::VirtualService(spec) => (&spec.export_to, false, false),
            Spec::DestinationRule(spec) => (&spec.export_to, false, spec.workload_selector.is_some()),
            Spec::ServiceEntry(spec) => (&spec.export_to, true, false),
            _ => continue,
        };
        one(resource, list, entry, selects, report);
    }
}

fn one(resource: &Resource, list: &[String], entry: bool, selects: bool, report: &mut Report<'_>) {
    let field = At::SPEC.field("exportTo");
    let own = resource.key.namespace.as_str();
    let plain = |to: &String| if to == "." { own.to_owned() } else { to.clone() };
    for (index, to) in list.iter().enumerate() {
        let at = field.index(index);
        if list[..index].iter().any(|other| plain(other) == plain(to)) {
            let message = format!("`{to}` is the same namespace as an earlier entry: Istio rejects it.");
            report.add(resource, &at, message);
        } else if matches!(to.as_str(), "*" | "~") && list.len() > 1 {
            report.add(resource, &at, format!("`{to}` makes the other entries meaningless: use it alone."));
        } else if to == "~" && !entry {
            report.add(
                resource,
                &at,
                "`~` (exported to nobody) is for ServiceEntries only: no workload would see this resource.",
            );
        } else if !matches!(to.as_str(), "*" | "~" | ".") && !is_namespace(to) {
            report.add(
                resource,
                &at,
                format!("`{to}` is not a valid namespace: the resource is exported to nobody by it."),
            );
        } else if selects && to != "." && to != own {
            let message = "With a `workloadSelector` a DestinationRule stays in its own namespace: only `.` is allowed.";
            report.add(resource, &at, message);
        }
    }
}
