//! Names of subsets, ports and gateways that nothing can refer to.

use crate::Severity;
use crate::resource::walk::At;

use super::context::Context;
use super::names::{is_label, is_namespace};
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0107",
    severity: Severity::Error,
    title: "An invalid name",
    explanation: "Names of subsets and ports consist of letters, digits and `-`. A VirtualService lists its Gateways by `name` or `namespace/name`, and the sidecars as `mesh`; there are no wildcards.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("names_of_parts.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, spec) in context.virtual_services() {
        let list = At::SPEC.field("gateways");
        for (index, name) in spec.gateways.iter().enumerate() {
            let good = match name.split_once('/') {
                Some((namespace, name)) => (namespace == "." || is_namespace(namespace)) && is_name(name),
                None => is_name(name),
            };
            if !good {
                let message = format!(
                    "`{name}` is not the `name` or `namespace/name` of a Gateway: no gateway gets these rules."
                );
                report.add(resource, &list.index(index), message);
            }
        }
    }
    for (resource, spec) in context.rules() {
        let list = At::SPEC.field("subsets");
        for (index, subset) in spec.subsets.iter().enumerate() {
            if let Some(name) = subset.name.as_deref().filter(|name| !name.is_empty() && !is_label(name)) {
                let message = format!(
                    "`{name}` is not a name of letters, digits and `-`: Istio rejects the DestinationRule."
                );
                report.add(resource, &list.index(index).field("name"), message);
            }
        }
    }
    for (resource, spec) in context.service_entries() {
        let list = At::SPEC.field("ports");
        for (index, port) in spec.ports.iter().enumerate() {
            let at = list.index(index);
            if let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) {
                if !is_label(name) {
                    let message = format!(
                        "`{name}` is not a name of at most 63 letters, digits and `-`: Istio rejects the ServiceEntry."
                    );
                    report.add(resource, &at.field("name"), message);
                }
                if spec.ports[..index].iter().any(|other| other.name.as_deref() == Some(name)) {
                    let message =
                        format!("Another port is named `{name}`: endpoints cannot tell them apart.");
                    report.add(resource, &at.field("name"), message);
                }
            }
            if port.number.is_some() && spec.ports[..index].iter().any(|other| other.number == port.number) {
                report.add(
                    resource,
                    &at.field("number"),
                    "The port is listed twice: only the first one is used.",
                );
            }
        }
    }
}

/// A name of Kubernetes may have dots.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.split('.').all(is_label)
}
