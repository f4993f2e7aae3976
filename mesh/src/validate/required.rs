//! Fields without which a resource means nothing.

use crate::resource::gateway::Server;
use crate::resource::http::HttpRoute;
use crate::resource::virtual_service::{Destination, RouteDestination};
use crate::resource::walk::At;
use crate::resource::{DestinationRule, Resource, ServiceEntry, VirtualService};

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0101",
    severity: crate::Severity::Error,
    title: "A required field is missing",
    explanation: "Without it the resource, or the part of it that the finding points at, has no effect, and Istio rejects the resource.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("required.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, spec) in context.virtual_services() {
        virtual_service(resource, spec, report);
    }
    for (resource, spec) in context.rules() {
        destination_rule(resource, spec, report);
    }
    for (resource, spec) in context.service_entries() {
        service_entry(resource, spec, report);
    }
    for (resource, spec) in context.gateways() {
        if spec.servers.is_empty() {
            report.add(
                resource,
                &At::SPEC.field("servers"),
                "The Gateway has no `servers`: it listens on nothing.",
            );
        }
        for (index, server) in spec.servers.iter().enumerate() {
            gateway_server(resource, server, &At::SPEC.field("servers").index(index), report);
        }
    }
    for (resource, spec) in context.workload_entries() {
        if absent(spec.address.as_ref()) && absent(spec.network.as_ref()) {
            report.add(
                resource,
                &At::SPEC.field("address"),
                "`address` is missing: no request can reach the workload.",
            );
        }
    }
}

fn absent(text: Option<&String>) -> bool {
    text.is_none_or(String::is_empty)
}

fn virtual_service(resource: &Resource, spec: &VirtualService, report: &mut Report<'_>) {
    if spec.http.is_empty() && spec.tls.is_empty() && spec.tcp.is_empty() {
        report.add(
            resource,
            &At::SPEC,
            "`http`, `tls` and `tcp` are all missing: the VirtualService does nothing.",
        );
    }
    for (index, route) in spec.http.iter().enumerate() {
        http_route(resource, route, &At::SPEC.field("http").index(index), report);
    }
    for (index, route) in spec.tls.iter().enumerate() {
        let list = At::SPEC.field("tls");
        let at = list.index(index);
        if route.r#match.is_empty() {
            report.add(
                resource,
                &at.field("match"),
                "A TLS route needs a `match` with `sniHosts`: this one gets no connection.",
            );
        }
        for (index, entry) in route.r#match.iter().enumerate() {
            if entry.sni_hosts.is_empty() {
                report.add(
                    resource,
                    &at.field("match").index(index).field("sniHosts"),
                    "`sniHosts` is missing: it matches no connection.",
                );
            }
        }
        l4_routes(resource, &route.route, &at, report);
    }
    for (index, route) in spec.tcp.iter().enumerate() {
        l4_routes(resource, &route.route, &At::SPEC.field("tcp").index(index), report);
    }
}

fn http_route(resource: &Resource, route: &HttpRoute, at: &At<'_>, report: &mut Report<'_>) {
    let acts = !route.route.is_empty()
        || route.redirect.is_some()
        || route.direct_response.is_some()
        || route.delegate.is_some();
    if !acts {
        report.add(
            resource,
            at,
            "The rule has no `route`, `redirect`, `directResponse` or `delegate`: requests that match it get 404.",
        );
    }
    for (index, entry) in route.route.iter().enumerate() {
        destination(resource, entry.destination.as_ref(), &at.field("route").index(index), report);
    }
    if let Some(mirror) = &route.mirror
        && absent(mirror.host.as_ref())
    {
        report.add(resource, &at.field("mirror").field("host"), "`host` is missing: nothing is mirrored.");
    }
    port(resource, route.mirror.as_ref(), &at.field("mirror"), report);
    for (index, mirror) in route.mirrors.iter().enumerate() {
        destination(resource, mirror.destination.as_ref(), &at.field("mirrors").index(index), report);
    }
    if let Some(redirect) = &route.redirect
        && redirect.uri.is_none()
        && redirect.prefix_rewrite.is_none()
        && redirect.authority.is_none()
        && redirect.scheme.is_none()
        && redirect.port.is_none()
        && redirect.derive_port.is_none()
    {
        report.add(
            resource,
            &at.field("redirect"),
            "The redirect has no `uri`, `authority`, `scheme` or `port`: it leads back to the same URL, and Istio rejects the VirtualService.",
        );
    }
    if let Some(answer) = &route.direct_response
        && answer.status.is_none()
    {
        report.add(
            resource,
            &at.field("directResponse").field("status"),
            "`status` is missing: there is nothing to answer.",
        );
    }
    if let Some(delegate) = &route.delegate
        && absent(delegate.name.as_ref())
    {
        report.add(
            resource,
            &at.field("delegate").field("name"),
            "`name` is missing: the rule has no delegate.",
        );
    }
    if let Some(rewrite) = &route.rewrite
        && rewrite.uri.is_none()
        && rewrite.authority.is_none()
        && rewrite.uri_regex_rewrite.is_none()
    {
        report.add(
            resource,
            &at.field("rewrite"),
            "The rewrite has no `uri`, `authority` or `uriRegexRewrite`: it changes nothing.",
        );
    }
}

