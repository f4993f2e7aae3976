//! Listeners of a workload: one for each port that some service has, with all services behind it.
//!
//! (Istio's `BuildSidecarVirtualHostWrapper` and what calls it.)

use std::collections::{BTreeMap, HashMap, HashSet};

use super::clusters::Clusters;
use super::domains::{self, Taken};
use super::scope::Scope;
use super::trace::{Entry, Note, Standing, Trace};
use super::translate;
use super::{Context, Rulebook, connections, defaults};
use crate::host::{self, HostMap, MESH, Overlaps};
use crate::plan::{ConnectionRoute, Listener, Protocol, Route, UnknownHost, VirtualHost, VirtualHosts};
use crate::registry::{PortProtocol, Service, Viewer};
use crate::settings::OutboundPolicy;

/// Hosts that no service has are reached on this port.
const PORT_OF_UNKNOWN_HOSTS: u16 = 80;

pub(super) fn listeners(
    context: &Context<'_>,
    viewer: &Viewer,
    clusters: &mut Clusters<'_>,
    trace: &mut Trace,
) -> Vec<Listener> {
    let services: Vec<&Service> =
        context.registry.visible(&viewer.namespace).filter(|service| service.alias_of.is_none()).collect();
    let bound = Bound::of(context, viewer, &services);
    let mut ports: BTreeMap<u16, Bucket<'_>> = BTreeMap::new();
    for service in &services {
        for port in service.ports.iter().filter(|port| port.protocol != PortProtocol::Udp) {
            let bucket = ports.entry(port.number).or_default();
            if port.protocol.is_http() {
                bucket.services.push(service);
            }
            // Of what nobody says what it is, what is not HTTP is passed on.
            if !port.protocol.is_http() || port.protocol == PortProtocol::Auto {
                bucket.others.push(service);
            }
        }
    }
    for (at, book) in bound.books.iter().enumerate() {
        let mut reached: BTreeMap<u16, Vec<&Service>> = BTreeMap::new();
        for service in &book.services {
            for port in service.ports.iter().filter(|port| port.protocol.is_http()) {
                reached.entry(port.number).or_default().push(service);
            }
        }
        if !book.others.is_empty() {
            reached.entry(PORT_OF_UNKNOWN_HOSTS).or_default();
        }
        for (port, services) in reached {
            ports.entry(port).or_default().books.push((at, services));
        }
    }
    let unknown_host = match context.settings.outbound_policy {
        OutboundPolicy::AllowAny => UnknownHost::Passthrough,
        OutboundPolicy::RegistryOnly => UnknownHost::BadGateway,
    };
    let mut made = Vec::with_capacity(ports.len());
    for (port, bucket) in ports {
        let mut hosts =
            Hosts { context, viewer, port, taken: Taken::default(), known: HashSet::new(), list: Vec::new() };
        hosts.known = bucket.services.iter().map(|service| service.host.as_str()).collect();
        hosts.fill(&bucket, &bound, clusters, trace);
        let connections = hosts.connections(&bucket.others, &bound, clusters);
        let protocol = match bucket.others.as_slice() {
            [] => Protocol::Http,
            _ if !hosts.list.is_empty() => Protocol::Http,
            others if others.iter().any(|service| is_tls(service, port)) => Protocol::Tls,
            _ => Protocol::Tcp,
        };
        let hosts = VirtualHosts::of(hosts.list);
        made.push(Listener { port, protocol, hosts, unknown_host, connections, tls: Vec::new() });
    }
    made
}

fn is_tls(service: &Service, port: u16) -> bool {
    service.port(port).is_some_and(|port| port.protocol == PortProtocol::Tls)
}

/// What is on one port.
#[derive(Default)]
struct Bucket<'s> {
    services: Vec<&'s Service>,
    /// Services that speak something else than HTTP on it, or may.
    others: Vec<&'s Service>,
    /// Position in [`Bound::books`], and the services that it governs on this port.
    books: Vec<(usize, Vec<&'s Service>)>,
}

/// The VirtualServices of the mesh, with the services that each governs.
struct Bound<'s> {
    books: Vec<BoundBook<'s>>,
    /// Positions of the books that govern a service, by its host.
    by_service: HashMap<&'s str, Vec<usize>>,
}

struct BoundBook<'s> {
    /// Position in [`super::Rules::books`].
    at: usize,
    services: Vec<&'s Service>,
    /// Hosts that no service has.
    others: Vec<String>,
}

