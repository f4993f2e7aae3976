//! The services that a mesh knows, as far as rules ask for them: names, ports, who sees them, and the labels of instances.

use std::collections::BTreeMap;

use crate::host::HostMap;
use crate::resource::{Resource, ServiceEntry, service_entry::Resolution};
use crate::{Mesh, Settings};

use super::context::selects;

/// Istio's annotation on a Service that says which namespaces see it.
const EXPORT_TO: &str = "networking.istio.io/exportTo";

/// Services by their fully qualified hosts.
#[derive(Default)]
pub(super) struct Services<'m> {
    by_host: HostMap<Vec<Service<'m>>>,
    known: bool,
}

/// One service.
pub(super) struct Service<'m> {
    pub(super) namespace: &'m str,
    /// Number and protocol, as written.
    pub(super) ports: Vec<(i64, Option<&'m str>)>,
    /// Namespaces that see it; empty is all.
    export_to: Vec<&'m str>,
    /// Labels of its instances; `None` where the mesh cannot know them.
    pub(super) instances: Option<Vec<&'m BTreeMap<String, String>>>,
}

impl<'m> Services<'m> {
    /// The services of these meshes: the one that is validated, and others that only define services.
    pub(super) fn of(meshes: &[&'m Mesh], settings: &Settings) -> Self {
        let mut services = Self::default();
        for mesh in meshes {
            for (resource, entry) in mesh.service_entries() {
                for host in &entry.hosts {
                    let host = crate::host::qualify(host, &resource.key.namespace, &settings.domain);
                    services.add(&host, Service::entry(resource, entry, meshes));
                }
            }
            for (resource, service) in mesh.services() {
                let host =
                    format!("{}.{}.svc.{}", resource.key.name, resource.key.namespace, settings.domain);
                services.add(
                    &host,
                    Service {
                        namespace: &resource.key.namespace,
                        ports: service
                            .ports
                            .iter()
                            .filter_map(|port| Some((port.port?, port.name.as_deref())))
                            .collect(),
                        export_to: resource
                            .metadata
                            .annotations
                            .get(EXPORT_TO)
                            .map_or_else(Vec::new, |text| text.split(',').map(str::trim).collect()),
                        instances: None,
                    },
                );
            }
        }
        services
    }

    fn add(&mut self, host: &str, service: Service<'m>) {
        self.known = true;
        self.by_host.entry(&host.to_lowercase(), Vec::new).push(service);
    }

    /// Whether any service is known. Where none is, nothing can be said about references to them.
    pub(super) fn known(&self) -> bool {
        self.known
    }

    /// The service of a fully qualified host that every one of the namespaces sees; `*` stands for all namespaces.
    pub(super) fn find(&self, host: &str, namespaces: &[&str]) -> Option<&Service<'m>> {
        let found = self.by_host.find(&host.to_lowercase())?;
        found.iter().find(|service| namespaces.iter().all(|namespace| service.visible_in(namespace)))
    }
}

impl<'m> Service<'m> {
    fn entry(resource: &'m Resource, entry: &'m ServiceEntry, meshes: &[&'m Mesh]) -> Self {
        let instances = match (&entry.workload_selector, &entry.resolution) {
            (Some(selector), _) => Some(
                meshes
                    .iter()
                    .flat_map(|mesh| mesh.workload_entries())
                    .filter(|(workload, spec)| {
                        workload.key.namespace == resource.key.namespace
                            && selects(&selector.labels, &spec.labels)
                    })
                    .map(|(_, spec)| &spec.labels)
                    .collect(),
            ),
            (None, Some(Resolution::Static)) => {
                Some(entry.endpoints.iter().map(|endpoint| &endpoint.labels).collect())
            }
            _ => None,
        };
        Self {
            namespace: &resource.key.namespace,
            ports: entry
                .ports
                .iter()
                .filter_map(|port| Some((port.number?, port.protocol.as_deref())))
                .collect(),
            export_to: entry.export_to.iter().map(String::as_str).collect(),
            instances,
        }
    }

    /// Whether a namespace sees it.
    fn visible_in(&self, namespace: &str) -> bool {
        self.export_to.is_empty()
            || self.export_to.iter().any(|to| match *to {
                "*" => true,
                "." => self.namespace == namespace,
                to => to == namespace,
            })
    }
}
