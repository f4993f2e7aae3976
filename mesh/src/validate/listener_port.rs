//! Destinations whose service lacks the port that requests come in on.

use std::collections::BTreeSet;

use crate::Severity;
use crate::host;
use crate::resource::virtual_service::{Destination, VirtualService};
use crate::resource::walk::At;
use crate::resource::{HttpRoute, Resource};

use super::context::Context;
use super::rule::{Check, Report, Rule};

/// Hosts that no service has are reached on this port.
const PORT_OF_UNKNOWN_HOSTS: u16 = 80;

pub(super) const RULE: Rule = Rule {
    code: "MW0322",
    severity: Severity::Error,
    title: "A destination does not have the port of the request",
    explanation: "Within the mesh a destination without `port` means the port that the request was sent to, which is a port of the VirtualService's hosts (80 where no service has the host). If the destination does not have that port, the request gets 503, and a mirror gets no copy. Gateways use the destination's only port. It is a warning where the destination has some of the ports.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("listener_port.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    if !context.services.known() {
        return;
    }
    for (resource, spec) in context.virtual_services() {
        let ports = ports(context, resource, spec);
        if ports.is_empty() {
            continue;
        }
        let list = At::SPEC.field("http");
        for (index, route) in spec.http.iter().enumerate() {
            let used = used(route, &ports);
            let at = list.index(index);
            for (index, entry) in route.route.iter().enumerate() {
                let at = at.field("route");
                look(
                    context,
                    resource,
                    entry.destination.as_ref(),
                    (&at.index(index).field("destination"), &used),
                    report,
                );
            }
            look(context, resource, route.mirror.as_ref(), (&at.field("mirror"), &used), report);
            for (index, mirror) in route.mirrors.iter().enumerate() {
                let at = at.field("mirrors");
                look(
                    context,
                    resource,
                    mirror.destination.as_ref(),
                    (&at.index(index).field("destination"), &used),
                    report,
                );
            }
        }
    }
}

/// The ports on which a VirtualService's rules are used within the mesh. What a wildcard covers is left out.
fn ports(context: &Context<'_>, resource: &Resource, spec: &VirtualService) -> BTreeSet<u16> {
    let on_mesh = host::in_mesh(&spec.gateways);
    let mut ports = BTreeSet::new();
    for name in spec.hosts.iter().filter(|name| on_mesh && !host::is_wildcard(name)) {
        match context.services.any(&context.qualify(resource, name)) {
            Some(service) => {
                ports.extend(service.ports.iter().filter(|it| it.protocol.is_http()).map(|it| it.number))
            }
            None => drop(ports.insert(PORT_OF_UNKNOWN_HOSTS)),
        }
    }
    ports
}

/// Those of them that a rule's matches do not leave out.
fn used(route: &HttpRoute, ports: &BTreeSet<u16>) -> BTreeSet<u16> {
    let on = |port: &u16| {
        let takes = |asked: Option<i64>| asked.is_none_or(|asked| asked == i64::from(*port));
        route.r#match.is_empty() || route.r#match.iter().any(|entry| takes(entry.port))
    };
    ports.iter().copied().filter(on).collect()
}

fn look(
    context: &Context<'_>,
    resource: &Resource,
    destination: Option<&Destination>,
    (at, ports): (&At<'_>, &BTreeSet<u16>),
    report: &mut Report<'_>,
) {
    let Some(destination) = destination.filter(|destination| destination.port.is_none()) else { return };
    let Some(host) = destination.host.as_deref().filter(|host| !host.is_empty()) else { return };
    let full = context.qualify(resource, host);
    let Some(service) = context.services.seen_by(&full, &[resource.key.namespace.as_str()]) else { return };
    let lacks: Vec<u16> = ports.iter().copied().filter(|port| service.port(*port).is_none()).collect();
    if lacks.is_empty() {
        return;
    }
    let numbers = |list: &[u16]| list.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let has: Vec<u16> = service.ports.iter().map(|port| port.number).collect();
    let mirror = at.name() == "mirror" || at.parent().is_some_and(|at| at.name() == "mirrors");
    let then = if mirror { "no copy is sent to it" } else { "they get 503" };
    let message = format!(
        "Requests are sent to port {}, but `{host}` has {}: without `destination.port` {then}.",
        numbers(&lacks),
        if has.is_empty() { "no port".to_owned() } else { numbers(&has) }
    );
    let severity = if lacks.len() == ports.len() { Severity::Error } else { Severity::Warning };
    let finding = report.add(resource, at, message).severity(severity);
    if let [only] = has.as_slice() {
        let field = at.field("port").field("number").to_string();
        finding.set(format!("Write port {only}"), vec![(field, Some((*only).into()))]);
    }
}
