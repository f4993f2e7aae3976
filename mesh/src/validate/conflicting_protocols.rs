//! ServiceEntries that disagree on what a port speaks.

use std::collections::HashMap;

use crate::Severity;
use crate::registry::Visibility;
use crate::resource::walk::At;
use crate::resource::{Resource, ServiceEntry};

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0419",
    severity: Severity::Warning,
    title: "ServiceEntries disagree on a port's protocol",
    explanation: "Several entries may add the same host. Where they declare different protocols for one port, the first one is used, and traffic in the other protocol is handled wrongly.",
    corresponds_to: &["IST0177"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("conflicting_protocols.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    let mut seen: HashMap<(String, i64), Vec<(&Resource, &ServiceEntry, String)>> = HashMap::new();
    let list = At::SPEC.field("ports");
    for (resource, entry) in context.service_entries() {
        for host in &entry.hosts {
            for (index, port) in entry.ports.iter().enumerate() {
                let Some(number) = port.number else { continue };
                let protocol = port.protocol.as_deref().unwrap_or_default().to_ascii_uppercase();
                let known =
                    seen.entry((context.qualify(resource, host).to_ascii_lowercase(), number)).or_default();
                let other = known.iter().find(|(other, theirs, said)| {
                    *said != protocol
                        && other.key != resource.key
                        && meet(&resource.key.namespace, entry, &other.key.namespace, theirs)
                });
                if let Some((other, _, said)) = other {
                    let message = format!(
                        "`{}/{}` declares port {number} of `{host}` as {said}, and this entry as {protocol}: the port can only have one of them.",
                        other.key.namespace, other.key.name
                    );
                    report.add(resource, &list.index(index).field("protocol"), message);
                }
                known.push((resource, entry, protocol));
            }
        }
    }
}

/// Whether some namespace sees both entries.
fn meet(own: &str, a: &ServiceEntry, other: &str, b: &ServiceEntry) -> bool {
    let (a, b) = (Visibility::of(&a.export_to), Visibility::of(&b.export_to));
    let names = |visibility: &Visibility, own: &str| match visibility {
        Visibility::Namespaces(list) => {
            list.iter().map(|to| if to == "." { own.to_owned() } else { to.clone() }).collect()
        }
        Visibility::Public | Visibility::None => vec![own.to_owned()],
    };
    names(&a, own).iter().any(|namespace| b.allows(other, namespace))
        || names(&b, other).iter().any(|namespace| a.allows(own, namespace))
}
