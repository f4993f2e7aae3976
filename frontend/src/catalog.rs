//! What there is to select: services with their instances, external hosts and gateways, read from a mesh. Pure.

use std::collections::BTreeMap;

use mesh::registry::Registry;
use mesh::resource::Spec;
use mesh::{Kind, Mesh, ResourceKey, Settings, host};

use crate::topology::{Node, NodeId, Places, Version, short_host};

/// One instance of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Namespace of its workload.
    pub namespace: String,
    /// Name of its workload.
    pub workload: String,
    /// Its label `version`; empty without one.
    pub version: String,
    /// When its workload was created, as the platform says.
    pub created: Option<String>,
    /// Its address with each of its ports: `10.0.0.1:9080`. The first is on the port that most instances have.
    pub addresses: Vec<String>,
}

/// A service or an external host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Fully qualified host.
    pub host: String,
    /// Namespace of the resource that defines it.
    pub namespace: String,
    /// It is outside the mesh.
    pub external: bool,
    /// Its ports.
    pub ports: Vec<u16>,
    /// Its instances.
    pub instances: Vec<Instance>,
    /// The resources that define it.
    pub definitions: Vec<ResourceKey>,
}

/// A gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its resource.
    pub key: ResourceKey,
    /// Port, protocol and hosts of each server.
    pub servers: Vec<(u16, String, Vec<String>)>,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalog {
    /// By host.
    pub services: BTreeMap<String, Service>,
    /// By key.
    pub gateways: BTreeMap<ResourceKey, Gateway>,
    /// VirtualServices by host.
    pub routing: HostIndex,
    /// DestinationRules by host.
    pub policies: HostIndex,
}

/// Resources by the host that they name, so that finding a service's does not walk them all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostIndex {
    exact: BTreeMap<String, Vec<ResourceKey>>,
    wildcards: Vec<(String, ResourceKey)>,
}

impl HostIndex {
    fn add(&mut self, name: &str, key: &ResourceKey, settings: &Settings) {
        let full = host::qualify(name, &key.namespace, &settings.domain).into_owned();
        if host::is_wildcard(&full) {
            self.wildcards.push((full, key.clone()));
        } else {
            self.exact.entry(full).or_default().push(key.clone());
        }
    }

    /// The resources that govern a host, each once: those that name it, then those whose wildcard covers it. Of a host that
    /// is itself a wildcard, also those for hosts within it.
    pub fn find(&self, service: &str) -> Vec<&ResourceKey> {
        let mut found: Vec<&ResourceKey> = Vec::new();
        let wide = host::is_wildcard(service).then_some(&self.exact);
        let within = wide.into_iter().flatten().filter(|(name, _)| host::subset_of(name, service));
        let exact = self.exact.get(service).into_iter().chain(within.map(|(_, keys)| keys)).flatten();
        let wild =
            self.wildcards.iter().filter(|(name, _)| host::subset_of(service, name)).map(|(_, key)| key);
        for key in exact.chain(wild) {
            if !found.contains(&key) {
                found.push(key);
            }
        }
        found
    }
}

impl Catalog {
    /// Reads a mesh.
    pub fn of(mesh: &Mesh, registry: &Registry, settings: &Settings) -> Self {
        let mut catalog = Self::default();
        for service in registry.services() {
            // One host can be defined in several namespaces; the first is the one that most sources mean.
            catalog.services.entry(service.host.clone()).or_insert_with(|| Service::of(mesh, service));
        }
        for resource in mesh.resources() {
            match &resource.spec {
                Spec::VirtualService(spec) => {
                    spec.hosts.iter().for_each(|host| catalog.routing.add(host, &resource.key, settings));
                }
                Spec::DestinationRule(spec) => {
                    spec.host.iter().for_each(|host| catalog.policies.add(host, &resource.key, settings));
                }
                Spec::Gateway(spec) => {
                    let servers = spec.servers.iter().filter_map(server).collect();
                    let key = resource.key.clone();
                    catalog.gateways.insert(key.clone(), Gateway { key, servers });
                }
                _ => {}
            }
        }
        catalog
    }

