//! Gateways that show the same certificate.

use crate::Severity;
use crate::labels::selects;
use crate::resource::gateway::ServerTls;
use crate::resource::walk::At;
use crate::resource::{Gateway, Resource};

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0418",
    severity: Severity::Warning,
    title: "Two Gateways use the same certificate",
    explanation: "Browsers reuse one HTTP/2 connection for every host that the certificate covers. Where two Gateways of the same workloads use one certificate, a request for a host of the one may come in on a connection to the other, which does not know the host: it gets 404. Use one Gateway for both hosts.",
    corresponds_to: &["IST0138"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("duplicate_certificate.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    let gateways: Vec<(&Resource, &Gateway)> = context.gateways().collect();
    let list = At::SPEC.field("servers");
    for (resource, gateway) in &gateways {
        for (index, server) in gateway.servers.iter().enumerate() {
            let Some(shown) = server.tls.as_ref().and_then(certificate) else { continue };
            let other = gateways.iter().find(|(other, theirs)| {
                other.key != resource.key
                    && selects(&gateway.selector, &theirs.selector)
                    && theirs
                        .servers
                        .iter()
                        .filter_map(|server| server.tls.as_ref())
                        .any(|tls| certificate(tls) == Some(shown))
            });
            let Some((other, _)) = other else { continue };
            let message = format!(
                "Gateway `{}/{}` uses the same certificate: a client that reuses an HTTP/2 connection for both hosts may get 404.",
                other.key.namespace, other.key.name
            );
            report.add(resource, &list.index(index).field("tls"), message);
        }
    }
}

/// What names the certificate.
fn certificate(tls: &ServerTls) -> Option<&str> {
    let named = tls.credential_name.as_deref().or(tls.server_certificate.as_deref());
    named.filter(|name| !name.is_empty())
}
