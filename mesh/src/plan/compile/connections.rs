//! Routes of connections: `tcp` and `tls` of VirtualServices, and the defaults of services.

use super::Context;
use super::clusters::Clusters;
use super::matches::bound_to;
use super::rules::{ConnectionRule, Rulebook};
use super::scope::Scope;
use crate::host;
use crate::plan::{ConnectionMatch, ConnectionRoute, Destination, HeaderOps, Subnet};
use crate::registry::{PortProtocol, Service, Viewer};
use crate::resource::gateway::Server;
use crate::resource::virtual_service::{Destination as Named, PortSelector};

/// The routes that a VirtualService's `tls` (or else `tcp`) makes for a source and a listener, up to the first that takes
/// every connection.
pub(super) fn rules(
    book: &Rulebook,
    tls: bool,
    scope: &Scope<'_>,
    clusters: &mut Clusters<'_>,
) -> Vec<ConnectionRoute> {
    let mut made = Vec::new();
    for rule in book.connections.iter().filter(|rule| rule.tls == tls) {
        let matches: Vec<ConnectionMatch> = conditions(rule, scope);
        if matches.is_empty() && !rule.matches.is_empty() {
            continue;
        }
        let destinations = destinations(rule, scope.port, clusters);
        if !destinations.is_empty() {
            made.push(ConnectionRoute {
                from: rule.from.clone(),
                hosts: book.hosts.clone(),
                addresses: Vec::new(),
                total_weight: destinations.iter().map(|it| u64::from(it.weight)).sum(),
                destinations,
                fault: rule.fault.clone(),
                matches: if matches.contains(&ConnectionMatch::default()) { Vec::new() } else { matches },
            });
        }
        if made.last().is_some_and(|last: &ConnectionRoute| last.matches.is_empty()) {
            break;
        }
    }
    made
}

/// The route of a service's port that no VirtualService governs. TLS is told apart by the service's names, or by its
/// addresses where it has some.
pub(super) fn default(
    service: &Service,
    port: u16,
    hosts: Vec<String>,
    clusters: &mut Clusters<'_>,
) -> Option<ConnectionRoute> {
    let port = service.port(port)?;
    let cluster = clusters.of_service(service, port);
    let addresses = addresses(service);
    let mut matches = Vec::new();
    if port.protocol == PortProtocol::Tls {
        let sni = hosts.iter().filter(|host| Subnet::parse(host).is_none()).cloned().collect();
        matches.push(ConnectionMatch { sni, ..ConnectionMatch::default() });
        if !addresses.is_empty() {
            let destinations = addresses.clone();
            matches.push(ConnectionMatch { destinations, ..ConnectionMatch::default() });
        }
    }
    Some(ConnectionRoute {
        from: service.host.clone(),
        addresses,
        matches,
        hosts,
        destinations: vec![Destination { cluster, weight: 1, headers: HeaderOps::default() }],
        total_weight: 1,
        fault: None,
    })
}

/// `AUTO_PASSTHROUGH`: a route for each service's port, and each subset of it, by the name that Istio's clients make of
/// them for the SNI (`outbound_.9080_.v1_.reviews.default.svc.cluster.local`).
pub(super) fn encoded(
    context: &Context<'_>,
    viewer: &Viewer,
    server: &Server,
    clusters: &mut Clusters<'_>,
) -> Vec<ConnectionRoute> {
    let mut made = Vec::new();
    for service in context.registry.visible(&viewer.namespace).filter(|service| !service.external) {
        let open = host::for_namespace(&server.hosts, &service.namespace, &viewer.namespace);
        if !open.iter().any(|pattern| host::subset_of(&service.host, pattern)) {
            continue;
        }
        let governing = context.policies.governing(&service.host, Some(&service.namespace), viewer);
        let names = governing.iter().flat_map(|governing| governing.subset_names());
        let subsets: Vec<Option<&str>> = std::iter::once(None).chain(names.map(Some)).collect();
        for (port, subset) in service.ports.iter().flat_map(|port| subsets.iter().map(move |it| (port, it))) {
            let named = Named {
                host: Some(service.host.clone()),
                subset: subset.map(str::to_owned),
                port: Some(PortSelector { number: Some(i64::from(port.number)), ..PortSelector::default() }),
                ..Named::default()
            };
            let sni = format!("outbound_.{}_.{}_.{}", port.number, subset.unwrap_or(""), service.host);
            made.push(ConnectionRoute {
                from: service.host.clone(),
                hosts: vec![sni.clone()],
                addresses: Vec::new(),
                matches: vec![ConnectionMatch { sni: vec![sni], ..ConnectionMatch::default() }],
                destinations: vec![Destination {
                    cluster: clusters.of_destination(&named, port.number),
                    weight: 1,
                    headers: HeaderOps::default(),
                }],
                total_weight: 1,
                fault: None,
            });
        }
    }
    made
}

/// The addresses by which a service can be meant.
pub(super) fn addresses(service: &Service) -> Vec<Subnet> {
    service.addresses.iter().chain(&service.ranges).filter_map(|it| Subnet::parse(it)).collect()
}

fn conditions(rule: &ConnectionRule, scope: &Scope<'_>) -> Vec<ConnectionMatch> {
    let subnets = |list: &[String]| list.iter().filter_map(|it| Subnet::parse(it)).collect::<Vec<_>>();
    let here = rule.matches.iter().filter(|(_, it)| {
        bound_to(it.port, &it.gateways, &it.source_labels, it.source_namespace.as_deref(), scope).is_ok()
    });
    // A range that cannot be read holds for nothing, rather than for everything.
    let read = here.filter_map(|(sni, it)| {
        let made = ConnectionMatch {
            sni: sni.iter().map(|name| name.to_ascii_lowercase()).collect(),
            destinations: subnets(&it.destination_subnets),
            sources: it.source_subnet.iter().filter_map(|it| Subnet::parse(it)).collect(),
        };
        let whole = (made.destinations.is_empty() == it.destination_subnets.is_empty())
            && (made.sources.is_empty() == it.source_subnet.is_none());
        whole.then_some(made)
    });
    read.collect()
}

fn destinations(rule: &ConnectionRule, port: u16, clusters: &mut Clusters<'_>) -> Vec<Destination> {
    let alone = rule.route.len() == 1;
    let weighted = rule.route.iter().filter_map(|entry| {
        let weight = entry.weight.unwrap_or(0).clamp(0, i64::from(u32::MAX));
        let weight = if alone { 1 } else { u32::try_from(weight).unwrap_or(u32::MAX) };
        let destination = entry.destination.as_ref().filter(|_| weight > 0)?;
        let cluster = clusters.of_destination(destination, port);
        Some(Destination { cluster, weight, headers: HeaderOps::default() })
    });
    weighted.collect()
}
