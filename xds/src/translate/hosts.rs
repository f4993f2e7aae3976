//! Virtual hosts, and the route configurations that hold them.

use std::sync::Arc;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use envoy_types::pb::envoy::config::route::v3 as envoy;
use mesh::Plan;
use mesh::plan::{Cluster, Listener, Protocol, UnknownHost, VirtualHost};
use mesh::route::{listener_for, tls_server};
use prost::Message;

use super::{encoding, names, pb, route};

/// Field numbers of `envoy.config.route.v3.VirtualHost` and `RouteConfiguration`.
const ROUTES: u32 = 3;
const VIRTUAL_HOSTS: u32 = 2;

/// The routes of a workload's listener for HTTP to all ports.
pub(super) const OUTBOUND: &str = "outbound";
/// A host that nobody asks for.
const NOBODY: &str = "nobody.invalid";
/// Hosts that the mesh does not know.
const UNKNOWN: &str = "unknown";

/// A route configuration: its name and its virtual hosts, encoded, by their names.
pub(super) struct Routes {
    pub(super) name: String,
    pub(super) hosts: BTreeMap<String, Vec<u8>>,
    /// A gateway's ports are no part of what its hosts are called.
    any_port: bool,
}

impl Routes {
    /// All of it in one resource.
    pub(super) fn whole(&self) -> Vec<u8> {
        let mut bytes = self.head(None).encode_to_vec();
        for host in self.hosts.values() {
            encoding::append(&mut bytes, VIRTUAL_HOSTS, host);
        }
        bytes
    }

    /// Without its virtual hosts, which come as resources of their own.
    pub(super) fn apart(&self) -> Vec<u8> {
        let vhds = envoy::Vhds { config_source: Some(pb::from_ads()) };
        self.head(Some(vhds)).encode_to_vec()
    }

    /// All of it as a message, to be put into another.
    pub(super) fn config(&self) -> envoy::RouteConfiguration {
        let hosts = self.hosts.values().map(|host| envoy::VirtualHost::decode(host.as_slice()));
        // These bytes were encoded above.
        envoy::RouteConfiguration { virtual_hosts: hosts.filter_map(Result::ok).collect(), ..self.head(None) }
    }

    fn head(&self, vhds: Option<envoy::Vhds>) -> envoy::RouteConfiguration {
        envoy::RouteConfiguration {
            name: self.name.clone(),
            vhds,
            ignore_port_in_host_matching: self.any_port,
            // What leads to a cluster that is not there answers 503; Envoy would refuse all routes of a file for it.
            validate_clusters: Some(pb::flag(false)),
            max_direct_response_body_size_bytes: Some(pb::number(MAX_BODY)),
            ..Default::default()
        }
    }
}

/// Istio's limit for the body of a direct response.
const MAX_BODY: u32 = 1024 * 1024;

/// The routes of a workload: its listeners for HTTP in one, told apart by the port in the authority.
pub(super) fn outbound(plan: &Plan) -> Routes {
    let mut hosts = BTreeMap::new();
    let mut taken = HashSet::new();
    for listener in plan.listeners.iter().filter(|it| it.protocol == Protocol::Http) {
        for host in &listener.hosts.list {
            let mut domains = Vec::with_capacity(host.domains.len() * 2);
            for domain in &host.domains {
                let domain = domain.to_ascii_lowercase();
                let own = listener_for(plan, &example(&domain)).map(|it| it.port) == Some(listener.port);
                domains.push(format!("{domain}:{}", listener.port));
                domains.extend(own.then_some(domain));
            }
            domains.retain(|domain| taken.insert(domain.clone()));
            if !domains.is_empty() {
                let name = format!("{}:{}", host.name, listener.port);
                let made = virtual_host(OUTBOUND, &name, domains, &host.routes, &plan.clusters);
                hosts.insert(name, made);
            }
        }
    }
    let unknown = plan.listeners.first().map_or(UnknownHost::NotFound, |listener| listener.unknown_host);
    if taken.insert("*".to_owned()) {
        hosts.extend(for_unknown(OUTBOUND, unknown));
    }
    Routes { name: OUTBOUND.to_owned(), hosts, any_port: false }
}

