//! Plans as resources of Envoy: a pure function. The same plan has the same bytes each time.
//!
//! The rules are those of `mesh::route`, written in Envoy's words. What Envoy cannot do is not left out silently: it is among
//! what [`notes`] says.

mod cluster;
mod encoding;
mod endpoints;
mod filters;
mod hashing;
mod headers;
mod health;
mod hosts;
mod limits;
mod listener;
mod log;
mod matching;
pub mod names;
mod pb;
mod retry;
mod route;
mod tcp;
mod tls;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use mesh::plan::{Action, Plan, Protocol, Source};
use prost::Message;

use crate::node::Bind;
use crate::resource::{Kind, Resource, Resources, Snapshot};
use cluster::Discovery;
use hosts::Routes;
use listener::Http;

/// The cluster, in every Envoy's bootstrap, that is this server.
pub const SERVER: &str = "meshwright";
/// Where a workload's listener for HTTP is unless the node says so: Istio's port for outbound traffic.
pub const OUTBOUND_PORT: u16 = 15001;

/// How resources get to an Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Over a stream that says all of a kind each time.
    Whole,
    /// Over a stream that says what is different: virtual hosts are resources of their own, so that a changed route costs a
    /// route.
    Delta,
    /// In a file, whole, with nobody to ask and nobody to tell.
    Static,
}

/// Translates a plan for an Envoy that listens on these addresses.
pub fn translate(plan: &Plan, bind: &Bind, delivery: Delivery) -> Snapshot {
    let mut made = Made::default();
    let bytes = carries_bytes(plan);
    for (at, it) in plan.clusters.iter().enumerate().filter(|(_, it)| it.known) {
        let assignment = endpoints::assignment(it, &plan.labels);
        let name = names::cluster(&it.key);
        made.secrets(&name, tls::held_for(it));
        if Discovery::of(it) == Discovery::Eds && delivery != Delivery::Static {
            made.put(Kind::Endpoints, name.clone(), assignment.encode_to_vec());
        }
        let bytes = bytes.contains(&at);
        made.put(Kind::Cluster, name, cluster::cluster(it, assignment, bytes, delivery).encode_to_vec());
    }
    match plan.source {
        Source::Workload { .. } => made.workload(plan, bind, delivery),
        Source::Gateway { .. } => made.gateway(plan, bind, delivery),
    }
    made.finish(plan)
}

/// The clusters that connections lead to.
fn carries_bytes(plan: &Plan) -> HashSet<usize> {
    let routes = plan.listeners.iter().flat_map(|listener| &listener.connections);
    let bytes: HashSet<usize> =
        routes.flat_map(|route| &route.destinations).map(|it| it.cluster.0 as usize).collect();
    let routes = plan.listeners.iter().flat_map(|it| &it.hosts.list).flat_map(|host| &host.routes);
    let forwards = routes.filter_map(|route| match &route.action {
        Action::Forward(forward) => Some(forward),
        Action::Redirect(_) | Action::Direct(_) => None,
    });
    let http: HashSet<usize> = forwards
        .flat_map(|it| {
            let mirrors = it.mirrors.iter().map(|mirror| mirror.cluster);
            it.destinations.iter().map(|it| it.cluster).chain(mirrors)
        })
        .map(|id| id.0 as usize)
        .collect();
    bytes.difference(&http).copied().collect()
}

#[derive(Default)]
struct Made {
    kinds: [Resources; Kind::ALL.len()],
}

impl Made {
    fn put(&mut self, kind: Kind, name: String, bytes: Vec<u8>) {
        let resource = Resource::new(kind, name, bytes);
        self.kinds[kind as usize].insert(Arc::clone(&resource.name), Arc::new(resource));
    }