fn l4_routes(resource: &Resource, routes: &[RouteDestination], at: &At<'_>, report: &mut Report<'_>) {
    if routes.is_empty() {
        report.add(
            resource,
            &at.field("route"),
            "The rule has no `route`: connections that match it are closed.",
        );
    }
    for (index, entry) in routes.iter().enumerate() {
        destination(resource, entry.destination.as_ref(), &at.field("route").index(index), report);
    }
}

fn destination(resource: &Resource, destination: Option<&Destination>, at: &At<'_>, report: &mut Report<'_>) {
    if destination.is_none_or(|destination| absent(destination.host.as_ref())) {
        report.add(
            resource,
            &at.field("destination"),
            "`destination.host` is missing: traffic to it gets 503.",
        );
    }
    port(resource, destination, &at.field("destination"), report);
}

/// A port that is there has a number: without one, or with 0, no service has it.
fn port(resource: &Resource, destination: Option<&Destination>, at: &At<'_>, report: &mut Report<'_>) {
    if destination.and_then(|it| it.port.as_ref()).is_some_and(|port| port.number.is_none()) {
        let message = "`port.number` is missing or 0, which no service has: traffic to it gets 503.";
        report.add(resource, &at.field("port").field("number"), message);
    }
}

fn destination_rule(resource: &Resource, spec: &DestinationRule, report: &mut Report<'_>) {
    if absent(spec.host.as_ref()) {
        report.add(resource, &At::SPEC.field("host"), "`host` is missing: the policies apply to no service.");
    }
    let subsets = At::SPEC.field("subsets");
    for (index, subset) in spec.subsets.iter().enumerate() {
        if absent(subset.name.as_ref()) {
            report.add(
                resource,
                &subsets.index(index).field("name"),
                "`name` is missing: no route can refer to the subset.",
            );
        }
    }
}

fn service_entry(resource: &Resource, spec: &ServiceEntry, report: &mut Report<'_>) {
    if spec.hosts.is_empty() {
        report.add(resource, &At::SPEC.field("hosts"), "`hosts` is missing: the entry adds no service.");
    }
    let ports = At::SPEC.field("ports");
    for (index, port) in spec.ports.iter().enumerate() {
        if port.number.is_none() {
            report.add(
                resource,
                &ports.index(index).field("number"),
                "`number` is missing: the port does not exist.",
            );
        }
        if absent(port.name.as_ref()) {
            report.add(
                resource,
                &ports.index(index).field("name"),
                "`name` is missing: endpoints cannot refer to the port.",
            );
        }
    }
    let endpoints = At::SPEC.field("endpoints");
    for (index, endpoint) in spec.endpoints.iter().enumerate() {
        if absent(endpoint.address.as_ref()) && absent(endpoint.network.as_ref()) {
            report.add(
                resource,
                &endpoints.index(index).field("address"),
                "`address` is missing: no request can reach the endpoint.",
            );
        }
    }
}

fn gateway_server(resource: &Resource, server: &Server, at: &At<'_>, report: &mut Report<'_>) {
    match &server.port {
        None => {
            report.add(resource, &at.field("port"), "`port` is missing: the server listens on nothing.");
        }
        Some(port) => {
            // On a Unix socket there is none.
            let on_socket = server.bind.as_deref().is_some_and(|bind| bind.starts_with("unix://"));
            if port.number.is_none() && !on_socket {
                report.add(
                    resource,
                    &at.field("port").field("number"),
                    "`number` is missing: the server listens on nothing.",
                );
            }
            if absent(port.protocol.as_ref()) {
                report.add(
                    resource,
                    &at.field("port").field("protocol"),
                    "`protocol` is missing: the gateway does not know the protocol of the port.",
                );
            }
            if absent(port.name.as_ref()) {
                report.add(
                    resource,
                    &at.field("port").field("name"),
                    "`name` is missing: Istio rejects the Gateway.",
                );
            }
        }
    }
    if server.hosts.is_empty() {
        report.add(
            resource,
            &at.field("hosts"),
            "`hosts` is missing: the server accepts no requests; `\"*\"` accepts all.",
        );
    }
}
