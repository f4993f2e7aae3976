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
    explanation: "`exportTo` lists namespaces, `.` for the resource's own, or `*` for all. A namespace stands in it once, `*` and `~` (nobody, for a ServiceEntry) stand alone, and a DestinationRule for certain workloads cannot be exported at all.",
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
            let message = format!("`{to}` is the same namespace as an earlier entry: a cluster refuses it.");
            report.add(resource, &at, message);
        } else if matches!(to.as_str(), "*" | "~") && list.len() > 1 {
            report.add(
                resource,
                &at,
                format!("`{to}` stands beside others, which then mean nothing: leave it alone."),
            );
        } else if to == "~" && !entry {
            report.add(resource, &at, "`~` is for ServiceEntries: nobody would see this resource.");
        } else if !matches!(to.as_str(), "*" | "~" | ".") && !is_namespace(to) {
            report.add(
                resource,
                &at,
                format!("`{to}` cannot be a namespace: nobody sees the resource by it."),
            );
        } else if selects && to != "." && to != own {
            let message =
                "With a `workloadSelector` the rule is for its own namespace: only `.` can stand here.";
            report.add(resource, &at, message);
        }
    }
}
