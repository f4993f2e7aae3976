//! How large the plans of a mesh would be, before any is made: delegates, hosts and sources multiply what is written, and a text of
//! some kilobytes could fill the memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::host::{self, MESH};
use crate::limits::{Exceeded, PLAN_BYTES};
use crate::registry::Registry;
use crate::resource::{HttpRoute, Resource, VirtualService};
use crate::{Mesh, ResourceKey};

/// What a route takes, in bytes, roughly.
const ROUTE: u64 = 1000;
/// What a condition of a route takes.
const MATCH: u64 = 300;
/// What a port of a service takes: a virtual host, a cluster and a default route.
const SERVICE: u64 = 1500;
/// What an endpoint takes.
const ENDPOINT: u64 = 400;

/// Refuses a mesh whose plans would be too large, with the VirtualService that takes the most.
pub fn fits(mesh: &Mesh, registry: &Registry) -> Result<(), (Exceeded, Option<ResourceKey>)> {
    let (total, largest) = bytes(mesh, registry);
    if total <= count(PLAN_BYTES) {
        return Ok(());
    }
    let found = usize::try_from(total).unwrap_or(usize::MAX);
    let exceeded = Exceeded { what: "the plans of a mesh", most: PLAN_BYTES, unit: "bytes", found };
    Err((exceeded, largest))
}

/// What the plans of a mesh would take, roughly, in bytes, and the VirtualService that takes the most.
pub(crate) fn bytes(mesh: &Mesh, registry: &Registry) -> (u64, Option<ResourceKey>) {
    let services: Vec<_> = mesh.virtual_services().collect();
    let delegates: HashMap<(&str, &str), (u64, u64)> = services
        .iter()
        .filter(|(_, service)| service.hosts.is_empty())
        .map(|(resource, service)| ((namespace(resource), resource.key.name.as_str()), rules(&service.http)))
        .collect();
    let views = views(&services, mesh, registry);
    let servers: HashMap<(&str, &str), u64> = mesh
        .gateways()
        .map(|(resource, gateway)| {
            ((namespace(resource), resource.key.name.as_str()), count(gateway.servers.len()))
        })
        .collect();
    let mut total = views.saturating_mul(of_services(registry));
    let (mut most, mut largest) = (0, None);
    for (resource, service) in services.iter().filter(|(_, service)| !service.hosts.is_empty()) {
        let hosts = count(service.hosts.len()).saturating_add(covered(service, registry));
        let placed = bound(resource, service, |gateway| match gateway {
            None => views,
            Some(gateway) => servers.get(&gateway).copied().unwrap_or(0),
        });
        // Once they are merged, and once for each host of each source.
        let times = placed.saturating_mul(hosts).saturating_add(1);
        let bytes = merged(resource, service, &delegates).saturating_mul(times);
        total = total.saturating_add(bytes);
        if bytes > most {
            (most, largest) = (bytes, Some(&resource.key));
        }
    }
    (total, largest.cloned())
}

/// Rules, and their conditions.
fn rules(http: &[HttpRoute]) -> (u64, u64) {
    (count(http.len()), http.iter().map(|route| count(route.r#match.len())).sum())
}

/// Bytes of the rules of a VirtualService, those of its delegates in place of the rules that delegate.
fn merged(
    resource: &Resource,
    service: &VirtualService,
    delegates: &HashMap<(&str, &str), (u64, u64)>,
) -> u64 {
    let connections = count(service.tls.len() + service.tcp.len()).saturating_mul(ROUTE);
    service.http.iter().fold(connections, |sum, route| {
        let conditions = count(route.r#match.len());
        let one = match &route.delegate {
            None => (1, conditions),
            Some(delegate) => {
                let named = delegate.namespace.as_deref().filter(|it| !it.is_empty());
                let key = (named.unwrap_or(namespace(resource)), delegate.name.as_deref().unwrap_or(""));
                let (rules, leaves) = delegates.get(&key).copied().unwrap_or((1, 0));
                // Each condition of the delegate with each of the root's.
                (rules, leaves.max(rules).saturating_mul(conditions.max(1)))
            }
        };
        let bytes = one.0.saturating_mul(ROUTE).saturating_add(one.1.saturating_mul(MATCH));
        sum.saturating_add(bytes)
    })
}

/// Services that the wildcards among a VirtualService's hosts may cover.
fn covered(service: &VirtualService, registry: &Registry) -> u64 {
    let wild = service.hosts.iter().any(|host| host::is_wildcard(host));
    if wild { count(registry.services().len()) } else { 0 }
}

/// How many times a VirtualService is placed: for the mesh, which is no gateway, and for each gateway.
fn bound<'m>(
    resource: &'m Resource,
    service: &'m VirtualService,
    times: impl Fn(Option<(&'m str, &'m str)>) -> u64,
) -> u64 {
    match service.gateways.as_slice() {
        [] => times(None),
        list => list.iter().fold(0, |sum, gateway| {
            let named = (gateway != MESH).then(|| host::gateway_name(gateway, namespace(resource)));
            sum.saturating_add(times(named))
        }),
    }
}

/// Bytes of what a source sees of the registry.
fn of_services(registry: &Registry) -> u64 {
    let ports = registry.services().iter().flat_map(|service| &service.ports);
    ports.map(|port| SERVICE + ENDPOINT * count(port.endpoints.len())).fold(0, u64::saturating_add)
}

/// How many compilations the workloads need: those that no rule tells apart share one.
fn views(services: &[(&Resource, &VirtualService)], mesh: &Mesh, registry: &Registry) -> u64 {
    let mut asked: BTreeSet<&str> = BTreeSet::new();
    for (_, service) in services {
        let http =
            service.http.iter().flat_map(|route| &route.r#match).flat_map(|it| it.source_labels.keys());
        let tls = service.tls.iter().flat_map(|route| &route.r#match).flat_map(|it| it.source_labels.keys());
        let tcp = service.tcp.iter().flat_map(|route| &route.r#match).flat_map(|it| it.source_labels.keys());
        asked.extend(http.chain(tls).chain(tcp).map(String::as_str));
    }
    let selectors = mesh.destination_rules().filter_map(|(_, rule)| rule.workload_selector.as_ref());
    asked.extend(selectors.flat_map(|selector| selector.match_labels.keys()).map(String::as_str));
    if asked.is_empty() {
        let namespaces: BTreeSet<&str> =
            registry.workloads().iter().map(|it| it.namespace.as_str()).collect();
        return count(namespaces.len());
    }
    let views: BTreeSet<(&str, BTreeMap<&str, &str>)> = registry
        .workloads()
        .iter()
        .map(|workload| {
            let labels = workload.labels.iter().map(|(label, value)| (label.as_str(), value.as_str()));
            (workload.namespace.as_str(), labels.filter(|(label, _)| asked.contains(label)).collect())
        })
        .collect();
    count(views.len())
}

fn namespace(resource: &Resource) -> &str {
    &resource.key.namespace
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
