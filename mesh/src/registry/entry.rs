//! Services from ServiceEntries.

use super::service::Endpoint;
use super::workload::Collector;
use super::{Discovery, Port, PortProtocol, Service, Visibility};
use crate::Mesh;
use crate::host;
use crate::resource::service_entry::{Location, Resolution, ServiceEntry, ServicePort, WorkloadEntry};
use crate::resource::{Resource, WorkloadEntry as Instance};

/// A service for each host of each ServiceEntry.
pub(super) fn services(mesh: &Mesh, workloads: &mut Collector<'_>) -> Vec<Service> {
    let mut entries: Vec<(&Resource, &ServiceEntry)> = mesh.service_entries().collect();
    // Names of workloads must not depend on the order of files.
    entries.sort_by(|a, b| (&a.0.key.namespace, &a.0.key.name).cmp(&(&b.0.key.namespace, &b.0.key.name)));
    entries.into_iter().flat_map(|(resource, entry)| of_entry(resource, entry, workloads)).collect()
}

fn of_entry(resource: &Resource, entry: &ServiceEntry, workloads: &mut Collector<'_>) -> Vec<Service> {
    let namespace = &resource.key.namespace;
    let external = entry.location != Some(Location::MeshInternal);
    let discovery = match entry.resolution {
        Some(Resolution::Static) => Discovery::Static,
        Some(Resolution::Dns) => Discovery::Dns,
        Some(Resolution::DnsRoundRobin) => Discovery::DnsRoundRobin,
        _ => Discovery::Passthrough,
    };
    let first =
        entry.hosts.first().map_or("", |host| host.split('.').next().unwrap_or(host)).to_ascii_lowercase();
    let instances: Vec<(String, &Instance)> = match &entry.workload_selector {
        Some(selector) => {
            let selected = workloads.selected(namespace, &selector.labels);
            selected.into_iter().map(|(name, instance)| (name.to_owned(), instance)).collect()
        }
        None if external => entry.endpoints.iter().map(|instance| (first.clone(), instance)).collect(),
        None => {
            let name = |instance: &Instance| workloads.name(namespace, &first, instance);
            let names: Vec<String> = entry.endpoints.iter().map(name).collect();
            names.into_iter().zip(&entry.endpoints).collect()
        }
    };
    let service = |written: &String| {
        let host = written.to_ascii_lowercase();
        let mut ports: Vec<Port> =
            entry.ports.iter().filter_map(|it| port(it, &instances, &host, discovery)).collect();
        ports.sort_by_key(|port| port.number);
        ports.dedup_by_key(|port| port.number);
        Service {
            written: written.clone(),
            namespace: namespace.clone(),
            from: resource.key.clone(),
            created: resource.metadata.creation_timestamp.clone(),
            external,
            discovery,
            headless: false,
            // A range of addresses is no name that a client could use.
            addresses: entry.addresses.iter().filter(|address| !address.contains('/')).cloned().collect(),
            ranges: entry.addresses.iter().filter(|address| address.contains('/')).cloned().collect(),
            subject_alt_names: entry.subject_alt_names.clone(),
            aliases: Vec::new(),
            alias_of: None,
            ports,
            visibility: Visibility::of(&entry.export_to),
            host,
        }
    };
    entry.hosts.iter().map(service).collect()
}

fn port(
    port: &ServicePort,
    instances: &[(String, &Instance)],
    host: &str,
    discovery: Discovery,
) -> Option<Port> {
    let number = port.number.and_then(|number| u16::try_from(number).ok())?;
    let name = port.name.clone().unwrap_or_default();
    let target = port.target_port.and_then(|target| u16::try_from(target).ok()).unwrap_or(number);
    let mut endpoints: Vec<Endpoint> = instances
        .iter()
        .filter_map(|(workload, instance)| endpoint(workload, instance, &name, target))
        .collect();
    // Without endpoints, what DNS or the client says of the host itself is meant.
    if endpoints.is_empty() && discovery != Discovery::Static && !host::is_wildcard(host) {
        endpoints.push(Endpoint::named(host, target));
    }
    let protocol = PortProtocol::parse(port.protocol.as_deref().unwrap_or(""));
    Some(Port { number, name, protocol, endpoints })
}

/// The endpoint of an instance, on the port that it gives a service port's name, or on `target`.
pub(super) fn endpoint(
    workload: &str,
    instance: &WorkloadEntry,
    port: &str,
    target: u16,
) -> Option<Endpoint> {
    let own = instance.ports.get(port).and_then(|own| u16::try_from(*own).ok());
    Some(Endpoint {
        address: instance.address.clone()?,
        port: own.unwrap_or(target),
        workload: workload.to_owned(),
        labels: instance.labels.clone(),
        weight: instance
            .weight
            .and_then(|weight| u32::try_from(weight).ok())
            .filter(|weight| *weight > 0)
            .unwrap_or(1),
        locality: instance.locality.clone().unwrap_or_default(),
    })
}