    fn secrets<'s>(&mut self, owner: &str, secrets: impl IntoIterator<Item = &'s mesh::plan::Secret>) {
        for (name, bytes) in tls::secrets(owner, secrets) {
            self.put(Kind::Secret, name, bytes);
        }
    }

    fn workload(&mut self, plan: &Plan, bind: &Bind, delivery: Delivery) {
        let at = bind.http.unwrap_or_else(|| SocketAddr::new(bind.address, OUTBOUND_PORT));
        self.put(Kind::Cluster, names::PASSTHROUGH.to_owned(), cluster::passthrough().encode_to_vec());
        let routes = hosts::outbound(plan);
        self.routes(&routes, delivery);
        let http = Http {
            routes: &routes,
            gateway: false,
            internal: &[],
            dynamic: true,
            paths: plan.paths,
            idle: bind.stream_idle,
        };
        self.listener(&listener::http(hosts::OUTBOUND.to_owned(), at, &http, delivery));
        for it in &*plan.listeners {
            if it.protocol != Protocol::Http {
                self.listener(&listener::mixed(bind.port(it.port), it, &plan.clusters, &|_| None, delivery));
            } else if let Some(at) = bind.ports.get(&it.port) {
                let routes = hosts::on_port(plan, it);
                self.routes(&routes, delivery);
                let http = |_| {
                    Some(Http {
                        routes: &routes,
                        gateway: false,
                        internal: &[],
                        dynamic: true,
                        paths: plan.paths,
                        idle: bind.stream_idle,
                    })
                };
                self.listener(&listener::mixed(*at, it, &plan.clusters, &http, delivery));
            }
        }
    }

    fn gateway(&mut self, plan: &Plan, bind: &Bind, delivery: Delivery) {
        let dynamic = plan.clusters.iter().any(|it| it.known && Discovery::of(it) == Discovery::Dynamic);
        for it in &*plan.listeners {
            let at = bind.port(it.port);
            let several = it.tls.len() > 1;
            let servers = if several { (0..it.tls.len()).map(Some).collect() } else { vec![None] };
            // Without hosts it is served all the same: who asks for one gets 404, rather than no connection.
            let spoken = it.protocol == Protocol::Http || it.tls.iter().any(|server| server.http);
            let serves = |server: &Option<usize>| match server {
                Some(server) => it.tls[*server].http,
                None => spoken || !it.hosts.list.is_empty(),
            };
            let servers = servers.into_iter().filter(serves);
            let routes: Vec<(Option<usize>, Routes)> =
                servers.map(|server| (server, hosts::inbound(it, server, &plan.clusters))).collect();
            routes.iter().for_each(|(_, routes)| self.routes(routes, delivery));
            let http = |server: Option<usize>| {
                let (_, routes) = routes.iter().find(|(own, _)| *own == server)?;
                Some(Http {
                    routes,
                    gateway: true,
                    internal: &plan.internal,
                    dynamic,
                    paths: plan.paths,
                    idle: bind.stream_idle,
                })
            };
            match http(None).filter(|_| it.protocol == Protocol::Http) {
                Some(http) => self.listener(&listener::http(it.port.to_string(), at, &http, delivery)),
                None => self.listener(&listener::mixed(at, it, &plan.clusters, &http, delivery)),
            }
            for (at, server) in it.tls.iter().enumerate().filter(|(_, server)| !server.passes()) {
                self.secrets(&listener::secret_owner(it.port, at), &server.secrets);
            }
        }
    }

    /// A listener that takes nothing is none: Envoy refuses it.
    fn listener(&mut self, listener: &envoy_types::pb::envoy::config::listener::v3::Listener) {
        if !listener.filter_chains.is_empty() {
            self.put(Kind::Listener, listener.name.clone(), listener.encode_to_vec());
        }
    }

    fn routes(&mut self, routes: &Routes, delivery: Delivery) {
        match delivery {
            // They are in the listener.
            Delivery::Static => {}
            Delivery::Whole => self.put(Kind::Routes, routes.name.clone(), routes.whole()),
            Delivery::Delta => {
                self.put(Kind::Routes, routes.name.clone(), routes.apart());
                for (host, bytes) in &routes.hosts {
                    self.put(Kind::VirtualHost, format!("{}/{host}", routes.name), bytes.clone());
                }
            }
        }
    }

    fn finish(self, plan: &Plan) -> Snapshot {
        let mut snapshot = Snapshot::new(plan.revision);
        for (kind, resources) in Kind::ALL.into_iter().zip(self.kinds) {
            snapshot.set(kind, Arc::new(resources));
        }
        snapshot
    }
}

/// What a plan says that Envoy cannot do, in sentences.
pub fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    for listener in &*plan.listeners {
        for route in listener.hosts.list.iter().flat_map(|host| &host.routes) {
            if route.fault.as_ref().is_some_and(|fault| !filters::is_possible(fault)) {
                notes.push(format!("{}: Envoy has no fault that resets requests", names::route(route)));
            }
        }
        for route in listener.connections.iter().filter(|route| route.fault.is_some()) {
            notes.push(format!("{}: Envoy has no faults of connections", route.from));
        }
        for route in listener.connections.iter().filter(|it| tcp::tunnels(it, &plan.clusters).count() > 1) {
            notes.push(format!("{}: Envoy has one tunnel for all destinations, or none", route.from));
        }
    }
    for server in plan.listeners.iter().flat_map(|listener| &listener.tls) {
        for curve in server.settings.ecdh_curves.iter().filter(|it| !tls::knows_curve(it)) {
            notes.push(format!("{}: Envoy does not know the curve {curve}", server.hosts.join(", ")));
        }
        for cipher in server.settings.cipher_suites.iter().filter(|it| !tls::knows_cipher(it)) {
            notes.push(format!("{}: Envoy does not know the cipher {cipher}", server.hosts.join(", ")));
        }
    }
    for server in plan.listeners.iter().flat_map(|listener| &listener.tls) {
        if !server.passes() && !tls::has_certificate(server) {
            notes.push(format!("{}: there is no certificate for it", server.hosts.join(", ")));
        }
    }
    notes.sort();
    notes.dedup();
    notes
}
