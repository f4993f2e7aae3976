//! TCP services without an address to tell them apart.

use crate::Severity;
use crate::resource::walk::At;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0416",
    severity: Severity::Warning,
    title: "A TCP service needs an address",
    explanation: "TCP says nothing of a host, so services on one port are told apart by their addresses. Without `addresses` (or automatic allocation, which newer proxies have) connections to any host on the port are taken for this one. A port without a protocol is treated in the same way.",
    corresponds_to: &["IST0134"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("addresses_required.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    let list = At::SPEC.field("ports");
    for (resource, entry) in context.service_entries().filter(|(_, entry)| entry.addresses.is_empty()) {
        for (index, port) in entry.ports.iter().enumerate() {
            let protocol = port.protocol.as_deref().unwrap_or_default();
            if protocol.is_empty() || protocol.eq_ignore_ascii_case("tcp") {
                let number = port.number.unwrap_or_default();
                let message = format!(
                    "Without `addresses` the proxy takes any TCP connection to port {number} for this service."
                );
                report.add(resource, &list.index(index), message);
            }
        }
    }
}
