//! The form of «where does this request go», and its answer for the graph. Pure.

use mesh::explain::{BadRequest, ExplainRequest, Explanation, Status};
use mesh::{Registry, Source};

use crate::explained::{Explained, Hop};
use crate::reading::Reading;
use crate::topology::{NodeId, Places, Topology};

/// Who can send a request, as a select offers it: label and source.
pub fn sources(registry: &Registry) -> Vec<(String, Source)> {
    let label = |source: &Source| match source {
        Source::Gateway { name, .. } => format!("gateway {name}"),
        Source::Workload { namespace, name } if namespace == "default" => name.clone(),
        Source::Workload { namespace, name } => format!("{name} in {namespace}"),
    };
    registry.sources().map(|source| (label(&source), source)).collect()
}

/// A request from what was typed, headers one to a line.
pub fn request(method: &str, host: &str, path: &str, headers: &str) -> Result<ExplainRequest, BadRequest> {
    let lines = headers.lines().filter(|line| !line.trim().is_empty());
    let request = ExplainRequest {
        method: method.trim().to_ascii_uppercase(),
        host: host.trim().to_owned(),
        path: path.trim().to_owned(),
        headers: lines.map(mesh::explain::header).collect::<Result<_, _>>()?,
        scheme: None,
        port: None,
    };
    request.check()?;
    Ok(request)
}

/// What the form begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Label of the source.
    pub from: String,
    /// Host.
    pub host: String,
    /// Path.
    pub path: String,
}

/// A request like those that reach a node: from its first caller, and through a gateway as `front`, the address that the load
/// generator asks for. `None` in a mesh without sources.
pub fn start(
    reading: &Reading,
    topology: &Topology,
    node: Option<&NodeId>,
    front: Option<&str>,
) -> Option<Start> {
    let caller = topology.links.iter().find(|link| Some(&link.key.to) == node).map(|link| &link.key.from);
    let is_caller = |source: &Source| match (caller.or(node), source) {
        (Some(NodeId::Gateway { namespace, name }), Source::Gateway { namespace: of, name: called }) => {
            namespace == of && name == called
        }
        (Some(NodeId::Service(host)), Source::Workload { namespace, name }) => {
            let known = reading.catalog.services.get(host);
            known.is_some_and(|known| {
                known.instances.iter().any(|one| one.namespace == *namespace && one.workload == *name)
            })
        }
        _ => false,
    };
    let all = sources(&reading.analysis.registry);
    let (from, source) = all.iter().find(|(_, source)| is_caller(source)).or_else(|| all.first())?.clone();
    if let (Source::Gateway { .. }, Some((_, rest))) = (&source, front.and_then(|url| url.split_once("://")))
    {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        return Some(Start { from, host: host.to_owned(), path: format!("/{path}") });
    }
    let first = || reading.catalog.services.keys().next().cloned();
    let host = node.and_then(NodeId::host).map(str::to_owned).or_else(first).unwrap_or_default();
    let port = reading.catalog.services.get(&host).and_then(|known| known.ports.first());
    let host = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    Some(Start { from, host, path: "/".to_owned() })
}

/// The answer in a line: what every request gets for certain, else what the rule does.
pub fn headline(answer: &Explanation) -> String {
    if let Some(certain) = &answer.certain {
        let status = if certain.status == 0 { "Reset".to_owned() } else { certain.status.to_string() };
        return format!("{status}: {}.", certain.reason);
    }
    let said = match answer.status {
        Status::Routed => "It is forwarded.",
        Status::Direct => "The proxy answers it.",
        Status::Redirect => "It is redirected.",
        Status::NoRoute => "404: no route matches.",
        Status::NoHost => "Unknown host.",
    };
    said.to_owned()
}

/// The answer for the graph.
pub fn explained(answer: &Explanation, source: &Source, places: &Places) -> Explained {
    let certain = answer.certain.as_ref();
    // Nothing gets as far as a destination.
    let hops = answer.destinations.iter().filter(|_| certain.is_none()).map(|target| Hop {
        to: places.of_host(&target.host),
        version: target.subset.clone(),
        probability: target.weight,
    });
    Explained {
        from: places.of_source(source),
        hops: hops.collect(),
        answer: match answer.status {
            _ if certain.is_some_and(|it| it.status == 0) => "reset".to_owned(),
            _ if certain.is_some() => {
                certain.map(|it| format!("{} · {}", it.status, it.flag)).unwrap_or_default()
            }
            Status::Routed => String::new(),
            Status::Direct => "answered by the proxy".to_owned(),
            Status::Redirect => "redirected".to_owned(),
            Status::NoRoute => "404 · no route".to_owned(),
            Status::NoHost => "unknown host".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_a_request() {
        let asked = request(" get", "reviews:9080 ", "/x", "end-user: jason\n\nCookie: a:b").unwrap();
        assert_eq!((asked.method.as_str(), asked.host.as_str()), ("GET", "reviews:9080"));
        assert_eq!(
            asked.headers,
            [("end-user".to_owned(), "jason".to_owned()), ("Cookie".to_owned(), "a:b".to_owned())]
        );
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for (method, host, path, headers, expected) in [
            ("GET", "a", "/", "nonsense", "`nonsense` is no header"),
            ("PO ST", "a", "/", "", "`PO ST` is no method"),
            ("GET", "a:99999", "/", "", "`99999` is no port"),
            ("GET", "a", "x", "", "`x` is no path"),
        ] {
            let error = request(method, host, path, headers).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn it_starts_as_traffic_does() {
        let reading = crate::fixture::bookinfo("");
        let gateway = NodeId::Gateway { namespace: "default".into(), name: "ingress".into() };
        let links = [
            (gateway.clone(), crate::fixture::service("productpage")),
            (crate::fixture::service("productpage"), crate::fixture::service("reviews")),
        ];
        let seen = links.into_iter().map(|(from, to)| crate::topology::LinkKey { from, to }).collect();
        let none = std::collections::BTreeSet::new();
        let topology = crate::topology::assemble(reading.catalog.nodes(), &none, &seen, &none);
        let front = Some("http://127.0.0.1:8081/productpage");
        let start = |node: Option<&NodeId>| {
            let start = start(&reading, &topology, node, front).unwrap();
            format!("{} {} {}", start.from, start.host, start.path)
        };
        let reviews = crate::fixture::service("reviews");
        assert_eq!(start(Some(&reviews)), "productpage-v1 reviews.default.svc.cluster.local:9080 /");
        assert_eq!(start(Some(&gateway)), "gateway ingress 127.0.0.1:8081 /productpage");
        assert_eq!(start(None), "gateway ingress 127.0.0.1:8081 /productpage");
    }
}
