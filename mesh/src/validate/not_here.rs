//! Fields that are kept and exported, and that the built-in proxy does nothing about.

use crate::Severity;
use crate::resource::traffic_policy::{ClientTlsMode, TrafficPolicy};
use crate::resource::walk::At;

use super::context::Context;
use super::policies::each_policy;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0432",
    severity: Severity::Info,
    title: "The built-in proxy does not do this",
    explanation: "The field stays as it is and holds in a cluster. The built-in proxy opens no tunnels towards upstreams and sends them no PROXY header, speaks plain text where ISTIO_MUTUAL is asked for (the certificates are the cluster's), sends no pings of HTTP/2, speaks to upstreams what their port says rather than what the client speaks, and listens where it is told to when it is started. `defaultEndpoint` does nothing in Istio either.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("not_here.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, rule) in context.rules() {
        let mut whole = |at: &At<'_>, policy: &TrafficPolicy| {
            if policy.tunnel.is_some() {
                report.add(resource, &at.field("tunnel"), said("opens no tunnels"));
            }
            if policy.proxy_protocol.is_some() {
                report.add(resource, &at.field("proxyProtocol"), said("sends no PROXY header"));
            }
        };
        if let Some(policy) = &rule.traffic_policy {
            whole(&At::SPEC.field("trafficPolicy"), policy);
        }
        let subsets = At::SPEC.field("subsets");
        for (index, subset) in rule.subsets.iter().enumerate() {
            if let Some(policy) = &subset.traffic_policy {
                whole(&subsets.index(index).field("trafficPolicy"), policy);
            }
        }
    }
    each_policy(context, &mut |at, policy| {
        if policy.tls.is_some_and(|tls| tls.mode == Some(ClientTlsMode::IstioMutual)) {
            report.add(
                policy.resource,
                &at.field("tls"),
                said("speaks plain text where ISTIO_MUTUAL is asked for"),
            );
        }
        let Some(http) = policy.connection_pool.and_then(|pool| pool.http.as_ref()) else { return };
        let at = at.field("connectionPool");
        let at = at.field("http");
        if http.http2_keep_alive.is_some() {
            report.add(policy.resource, &at.field("http2KeepAlive"), said("sends no pings of HTTP/2"));
        }
        if http.use_client_protocol == Some(true) {
            let message = said("speaks to upstreams what their port says");
            report.add(policy.resource, &at.field("useClientProtocol"), message);
        }
    });
    let servers = At::SPEC.field("servers");
    for (resource, gateway) in context.gateways() {
        for (index, server) in gateway.servers.iter().enumerate() {
            let at = servers.index(index);
            if server.bind.as_deref().is_some_and(|bind| !bind.is_empty()) {
                let message = said("listens where it is told to when it is started");
                report.add(resource, &at.field("bind"), message);
            }
            if server.default_endpoint.is_some() {
                let message = said("has no endpoint by default, and Istio has none");
                report.add(resource, &at.field("defaultEndpoint"), message);
            }
        }
    }
}

fn said(what: &str) -> String {
    format!("The built-in proxy {what}.")
}
