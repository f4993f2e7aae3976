//! The registry: which services there are, where their instances are, and who can be a source of traffic.
//!
//! It is made of ServiceEntries, WorkloadEntries and Kubernetes' Services alike, and of what a platform reports beside the
//! documents; what governs traffic is in [`crate::plan`].

mod entry;
mod inventory;
mod kubernetes;
mod protocol;
mod service;
mod visibility;
mod workload;

use std::borrow::Cow;
use std::collections::HashMap;

use crate::host::{self, HostMap};
use crate::{Mesh, Settings};

pub use inventory::{Inventory, Reported};
pub use protocol::PortProtocol;
pub use service::{Discovery, Endpoint, Port, Service};
pub use visibility::Visibility;
pub use workload::{Gateway, LOCALITY_LABELS, Source, Workload};

/// All services, workloads and gateways of a mesh.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    services: Vec<Service>,
    /// Positions of the services of a host, in the order of precedence without regard to the client's namespace.
    by_host: HashMap<String, Vec<usize>>,
    /// Positions of the services whose host is a wildcard.
    wildcards: HostMap<Vec<usize>>,
    workloads: Vec<Workload>,
    gateways: Vec<Gateway>,
}

/// Who looks at the mesh: a source with what decides what it sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// The source.
    pub source: Source,
    /// Its namespace.
    pub namespace: String,
    /// Its labels.
    pub labels: std::collections::BTreeMap<String, String>,
}

impl Registry {
    /// The registry of a mesh and of what a platform reports beside it.
    ///
    /// ```
    /// use mesh::{Inventory, Mesh, Registry, Settings, Sources};
    ///
    /// # let text = "
    /// # apiVersion: networking.istio.io/v1
    /// # kind: ServiceEntry
    /// # metadata: {name: reviews}
    /// # spec:
    /// #   hosts: [reviews.example.com]
    /// #   resolution: STATIC
    /// #   ports: [{number: 80, name: http, protocol: HTTP}]
    /// #   endpoints: [{address: 10.0.0.1}]
    /// # ---
    /// # apiVersion: networking.istio.io/v1
    /// # kind: WorkloadEntry
    /// # metadata: {name: client}
    /// # spec: {address: 10.0.0.2}
    /// # ";
    /// let settings = Settings::default();
    /// let mesh = Mesh::parse(&Sources::single("mesh.yaml", text)).mesh;
    /// let registry = Registry::of(&mesh, &Inventory::default(), &settings);
    /// assert!(registry.service("reviews.example.com", "default").is_some());
    /// ```
    pub fn of(mesh: &Mesh, inventory: &Inventory, settings: &Settings) -> Self {
        let mut workloads = workload::Collector::new(mesh, &inventory.workloads);
        let mut services = kubernetes::services(mesh, inventory.services(settings), settings, &workloads);
        services.extend(entry::services(mesh, &mut workloads));
        // Of one host in one namespace, Kubernetes' service is first and then the oldest entry; their ports are united.
        services.sort_by(|a, b| (a.rank(), &a.host, &a.namespace).cmp(&(b.rank(), &b.host, &b.namespace)));
        let mut registry =
            Self { workloads: workloads.finish(), gateways: workload::gateways(mesh), ..Self::default() };
        let mut known: HashMap<(String, String), usize> = HashMap::new();
        for service in services {
            match known.get(&(service.host.clone(), service.namespace.clone())) {
                Some(&at) => registry.services[at].unite(service),
                None => {
                    known.insert((service.host.clone(), service.namespace.clone()), registry.services.len());
                    registry.services.push(service);
                }
            }
        }
        registry.services.sort_by(|a, b| (&a.host, a.rank()).cmp(&(&b.host, b.rank())));
        for (at, service) in registry.services.iter().enumerate() {
            registry.by_host.entry(service.host.clone()).or_default().push(at);
            if host::is_wildcard(&service.host) {
                registry.wildcards.entry(&service.host, Vec::new).push(at);
            }
        }
        registry
    }

    /// All services, by host.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// All workloads that send traffic, by namespace and name.
    pub fn workloads(&self) -> &[Workload] {
        &self.workloads
    }

    /// All gateways, by namespace and name.
    pub fn gateways(&self) -> &[Gateway] {
        &self.gateways
    }

    /// All sources: gateways, then workloads.
    pub fn sources(&self) -> impl Iterator<Item = Source> {
        let gateways = self.gateways.iter().map(Gateway::source);
        gateways.chain(self.workloads.iter().map(Workload::source))
    }

    /// The service that a namespace means by a host: its own before others', among those that it can see.
    pub fn service(&self, host: &str, namespace: &str) -> Option<&Service> {
        self.pick(self.by_host.get(host)?, namespace)
    }

    /// The service that a destination or a DestinationRule means: the one that is written just so. No wildcard covers it.
    pub fn exact(&self, host: &str, namespace: &str) -> Option<&Service> {
        let lower = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        };
        self.service(&lower, namespace).filter(|service| service.written == host)
    }

    /// As [`Registry::service`], or the service of the most specific wildcard that covers the host.
    pub fn covering(&self, host: &str, namespace: &str) -> Option<&Service> {
        self.service(host, namespace).or_else(|| self.pick(self.wildcards.find(host)?, namespace))
    }

    /// Any service of a host, whoever sees it.
    pub fn any_service(&self, host: &str) -> Option<&Service> {
        self.by_host.get(host)?.first().map(|at| &self.services[*at])
    }

    /// The services that a namespace sees, one for each host, by host.
    pub fn visible<'r>(&'r self, namespace: &'r str) -> impl Iterator<Item = &'r Service> {
        let mut last: Option<&str> = None;
        self.services.iter().filter_map(move |service| {
            if last.replace(&service.host) == Some(&service.host) {
                return None;
            }
            self.service(&service.host, namespace)
        })
    }

    /// What decides what a source sees. A source that the registry does not have sees what its namespace sees.
    pub fn viewer(&self, source: &Source) -> Viewer {
        let (namespace, labels) = match source {
            Source::Workload { namespace, name } => {
                let key = |it: &Workload| (&it.namespace, &it.name).cmp(&(namespace, name));
                let found = self.workloads.binary_search_by(key).ok().map(|at| &self.workloads[at]);
                (namespace, found.map(|it| workload::located(&it.labels, &it.locality)))
            }
            Source::Gateway { namespace, name } => {
                let key = |it: &Gateway| (&it.namespace, &it.name).cmp(&(namespace, name));
                let found = self.gateways.binary_search_by(key).ok().map(|at| &self.gateways[at]);
                (namespace, found.map(|it| it.selector.clone()))
            }
        };
        Viewer { source: source.clone(), namespace: namespace.clone(), labels: labels.unwrap_or_default() }
    }

    fn pick(&self, candidates: &[usize], namespace: &str) -> Option<&Service> {
        let services = || candidates.iter().map(|at| &self.services[*at]);
        let seen = |service: &&Service| service.visibility.allows(&service.namespace, namespace);
        // A cluster's own service stands above entries; among equals the client's namespace is preferred.
        services().filter(seen).min_by_key(|service| (service.rank().0, service.namespace != namespace))
    }
}

#[cfg(test)]
mod tests;