/// The routes of one of a workload's ports, for a listener that takes what is meant for that port alone.
pub(super) fn on_port(plan: &Plan, listener: &Listener) -> Routes {
    let mut routes = inbound(listener, None, &plan.clusters);
    if listener.hosts.any().is_none() {
        routes.hosts.extend(for_unknown(&routes.name, listener.unknown_host));
    }
    routes
}

/// The routes of a gateway's port; of several servers that end TLS on it, those that one of them has.
pub(super) fn inbound(listener: &Listener, server: Option<usize>, clusters: &[Arc<Cluster>]) -> Routes {
    let own = match server {
        Some(server) => format!("{}.{server}", listener.port),
        None => listener.port.to_string(),
    };
    let mut hosts = BTreeMap::new();
    let mut taken = HashSet::new();
    for host in &listener.hosts.list {
        let VirtualHost { name, domains, routes } = &**host;
        let mut domains: Vec<String> = domains.iter().map(|domain| domain.to_ascii_lowercase()).collect();
        if listener.tls.len() > 1 {
            domains.retain(|domain| tls_server(listener, Some(&example(domain))) == server);
        }
        domains.retain(|domain| taken.insert(domain.clone()));
        if !domains.is_empty() {
            hosts.insert(name.clone(), virtual_host(&own, name, domains, routes, clusters));
        }
    }
    if hosts.is_empty() {
        // Of routes without any hosts Envoy would wait for some, or keep those that it has had.
        let none = encode_host(&own, NOBODY, vec![NOBODY.to_owned()], []);
        hosts.insert(NOBODY.to_owned(), none);
    }
    Routes { name: own, hosts, any_port: true }
}

/// A name that a domain stands for.
fn example(domain: &str) -> String {
    domain.replace('*', "x")
}

fn virtual_host(
    owner: &str,
    name: &str,
    domains: Vec<String>,
    routes: &[mesh::plan::Route],
    clusters: &[Arc<Cluster>],
) -> Vec<u8> {
    encode_host(owner, name, domains, routes.iter().flat_map(|it| route::encoded(it, clusters)))
}

/// It is called as its resource is: by that name Envoy looks for it when it is taken away.
fn encode_host(
    owner: &str,
    name: &str,
    domains: Vec<String>,
    routes: impl IntoIterator<Item = Vec<u8>>,
) -> Vec<u8> {
    let name = format!("{owner}/{name}");
    let host =
        envoy::VirtualHost { name, domains, include_request_attempt_count: true, ..Default::default() };
    let mut bytes = host.encode_to_vec();
    for route in routes {
        encoding::append(&mut bytes, ROUTES, &route);
    }
    bytes
}

/// The virtual host of hosts that no other has; a gateway has none, and answers 404.
fn for_unknown(owner: &str, unknown: UnknownHost) -> Option<(String, Vec<u8>)> {
    use envoy::route_action::ClusterSpecifier;
    let action = match unknown {
        UnknownHost::NotFound => return None,
        UnknownHost::BadGateway => envoy::route::Action::DirectResponse(envoy::DirectResponseAction {
            status: 502,
            ..Default::default()
        }),
        UnknownHost::Passthrough => envoy::route::Action::Route(envoy::RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(names::PASSTHROUGH.to_owned())),
            timeout: Some(pb::duration(Duration::ZERO)),
            ..Default::default()
        }),
    };
    let route = envoy::Route {
        name: UNKNOWN.to_owned(),
        r#match: Some(super::matching::everything()),
        action: Some(action),
        ..Default::default()
    };
    let host = encode_host(owner, UNKNOWN, vec!["*".to_owned()], [route.encode_to_vec()]);
    Some((UNKNOWN.to_owned(), host))
}
