//! The methods that Envoys call.

use super::encode::Protocol;
use crate::resource::Kind;

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Resources of all kinds, or of one.
    Discovery(Protocol, Option<Kind>),
    /// Access logs.
    Logs,
}

/// The service of each kind, and the word in its methods' names.
const SERVICES: [(&str, &str, Option<Kind>); 7] = [
    ("envoy.service.discovery.v3.AggregatedDiscoveryService", "AggregatedResources", None),
    ("envoy.service.secret.v3.SecretDiscoveryService", "Secrets", Some(Kind::Secret)),
    ("envoy.service.cluster.v3.ClusterDiscoveryService", "Clusters", Some(Kind::Cluster)),
    ("envoy.service.endpoint.v3.EndpointDiscoveryService", "Endpoints", Some(Kind::Endpoints)),
    ("envoy.service.listener.v3.ListenerDiscoveryService", "Listeners", Some(Kind::Listener)),
    ("envoy.service.route.v3.RouteDiscoveryService", "Routes", Some(Kind::Routes)),
    ("envoy.service.route.v3.VirtualHostDiscoveryService", "VirtualHosts", Some(Kind::VirtualHost)),
];

/// The method of a request's path.
pub(super) fn method(path: &str) -> Option<Method> {
    if path == "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs" {
        return Some(Method::Logs);
    }
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let (_, word, kind) = SERVICES.into_iter().find(|(name, _, _)| *name == service)?;
    let protocol = match method.strip_suffix(word)? {
        "Delta" => Protocol::Delta,
        // Virtual hosts have no such method.
        "Stream" if kind != Some(Kind::VirtualHost) => Protocol::World,
        _ => return None,
    };
    Some(Method::Discovery(protocol, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_found() {
        use Protocol::{Delta, World};
        for (path, expected) in [
            ("discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources", Some((World, None))),
            ("discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources", Some((Delta, None))),
            ("listener.v3.ListenerDiscoveryService/DeltaListeners", Some((Delta, Some(Kind::Listener)))),
            ("route.v3.RouteDiscoveryService/StreamRoutes", Some((World, Some(Kind::Routes)))),
            (
                "route.v3.VirtualHostDiscoveryService/DeltaVirtualHosts",
                Some((Delta, Some(Kind::VirtualHost))),
            ),
            ("route.v3.VirtualHostDiscoveryService/StreamVirtualHosts", None),
            ("route.v3.RouteDiscoveryService/FetchRoutes", None),
            ("runtime.v3.RuntimeDiscoveryService/StreamRuntime", None),
        ] {
            let expected = expected.map(|(protocol, kind)| Method::Discovery(protocol, kind));
            assert_eq!(method(&format!("/envoy.service.{path}")), expected, "{path}");
        }
        assert_eq!(method("/"), None);
        assert_eq!(
            method("/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"),
            Some(Method::Logs)
        );
    }
}
