//! Servers of a gateway whose protocol and TLS do not go together.

use crate::Severity;
use crate::resource::walk::At;

use super::context::Context;
use super::names::nearest;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0314",
    severity: Severity::Error,
    title: "A Gateway server's protocol and TLS do not fit",
    explanation: "`port.protocol` is one of HTTP, HTTP2, GRPC, GRPC-Web, HTTPS, TLS, TCP, MONGO, MYSQL, REDIS and the like. HTTPS and TLS need `tls`; the protocols without TLS cannot have it, except for `httpsRedirect` on HTTP.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("gateway_server.yaml"),
};

/// Protocols that Istio knows, in lower case.
pub(super) const PROTOCOLS: [&str; 16] = [
    "http",
    "http2",
    "https",
    "grpc",
    "grpc-web",
    "grpc-web-text",
    "tcp",
    "tls",
    "mongo",
    "redis",
    "mysql",
    "udp",
    "http_proxy",
    "hbone",
    "unsupported",
    "auto",
];

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, spec) in context.gateways() {
        let list = At::SPEC.field("servers");
        for (index, server) in spec.servers.iter().enumerate() {
            let at = list.index(index);
            let Some(protocol) = server.port.as_ref().and_then(|port| port.protocol.as_deref()) else {
                continue;
            };
            let lower = protocol.to_ascii_lowercase();
            if protocol.is_empty() {
                continue;
            }
            if !PROTOCOLS.contains(&lower.as_str()) {
                let hint = nearest(&lower, PROTOCOLS).map_or_else(
                    || ".".to_owned(),
                    |known| format!("; did you mean `{}`?", known.to_ascii_uppercase()),
                );
                let message = format!(
                    "`{protocol}` is not a protocol of Gateway servers: Istio rejects the Gateway{hint}"
                );
                report.add(resource, &at.field("port").field("protocol"), message);
            } else if matches!(lower.as_str(), "https" | "tls") {
                if server.tls.is_none() {
                    let message =
                        format!("{protocol} needs `tls`: without it the gateway cannot take a connection.");
                    report.add(resource, &at.field("tls"), message);
                }
            } else if let Some(tls) = &server.tls {
                let redirect = lower == "http" && tls.https_redirect == Some(true) && tls.mode.is_none();
                if !redirect && lower != "tcp" {
                    let message = format!(
                        "{protocol} is not encrypted, so `tls` cannot apply; use HTTPS, or only `httpsRedirect` to redirect to it."
                    );
                    report.add(resource, &at.field("tls"), message);
                }
            }
        }
    }
}