    /// Which node a source or host is.
    pub fn places(&self) -> Places {
        let mut places = Places::default();
        for service in self.services.values() {
            if service.external {
                places.externals.insert(service.host.clone());
                continue;
            }
            places.services.insert(service.host.clone());
            for instance in &service.instances {
                let key = (instance.namespace.clone(), instance.workload.clone());
                places.workloads.insert(key, service.host.clone());
            }
        }
        places
    }

    /// The nodes, sorted by id.
    pub fn nodes(&self) -> Vec<Node> {
        let mut nodes: Vec<Node> = self
            .services
            .values()
            .map(Service::node)
            .chain(self.gateways.values().map(Gateway::node))
            .collect();
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        nodes
    }
}

/// As instances that are not used are named.
fn address(endpoint: &mesh::plan::Endpoint) -> String {
    format!("{}:{}", endpoint.address, endpoint.port)
}

/// Port, protocol and hosts of a server; `None` without a port.
fn server(server: &mesh::resource::gateway::Server) -> Option<(u16, String, Vec<String>)> {
    let port = server.port.as_ref()?;
    let number = u16::try_from(port.number?).ok()?;
    Some((number, port.protocol.clone().unwrap_or_default(), server.hosts.clone()))
}

impl Service {
    fn of(mesh: &Mesh, service: &mesh::registry::Service) -> Self {
        // Every port has the same instances, unless some have no number for it.
        let fullest = service.ports.iter().max_by_key(|port| port.endpoints.len());
        // The host's own name stands in for instances that nobody lists.
        let listed = |endpoint: &mesh::plan::Endpoint| endpoint.workload != service.host;
        let mut instances = Vec::<Instance>::new();
        if let Some(port) = fullest {
            // Ports with as many endpoints have those of the same instances, in the same order.
            let alike = |other: &&mesh::registry::Port| other.endpoints.len() == port.endpoints.len();
            for (at, endpoint) in port.endpoints.iter().enumerate().filter(|(_, endpoint)| listed(endpoint)) {
                let mut addresses = vec![address(endpoint)];
                for other in service.ports.iter().filter(alike).map(|other| address(&other.endpoints[at])) {
                    if !addresses.contains(&other) {
                        addresses.push(other);
                    }
                }
                let key = ResourceKey::new(Kind::WorkloadEntry, &service.namespace, &endpoint.workload);
                let made = mesh.resource(&key).and_then(|entry| entry.metadata.creation_timestamp.clone());
                instances.push(Instance {
                    namespace: service.namespace.clone(),
                    workload: endpoint.workload.clone(),
                    version: endpoint.version().to_owned(),
                    created: made,
                    addresses,
                });
            }
        }
        let mut definitions = vec![service.from.clone()];
        for instance in &instances {
            let key = ResourceKey::new(Kind::WorkloadEntry, &instance.namespace, &instance.workload);
            if mesh.resource(&key).is_some() && !definitions.contains(&key) {
                definitions.push(key);
            }
        }
        Self {
            host: service.host.clone(),
            namespace: service.namespace.clone(),
            external: service.external,
            ports: service.ports.iter().map(|port| port.number).collect(),
            instances,
            definitions,
        }
    }

    /// What names its node.
    pub fn id(&self) -> NodeId {
        if self.external { NodeId::External(self.host.clone()) } else { NodeId::Service(self.host.clone()) }
    }

    /// Its versions with their instances, sorted.
    pub fn versions(&self) -> Vec<Version> {
        // Instances outside the mesh have versions only where somebody says so.
        if self.external && self.instances.iter().all(|instance| instance.version.is_empty()) {
            return Vec::new();
        }
        let mut counts = BTreeMap::<&str, usize>::new();
        for instance in &self.instances {
            *counts.entry(&instance.version).or_default() += 1;
        }
        counts.into_iter().map(|(name, instances)| Version { name: name.to_owned(), instances }).collect()
    }

