//! A route in words: what it matches and what it does. Pure.

use std::collections::BTreeMap;

use mesh::resource::http::{Headers, HttpMatch, HttpRoute, StringMatch};
use mesh::resource::virtual_service::{Destination, L4Match, TlsMatch};

use crate::topology::short_host;
use crate::words;

/// The conditions of a route, one line for each alternative; none is «every request».
pub fn matches(route: &HttpRoute) -> Vec<String> {
    route.r#match.iter().map(one_match).collect()
}

fn one_match(one: &HttpMatch) -> String {
    let mut parts = Vec::new();
    let mut text = |what: &str, value: &Option<StringMatch>| {
        if let Some(value) = value {
            parts.push(format!("{what} {}", compared(value)));
        }
    };
    text("path", &one.uri);
    text("method", &one.method);
    text("host", &one.authority);
    text("scheme", &one.scheme);
    parts.extend(one.headers.iter().map(|(name, value)| format!("header {name} {}", compared(value))));
    parts.extend(
        one.without_headers.iter().map(|(name, value)| format!("no header {name} {}", compared(value))),
    );
    parts.extend(one.query_params.iter().map(|(name, value)| format!("query {name} {}", compared(value))));
    if let Some(port) = one.port {
        parts.push(format!("port {port}"));
    }
    sources(&one.source_labels, one.source_namespace.as_ref(), &one.gateways, &mut parts);
    if parts.is_empty() { "every request".to_owned() } else { parts.join(" and ") }
}

fn compared(value: &StringMatch) -> String {
    match (&value.exact, &value.prefix, &value.regex) {
        (Some(text), ..) => format!("is {text}"),
        (_, Some(text), _) => format!("begins with {text}"),
        (.., Some(text)) => format!("matches {text}"),
        _ => "is present".to_owned(),
    }
}

/// What a route does, in a line.
pub fn outcome(route: &HttpRoute) -> String {
    if let Some(redirect) = &route.redirect {
        let mut to = String::new();
        if let Some(authority) = &redirect.authority {
            to.push_str(authority);
        }
        to.push_str(redirect.uri.as_deref().or(redirect.prefix_rewrite.as_deref()).unwrap_or_default());
        return format!("redirects to {to} ({})", redirect.redirect_code.unwrap_or(301));
    }
    if let Some(direct) = &route.direct_response {
        return format!("direct response {}", direct.status.unwrap_or(200));
    }
    if let Some(delegate) = &route.delegate {
        return format!("delegates to VirtualService {}", delegate.name.as_deref().unwrap_or_default());
    }
    shares(route.route.iter().map(|one| (one.destination.as_ref(), one.weight)))
}

/// Destinations with their shares.
pub fn shares<'r>(to: impl Iterator<Item = (Option<&'r Destination>, Option<i64>)>) -> String {
    let all: Vec<_> = to.collect();
    let total: i64 = all.iter().filter_map(|(_, weight)| *weight).sum();
    let parts: Vec<String> = all
        .iter()
        .map(|(to, weight)| {
            let name = destination(*to);
            if all.len() == 1 || total == 0 {
                return name;
            }
            #[expect(clippy::cast_precision_loss, reason = "weights are small")]
            let percent = weight.unwrap_or(0) as f64 * 100.0 / total as f64;
            format!("{name} {}", words::percentage(percent))
        })
        .collect();
    if parts.is_empty() { "no destination".to_owned() } else { format!("to {}", parts.join(" · ")) }
}

/// What a TLS connection must have.
pub fn tls_match(one: &TlsMatch) -> String {
    let names = (!one.sni_hosts.is_empty()).then(|| format!("SNI {}", one.sni_hosts.join(" or ")));
    let from = (&one.source_labels, &one.source_namespace, one.gateways.as_slice());
    connection(names, one.port, &one.destination_subnets, None, from)
}

/// What a TCP connection must have.
pub fn tcp_match(one: &L4Match) -> String {
    let from = (&one.source_labels, &one.source_namespace, one.gateways.as_slice());
    connection(None, one.port, &one.destination_subnets, one.source_subnet.as_ref(), from)
}

fn connection(
    names: Option<String>,
    port: Option<i64>,
    subnets: &[String],
    source: Option<&String>,
    (labels, namespace, gateways): (&BTreeMap<String, String>, &Option<String>, &[String]),
) -> String {
    let mut parts: Vec<String> = names.into_iter().collect();
    parts.extend(port.map(|port| format!("port {port}")));
    if !subnets.is_empty() {
        parts.push(format!("to {}", subnets.join(" or ")));
    }
    parts.extend(source.map(|subnet| format!("from {subnet}")));
    sources(labels, namespace.as_ref(), gateways, &mut parts);
    if parts.is_empty() { "every connection".to_owned() } else { parts.join(" and ") }
}

/// Where a request or a connection comes from.
fn sources(
    labels: &BTreeMap<String, String>,
    namespace: Option<&String>,
    gateways: &[String],
    parts: &mut Vec<String>,
) {
    parts.extend(labels.iter().map(|(name, value)| format!("from {name}={value}")));
    parts.extend(namespace.map(|namespace| format!("from namespace {namespace}")));
    if !gateways.is_empty() {
        parts.push(format!("through {}", gateways.join(" or ")));
    }
}

