//! Ports that a destination does not have, or has too many of.

use crate::Severity;
use crate::host;
use crate::registry::Service;
use crate::resource::virtual_service::PortSelector;

use super::context::Context;
use super::destinations::each_named;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0204",
    severity: Severity::Error,
    title: "A destination's port does not exist or is not given",
    explanation: "A destination with a port that the service does not have gets 503. A service with one port does not need `port`. With several ports, the one that the request was sent to is used, which is often another one, above all at a gateway.",
    corresponds_to: &["IST0101", "IST0112"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("unknown_port.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    each_named(context, &mut |at, named| {
        let Some(service) = named.service.filter(|service| !service.ports.is_empty()) else { return };
        let (resource, host) = (named.resource, named.host);
        match &named.destination.port {
            Some(PortSelector { number: Some(number), .. }) if has(service, *number) => {}
            Some(PortSelector { number: Some(number), .. }) => {
                let message =
                    format!("`{host}` has no port {number}, only {}: traffic to it gets 503.", list(service));
                report.add(resource, &at.field("port").field("number"), message).corresponds_to(&["IST0101"]);
            }
            _ if service.ports.len() > 1 => {
                let message = format!(
                    "`{host}` has the ports {}, and `port.number` chooses none: the port that the request was sent to is used.",
                    list(service)
                );
                // Within the mesh that port is the right one more often than not.
                let severity = if is_gateway_only(named.spec) { Severity::Error } else { Severity::Warning };
                report
                    .add(resource, &at.field("port"), message)
                    .severity(severity)
                    .corresponds_to(&["IST0112"]);
            }
            _ => {}
        }
    });
}

fn is_gateway_only(spec: &crate::resource::VirtualService) -> bool {
    !host::in_mesh(&spec.gateways)
}

fn has(service: &Service, number: i64) -> bool {
    service.ports.iter().any(|port| i64::from(port.number) == number)
}

fn list(service: &Service) -> String {
    service.ports.iter().map(|port| port.number.to_string()).collect::<Vec<_>>().join(", ")
}
