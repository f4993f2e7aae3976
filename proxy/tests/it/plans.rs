//! Plans by hand: one listener on port 80 for the host `reviews`.

use std::sync::Arc;
use std::time::Duration;

use mesh::plan::{
    Action, Balancer, Cluster, ClusterId, ClusterKey, ClusterPolicy, ConnectionMatch, ConnectionRoute,
    Destination, Direct, Endpoint, Fault, Forward, HeaderOps, Listener, Plan, Protocol, Redirect, Retry,
    RetryOn, Route, Subnet, UnknownHost, VirtualHost, VirtualHosts,
};
use mesh::{RouteKey, Source};

use crate::support::Server;

/// The workload that all requests come from.
pub(crate) fn workload() -> Source {
    Source::Workload { namespace: "default".to_owned(), name: "productpage-v1".to_owned() }
}

/// A plan in the making.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) source: Source,
    pub(crate) revision: u64,
    pub(crate) routes: Vec<Route>,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) unknown_host: UnknownHost,
    pub(crate) internal: Vec<Subnet>,
}

impl Draft {
    /// A plan with these clusters, and routes of the virtual host `reviews` on them.
    pub(crate) fn new(clusters: Vec<Cluster>, routes: Vec<Route>) -> Self {
        let (source, unknown_host) = (workload(), UnknownHost::NotFound);
        Self { source, revision: 1, routes, clusters, unknown_host, internal: Vec::new() }
    }

    pub(crate) fn plan(self) -> Arc<Plan> {
        let host = VirtualHost {
            name: "reviews.default.svc.cluster.local".to_owned(),
            domains: vec!["reviews".to_owned(), "reviews.default.svc.cluster.local".to_owned()],
            routes: self.routes,
        };
        let listener = Listener {
            port: 80,
            protocol: Protocol::Http,
            hosts: VirtualHosts::of(vec![host]),
            unknown_host: self.unknown_host,
            connections: Vec::new(),
            tls: Vec::new(),
        };
        Arc::new(Plan {
            revision: self.revision,
            source: self.source,
            labels: Arc::default(),
            paths: mesh::PathNormalization::default(),
            internal: self.internal,
            listeners: [listener].into(),
            clusters: self.clusters.into_iter().map(Arc::new).collect(),
        })
    }
}

/// The subset `subset` of `reviews` at these servers; its version has the subset's name.
pub(crate) fn cluster(subset: &str, servers: &[&Server]) -> Cluster {
    cluster_at(subset, &servers.iter().map(|server| server.address().port()).collect::<Vec<_>>())
}

/// The subset at these ports of the loopback address.
pub(crate) fn cluster_at(subset: &str, ports: &[u16]) -> Cluster {
    let endpoint = |&port: &u16| Endpoint {
        address: "127.0.0.1".to_owned(),
        port,
        workload: format!("reviews-{subset}"),
        labels: [("version".to_owned(), subset.to_owned())].into(),
        weight: 1,
        locality: String::new(),
    };
    let host = "reviews.default.svc.cluster.local".to_owned();
    Cluster {
        key: ClusterKey { host, subset: Some(subset.to_owned()), port: 80 },
        known: true,
        endpoints: ports.iter().map(endpoint).collect(),
        policy: ClusterPolicy { balancer: Balancer::RoundRobin, ..ClusterPolicy::default() },
    }
}

/// A route for everything.
pub(crate) fn route(action: Action) -> Route {
    Route {
        key: Some(RouteKey { namespace: "default".to_owned(), name: "reviews".to_owned(), index: 0 }),
        name: None,
        matches: Vec::new(),
        action,
        fault: None,
        headers: HeaderOps::default(),
        cors: None,
    }
}

/// Forwarding to clusters by their position, with weights.
pub(crate) fn to(weights: &[(u32, u32)]) -> Forward {
    Forward {
        destinations: weights
            .iter()
            .map(|&(cluster, weight)| Destination {
                cluster: ClusterId(cluster),
                weight,
                headers: HeaderOps::default(),
            })
            .collect(),
        total_weight: weights.iter().map(|&(_, weight)| u64::from(weight)).sum(),
        rewrite: None,
        timeout: Some(Duration::from_secs(15)),
        mesh_timeout: false,
        retries: None,
        mirrors: Vec::new(),
    }
}

/// A route for everything to the first cluster.
pub(crate) fn to_first(change: impl FnOnce(&mut Forward)) -> Route {
    let mut forward = to(&[(0, 1)]);
    change(&mut forward);
    route(Action::Forward(Box::new(forward)))
}

pub(crate) fn faulty(fault: Fault) -> Route {
    Route { fault: Some(fault), ..to_first(|_| {}) }
}

pub(crate) fn retries(attempts: u32, on: &str) -> Retry {
    Retry {
        attempts,
        per_try_timeout: None,
        on: RetryOn::parse(on),
        back_off: Duration::from_millis(1),
        remote_localities: false,
        ignore_previous_hosts: true,
    }
}

pub(crate) fn redirect(redirect: Redirect) -> Route {
    route(Action::Redirect(Box::new(redirect)))
}

pub(crate) fn direct(status: u16, body: &str) -> Route {
    route(Action::Direct(Box::new(Direct { status, body: body.as_bytes().to_vec() })))
}

/// A plan of one listener that takes connections, with these clusters.
pub(crate) fn plan_of(source: Source, listener: Listener, clusters: Vec<Cluster>) -> Arc<Plan> {
    Arc::new(Plan {
        revision: 1,
        source,
        labels: Arc::default(),
        paths: mesh::PathNormalization::default(),
        internal: Vec::new(),
        listeners: [listener].into(),
        clusters: clusters.into_iter().map(Arc::new).collect(),
    })
}

/// A listener for connections on port 9000.
pub(crate) fn tcp_listener(connections: Vec<ConnectionRoute>) -> Listener {
    Listener {
        port: 9000,
        protocol: Protocol::Tcp,
        hosts: VirtualHosts::default(),
        unknown_host: UnknownHost::BadGateway,
        connections,
        tls: Vec::new(),
    }
}

/// A route for connections with these names in the SNI (none: all connections), to clusters with weights.
pub(crate) fn connections(sni: &[&str], weights: &[(u32, u32)]) -> ConnectionRoute {
    let forward = to(weights);
    let condition = ConnectionMatch {
        sni: sni.iter().map(|&name| name.to_owned()).collect(),
        ..ConnectionMatch::default()
    };
    ConnectionRoute {
        from: "default/reviews tcp[0]".to_owned(),
        hosts: Vec::new(),
        addresses: Vec::new(),
        matches: if sni.is_empty() { Vec::new() } else { vec![condition] },
        destinations: forward.destinations,
        total_weight: forward.total_weight,
        fault: None,
    }
}