/// A destination: `reviews v2`, `details:9080`.
pub fn destination(destination: Option<&Destination>) -> String {
    let Some(destination) = destination else { return "nowhere".to_owned() };
    let mut name = short_host(destination.host.as_deref().unwrap_or_default()).to_owned();
    if let Some(port) = destination.port.as_ref().and_then(|port| port.number) {
        name = format!("{name}:{port}");
    }
    match &destination.subset {
        Some(subset) => format!("{name} {subset}"),
        None => name,
    }
}

/// What else a route does, as name and value.
pub fn extras(route: &HttpRoute) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(timeout) = &route.timeout {
        rows.push(("timeout", timeout.0.clone()));
    }
    if let Some(retries) = &route.retries {
        let mut text =
            words::plural(usize::try_from(retries.attempts.unwrap_or(0)).unwrap_or(0), "retry", "retries");
        if let Some(each) = &retries.per_try_timeout {
            text = format!("{text}, {} per try", each.0);
        }
        if let Some(on) = &retries.retry_on {
            text = format!("{text}, on {on}");
        }
        rows.push(("retries", text));
    }
    if let Some(rewrite) = &route.rewrite {
        let parts = [
            rewrite.uri.as_ref().map(|uri| format!("path to {uri}")),
            rewrite.uri_regex_rewrite.as_ref().map(|rewrite| {
                format!(
                    "path {} → {}",
                    rewrite.r#match.as_deref().unwrap_or_default(),
                    rewrite.rewrite.as_deref().unwrap_or_default()
                )
            }),
            rewrite.authority.as_ref().map(|host| format!("host to {host}")),
        ];
        rows.push(("rewrites", parts.into_iter().flatten().collect::<Vec<_>>().join(", ")));
    }
    let mirrors: Vec<String> = route
        .mirror
        .iter()
        .map(|to| destination(Some(to)))
        .chain(route.mirrors.iter().map(|mirror| destination(mirror.destination.as_ref())))
        .collect();
    if !mirrors.is_empty() {
        rows.push(("mirrors to", mirrors.join(", ")));
    }
    if route.cors_policy.is_some() {
        rows.push(("CORS", "policy set".to_owned()));
    }
    if let Some(headers) = &route.headers {
        rows.push(("headers", header_words(headers)));
    }
    rows
}

fn header_words(headers: &Headers) -> String {
    let mut parts = Vec::new();
    for (operations, side) in [(&headers.request, "request"), (&headers.response, "response")] {
        let Some(operations) = operations else { continue };
        parts.extend(operations.set.keys().map(|name| format!("{side} sets {name}")));
        parts.extend(operations.add.keys().map(|name| format!("{side} adds {name}")));
        parts.extend(operations.remove.iter().map(|name| format!("{side} drops {name}")));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use mesh::{Mesh, Sources};

    use super::*;

    fn route(yaml: &str) -> HttpRoute {
        let indented: String = yaml.lines().map(|line| format!("    {line}\n")).collect();
        let text = format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\nspec:\n  hosts: [a]\n  http:\n  -\n{indented}"
        );
        let mesh = Mesh::parse(&Sources::single("a.yaml", text)).mesh;
        let (_, spec) = mesh.virtual_services().next().unwrap();
        spec.http[0].clone()
    }

    #[test]
    fn routes_in_words() {
        for (yaml, matched, done) in [
            ("route:\n- destination: {host: reviews, subset: v1}", vec![], "to reviews v1"),
            (
                "match:\n- uri: {prefix: /api}\n  headers: {end-user: {exact: jason}}\n- method: {regex: P.*}\nroute:\n- destination: {host: a}\n  weight: 1\n- destination: {host: b, port: {number: 80}}\n  weight: 2",
                vec!["path begins with /api and header end-user is jason", "method matches P.*"],
                "to a 33.33% · b:80 66.67%",
            ),
            (
                "match:\n- headers: {x: {}}\nredirect: {uri: /x}",
                vec!["header x is present"],
                "redirects to /x (301)",
            ),
            ("directResponse: {status: 503}", vec![], "direct response 503"),
            ("match:\n- {}\ndelegate: {name: d}", vec!["every request"], "delegates to VirtualService d"),
        ] {
            let route = route(yaml);
            assert_eq!(
                (matches(&route), outcome(&route)),
                (matched.into_iter().map(str::to_owned).collect(), done.to_owned())
            );
        }
    }

    #[test]
    fn extras_in_words() {
        let route = route(
            "route:\n- destination: {host: a}\ntimeout: 2s\nretries: {attempts: 3, perTryTimeout: 1s, retryOn: 5xx}\nrewrite: {uri: /b}\nmirror: {host: c}\nheaders: {request: {set: {x: y}}, response: {remove: [z]}}",
        );
        assert_eq!(
            extras(&route),
            [
                ("timeout", "2s".to_owned()),
                ("retries", "3 retries, 1s per try, on 5xx".to_owned()),
                ("rewrites", "path to /b".to_owned()),
                ("mirrors to", "c".to_owned()),
                ("headers", "request sets x, response drops z".to_owned()),
            ]
        );
    }
}