impl<'s> Bound<'s> {
    fn of(context: &Context<'_>, viewer: &Viewer, services: &[&'s Service]) -> Self {
        let order = context.rules.bound(MESH, &viewer.namespace);
        let by_host: HashMap<&str, &'s Service> = services.iter().map(|it| (it.host.as_str(), *it)).collect();
        // Of several wildcards that cover a service the most specific governs it, and an exact host beats them all.
        let mut owners: HostMap<usize> = HostMap::default();
        for &at in &order {
            for host in &context.rules.books[at].hosts {
                owners.entry(host, || at);
            }
        }
        let sorted = Overlaps::of(services.iter().map(|service| service.host.as_str()));
        let books = order.into_iter().map(|at| {
            let book: &Rulebook = &context.rules.books[at];
            let mut bound = BoundBook { at, services: Vec::new(), others: Vec::new() };
            for host in book.hosts.iter().filter(|host| !host::is_wildcard(host)) {
                match by_host.get(host.as_str()) {
                    Some(service) => bound.services.push(service),
                    None => bound.others.push(host.clone()),
                }
            }
            let mut known: HashSet<&str> = bound.services.iter().map(|it| it.host.as_str()).collect();
            for host in book.hosts.iter().filter(|host| host::is_wildcard(host)) {
                let mut covered: Vec<usize> = sorted.with(host).collect();
                covered.sort_unstable();
                covered.dedup();
                for service in covered.iter().map(|at| services[*at]) {
                    if owners.find(&service.host) == Some(&at) && known.insert(&service.host) {
                        bound.services.push(service);
                    }
                }
                if covered.is_empty() {
                    bound.others.push(host.clone());
                }
            }
            bound
        });
        let books: Vec<BoundBook<'s>> = books.collect();
        let mut by_service: HashMap<&'s str, Vec<usize>> = HashMap::new();
        for (position, book) in books.iter().enumerate() {
            for service in &book.services {
                by_service.entry(&service.host).or_default().push(position);
            }
        }
        Self { books, by_service }
    }
}

/// The virtual hosts of one listener in the making.
struct Hosts<'a> {
    context: &'a Context<'a>,
    viewer: &'a Viewer,
    port: u16,
    taken: Taken,
    known: HashSet<&'a str>,
    list: Vec<VirtualHost>,
}

impl Hosts<'_> {
    fn fill(
        &mut self,
        bucket: &Bucket<'_>,
        bound: &Bound<'_>,
        clusters: &mut Clusters<'_>,
        trace: &mut Trace,
    ) {
        let scope = Scope {
            viewer: self.viewer,
            gateway: MESH,
            port: self.port,
            tls: false,
            patterns: &self.context.patterns,
        };
        let mut governed: HashSet<&str> = HashSet::new();
        for (position, services) in &bucket.books {
            let book = &bound.books[*position];
            let rules = &self.context.rules.books[book.at];
            let translated = translate::rules(rules, &scope, clusters, self.context.settings);
            let named = book.others.iter().map(|host| (host, None));
            let all = named.chain(services.iter().map(|service| (&service.host, Some(*service))));
            for (host, service) in all {
                let standing = if translated.routes.is_empty() {
                    Standing::Empty
                } else if self.add(host, service, translated.routes.clone()) {
                    governed.extend(service.map(|service| service.host.as_str()));
                    Standing::Used
                } else {
                    Standing::Second
                };
                trace.add(|| self.entry(host, book.at, standing, &translated.notes));
            }
        }
        for service in bucket.services.iter().filter(|service| !governed.contains(service.host.as_str())) {
            let Some(port) = service.port(self.port) else { continue };
            let cluster = clusters.of_service(service, port);
            self.add(&service.host, Some(service), vec![defaults::route(cluster, self.context.settings)]);
        }
    }

    /// Routes of connections to services that speak something else than HTTP here, or may.
    fn connections(
        &self,
        services: &[&Service],
        bound: &Bound<'_>,
        clusters: &mut Clusters<'_>,
    ) -> Vec<ConnectionRoute> {
        let scope = Scope {
            viewer: self.viewer,
            gateway: MESH,
            port: self.port,
            tls: false,
            patterns: &self.context.patterns,
        };
        let mut made = Vec::new();
        for service in services {
            let domains =
                domains::of_service(service, &self.viewer.namespace, &self.context.settings.domain).0;
            let tls = is_tls(service, self.port);
            let governing = bound.by_service.get(service.host.as_str()).into_iter().flatten();
            let before = made.len();
            for book in governing.map(|at| &bound.books[*at]) {
                let rules = &self.context.rules.books[book.at];
                for mut route in connections::rules(rules, tls, &scope, clusters) {
                    route.hosts.clone_from(&domains);
                    route.addresses = connections::addresses(service);
                    made.push(route);
                }
            }
            // What a rule for connections leaves over still has its default, unless one takes all of them.
            if made[before..].iter().all(|route| !route.matches.is_empty()) {
                made.extend(connections::default(service, self.port, domains, clusters));
            }
        }
        // A route that takes every connection whatever its address stands behind those that ask for something.
        made.sort_by_key(|route| {
            let sni = route.matches.iter().any(|condition| !condition.sni.is_empty());
            (!sni, route.addresses.is_empty() && route.matches.is_empty())
        });
        made
    }

    fn entry(&self, host: &str, book: usize, standing: Standing, notes: &[Note]) -> Entry {
        Entry { port: self.port, host: host.to_owned(), book, standing, notes: notes.to_vec() }
    }

    /// Adds a virtual host; false when another one has its name or all of its domains.
    fn add(&mut self, host: &str, service: Option<&Service>, routes: Vec<Route>) -> bool {
        if !self.taken.name(host) {
            return false;
        }
        let (all, made) = match service {
            Some(service) => {
                domains::of_service(service, &self.viewer.namespace, &self.context.settings.domain)
            }
            None => (vec![host.to_owned()], Vec::new()),
        };
        let domains = self.taken.domains(all, &made, &self.known);
        let free = !domains.is_empty();
        if free {
            self.list.push(VirtualHost { name: host.to_owned(), domains, routes });
        }
        free
    }
}