    /// When a version first came: when the oldest of its workloads was created, where that is known of all.
    pub fn created(&self, version: &str) -> Option<&str> {
        let own = self.instances.iter().filter(|instance| instance.version == version);
        own.map(|instance| instance.created.as_deref()).min().flatten()
    }

    fn node(&self) -> Node {
        Node {
            id: self.id(),
            name: short_host(&self.host).to_owned(),
            namespace: self.namespace.clone(),
            versions: self.versions(),
            ports: self.ports.clone(),
        }
    }
}

impl Gateway {
    /// Whether an entry of a VirtualService's `gateways` names this one.
    pub fn is_named(&self, entry: &str, own: &str) -> bool {
        gateway_named(entry, own, &self.key)
    }

    /// What names its node.
    pub fn id(&self) -> NodeId {
        NodeId::Gateway { namespace: self.key.namespace.clone(), name: self.key.name.clone() }
    }

    fn node(&self) -> Node {
        Node {
            id: self.id(),
            name: self.key.name.clone(),
            namespace: self.key.namespace.clone(),
            versions: Vec::new(),
            ports: self.servers.iter().map(|(port, ..)| *port).collect(),
        }
    }
}

/// Whether a VirtualService's `gateways` entry names this Gateway: `name`, `namespace/name` or a qualified name. `own` is the VirtualService's namespace.
pub fn gateway_named(entry: &str, own: &str, key: &ResourceKey) -> bool {
    mesh::host::gateway_name(entry, own) == (&*key.namespace, &*key.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{bookinfo, host, service};

    #[test]
    fn the_sample() {
        let catalog = bookinfo("").catalog;
        let versions = |name: &str| {
            let versions = catalog.services[&host(name)].versions();
            versions.into_iter().map(|version| (version.name, version.instances)).collect::<Vec<_>>()
        };
        let one = |name: &str, count| (name.to_owned(), count);
        assert_eq!(versions("reviews"), [one("v1", 1), one("v2", 1), one("v3", 1)]);
        assert_eq!(versions("productpage"), [one("v1", 2)]);
        assert!(catalog.services["books.example.com"].external);
        assert!(catalog.services["books.example.com"].versions().is_empty());
        let gateway = catalog.gateways.values().next().unwrap();
        assert_eq!(gateway.servers, [(8081, "HTTP".to_owned(), vec!["*".to_owned()])]);
    }

    #[test]
    fn sources_and_hosts_have_places() {
        let places = bookinfo("").catalog.places();
        let workload =
            |name: &str| mesh::Source::Workload { namespace: "default".into(), name: name.to_owned() };
        assert_eq!(places.of_source(&workload("productpage-v1-b")), service("productpage"));
        assert_eq!(
            places.of_source(&workload("curl")),
            NodeId::Workload { namespace: "default".into(), name: "curl".into() }
        );
        assert_eq!(places.of_host(&host("ratings")), service("ratings"));
        assert_eq!(places.of_host("books.example.com"), NodeId::External("books.example.com".into()));
        assert_eq!(places.of_host("else.example.com"), NodeId::External("else.example.com".into()));
    }

    #[test]
    fn gateways_are_named_in_several_ways() {
        let key = ResourceKey::new(Kind::Gateway, "istio-system", "ingress");
        for (entry, own, named) in [
            ("ingress", "istio-system", true),
            ("ingress", "default", false),
            ("istio-system/ingress", "default", true),
            ("./ingress", "istio-system", true),
            ("./ingress", "default", false),
            ("ingress.istio-system.svc.cluster.local", "default", true),
            ("mesh", "istio-system", false),
        ] {
            assert_eq!(gateway_named(entry, own, &key), named, "{entry} in {own}");
        }
    }
}
