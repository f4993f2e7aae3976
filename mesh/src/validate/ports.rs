//! Ports that cannot be.

use crate::Severity;
use crate::resource::walk::{At, Leaf};
use crate::resource::{Resource, Spec};

use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0304",
    severity: Severity::Error,
    title: "A port is not between 1 and 65535",
    explanation: "Istio rejects it, and nothing can listen there. Only a Gateway server that is bound to a Unix socket has port 0.",
    corresponds_to: &["IST0106"],
    check: Check::Leaf(check),
    #[cfg(test)]
    fixture: include_str!("ports.yaml"),
};

fn check(resource: &Resource, at: &At<'_>, leaf: Leaf<'_>, report: &mut Report<'_>) {
    let Leaf::Int(port) = leaf else { return };
    let is_port = match at.name() {
        "number" | "target_port" | "node_port" => true,
        // That of a redirect is one of two, so that its 0 is there: as if nothing was.
        "port" => port != 0,
        "ports" => matches!(at, At::Key(..)),
        _ => false,
    };
    if !is_port {
        return;
    }
    if on_socket(resource, at) {
        if port != 0 {
            let message = "The server is bound to a Unix socket, so its port must be 0: Istio rejects it.";
            report.add(resource, at, message);
        }
    } else if !(1..=65535).contains(&port) {
        report.add(resource, at, format!("{port} is not a port from 1 to 65535: Istio rejects it."));
    }
}

/// Whether it is the port of a gateway's server that is bound to a Unix socket.
fn on_socket(resource: &Resource, at: &At<'_>) -> bool {
    let Spec::Gateway(gateway) = &resource.spec else { return false };
    let server = at.parent().and_then(At::parent);
    let Some(At::Index(_, index)) = server else { return false };
    let bind = gateway.servers.get(*index).and_then(|server| server.bind.as_deref());
    bind.is_some_and(|bind| bind.starts_with("unix://"))
}
