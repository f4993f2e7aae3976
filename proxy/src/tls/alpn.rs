//! What is spoken within TLS towards endpoints.

use mesh::Plan;
use mesh::plan::{ClusterId, Probe};

/// Names of protocols.
pub(crate) const HTTP1: &[u8] = b"http/1.1";
pub(crate) const HTTP2: &[u8] = b"h2";

/// What is spoken within TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alpn {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// Either, as each connection is to carry.
    Either,
    /// Anything.
    Bytes,
}

impl Alpn {
    /// What is spoken within TLS to a plan's cluster: whatever the client speaks, where routes of connections lead to it and no
    /// tunnel takes them on.
    pub(crate) fn of_cluster(plan: &Plan, id: ClusterId) -> Self {
        let mut routes = plan.listeners.iter().flat_map(|listener| &listener.connections);
        let policy = plan.clusters.get(id.0 as usize).map(|cluster| &cluster.policy);
        let carries = routes.any(|route| route.destinations.iter().any(|it| it.cluster == id));
        match policy {
            Some(policy) if carries && policy.tunnel().is_none() => Self::Bytes,
            Some(policy) if policy.client_protocol => Self::Either,
            Some(policy) if policy.http2 => Self::Http2,
            _ => Self::Http1,
        }
    }

    /// What a check speaks within TLS.
    pub(crate) fn of_check(probe: &Probe) -> Self {
        match probe {
            Probe::Http { .. } => Self::Http1,
            Probe::Tcp => Self::Bytes,
            Probe::Grpc { .. } => Self::Http2,
        }
    }
}
