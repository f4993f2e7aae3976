//! Gateways that want the same port and host of the same workloads.

use crate::Severity;
use crate::labels::selects;
use crate::resource::gateway::Server;
use crate::resource::walk::At;
use crate::resource::{Gateway, Resource};

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0407",
    severity: Severity::Warning,
    title: "Two Gateways use the same port and host",
    explanation: "Gateways with selectors that choose the same workloads are one proxy there. Of two servers for one port and host the older gateway's is used, and VirtualServices that are bound to the other get nothing from it.",
    corresponds_to: &["IST0145"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("conflicting_gateways.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    let gateways: Vec<(&Resource, &Gateway)> = context.gateways().collect();
    let list = At::SPEC.field("servers");
    for (resource, gateway) in &gateways {
        for (index, server) in gateway.servers.iter().enumerate() {
            let other = gateways.iter().find(|(other, theirs)| {
                other.key != resource.key
                    && (selects(&gateway.selector, &theirs.selector)
                        || selects(&theirs.selector, &gateway.selector))
                    && theirs.servers.iter().any(|theirs| meet(server, theirs))
            });
            let Some((other, _)) = other else { continue };
            let then =
                if resource.age() < other.age() { "this one is used" } else { "the other one is used" };
            let message = format!(
                "Gateway `{}/{}` uses this port and host on the same workloads: {then}.",
                other.key.namespace, other.key.name
            );
            report.add(resource, &list.index(index), message);
        }
    }
}

/// Whether two servers have port and host in common.
fn meet(a: &Server, b: &Server) -> bool {
    let number = |server: &Server| server.port.as_ref().and_then(|port| port.number);
    number(a).is_some()
        && number(a) == number(b)
        && a.bind == b.bind
        && a.hosts.iter().any(|host| b.hosts.contains(host))
}
