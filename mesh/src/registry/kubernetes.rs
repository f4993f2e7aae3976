//! Services from Kubernetes' Service resources. The endpoints of those in documents are the WorkloadEntries that they select; of
//! those that a platform reports, what it reports.

use std::collections::HashMap;

use super::entry::endpoint;
use super::service::Endpoint;
use super::workload::Collector;
use super::{Discovery, Port, PortProtocol, Service, Visibility};
use crate::annotation;
use crate::resource::service::{IntOrString, Service as Spec, ServicePort};
use crate::resource::{Metadata, Resource};
use crate::{Mesh, ResourceKey, Settings, host};

/// A service for each Service, and those that a platform reports.
pub(super) fn services(
    mesh: &Mesh,
    reported: impl Iterator<Item = Service>,
    settings: &Settings,
    workloads: &Collector<'_>,
) -> Vec<Service> {
    let mut all: Vec<Service> =
        mesh.services().map(|(resource, spec)| of_document(resource, spec, settings, workloads)).collect();
    all.extend(reported);
    let positions: HashMap<String, usize> =
        all.iter().enumerate().map(|(at, service)| (service.host.clone(), at)).collect();
    let aliases: Vec<(String, usize)> = all
        .iter()
        .filter_map(|service| Some((service.host.clone(), *positions.get(service.alias_of.as_deref()?)?)))
        .collect();
    for (alias, at) in aliases {
        all[at].aliases.push(alias);
        all[at].aliases.sort_by(Ord::cmp);
    }
    all
}

fn of_document(resource: &Resource, spec: &Spec, settings: &Settings, workloads: &Collector<'_>) -> Service {
    let instances = workloads.selected(&resource.key.namespace, &spec.selector);
    service(&resource.key, &resource.metadata, spec, settings, |_, named, target| {
        instances.iter().filter_map(|(workload, it)| endpoint(workload, it, named, target)).collect()
    })
}

/// The service of a Service. `endpoints` are those of a port, by its name, the name and the number that instances may know it by.
pub(super) fn service(
    key: &ResourceKey,
    metadata: &Metadata,
    spec: &Spec,
    settings: &Settings,
    endpoints: impl Fn(&str, &str, u16) -> Vec<Endpoint>,
) -> Service {
    let (name, namespace) = (&key.name, &key.namespace);
    let host = host::qualify(name, namespace, &settings.domain).to_ascii_lowercase();
    let alias_of =
        (spec.r#type.as_deref() == Some("ExternalName")).then(|| spec.external_name.clone()).flatten();
    let headless = spec.cluster_ip.as_deref() == Some("None");
    let mut ports: Vec<Port> =
        spec.ports.iter().filter_map(|it| port(it, &endpoints, alias_of.as_deref())).collect();
    ports.sort_by_key(|port| port.number);
    ports.dedup_by_key(|port| port.number);
    let mut addresses = spec.cluster_ips.clone();
    addresses.extend(spec.cluster_ip.clone());
    addresses.retain(|address| !matches!(address.as_str(), "" | "None" | "0.0.0.0"));
    addresses.sort_by(Ord::cmp);
    addresses.dedup();
    let export_to: Vec<String> = metadata
        .annotations
        .get(annotation::EXPORT_TO)
        .map(|list| list.split(',').map(|entry| entry.trim().to_owned()).collect())
        .unwrap_or_default();
    Service {
        written: host.clone(),
        host,
        namespace: namespace.clone(),
        from: key.clone(),
        created: metadata.creation_timestamp.clone(),
        external: false,
        discovery: if alias_of.is_some() { Discovery::Dns } else { Discovery::Static },
        headless,
        addresses,
        ranges: Vec::new(),
        subject_alt_names: Vec::new(),
        aliases: Vec::new(),
        alias_of: alias_of.map(|host| host.to_ascii_lowercase()),
        ports,
        visibility: Visibility::of(&export_to),
    }
}

fn port(
    port: &ServicePort,
    endpoints: impl Fn(&str, &str, u16) -> Vec<Endpoint>,
    alias_of: Option<&str>,
) -> Option<Port> {
    let number = port.port.and_then(|number| u16::try_from(number).ok())?;
    let name = port.name.clone().unwrap_or_default();
    let (target, named_port) = match &port.target_port {
        Some(IntOrString::Int(target)) => (u16::try_from(*target).unwrap_or(number), name.as_str()),
        Some(IntOrString::String(target)) => (number, target.as_str()),
        None => (number, name.as_str()),
    };
    let protocol = PortProtocol::of_kubernetes(
        number,
        &name,
        port.protocol.as_deref().unwrap_or(""),
        port.app_protocol.as_deref(),
    );
    let mut endpoints = endpoints(&name, named_port, target);
    endpoints.extend(alias_of.map(|host| Endpoint::named(host, target)));
    Some(Port { number, name, protocol, endpoints })
}
