//! The clusters of a plan: made when a route first leads to them.

use std::collections::HashMap;

use super::Context;
use crate::plan::{Balancer, Cluster, ClusterId, ClusterKey, ClusterPolicy, Endpoint, Source};
use crate::registry::{Discovery, Port, PortProtocol, Service, Viewer, subset};
use crate::resource::virtual_service::Destination;

/// Clusters as one viewer sees them.
pub(super) struct Clusters<'c> {
    context: &'c Context<'c>,
    viewer: &'c Viewer,
    list: Vec<Cluster>,
    known: HashMap<ClusterKey, ClusterId>,
}

impl<'c> Clusters<'c> {
    pub(super) fn new(context: &'c Context<'c>, viewer: &'c Viewer) -> Self {
        Self { context, viewer, list: Vec::new(), known: HashMap::new() }
    }

    pub(super) fn finish(self) -> Vec<Cluster> {
        self.list
    }

    /// The cluster of a service's port.
    pub(super) fn of_service(&mut self, service: &Service, port: &Port) -> ClusterId {
        self.get(ClusterKey { host: service.host.clone(), subset: None, port: port.number })
    }

    /// The cluster that a destination names. Its port: the one it says, else a service's only one, else the listener's.
    pub(super) fn of_destination(&mut self, destination: &Destination, listener: u16) -> ClusterId {
        let host = destination.host.clone().unwrap_or_default();
        let host = match self.service(&host).and_then(|service| service.alias_of.clone()) {
            Some(alias) => alias,
            None => host,
        };
        let said =
            destination.port.as_ref().and_then(|port| port.number).and_then(|port| u16::try_from(port).ok());
        let only = || match self.service(&host)?.ports.as_slice() {
            [only] => Some(only.number),
            _ => None,
        };
        let port = said.filter(|port| *port > 0).or_else(only).unwrap_or(listener);
        let subset = destination.subset.clone().filter(|subset| !subset.is_empty());
        self.get(ClusterKey { host, subset, port })
    }

    fn service(&self, host: &str) -> Option<&'c Service> {
        self.context.registry.covering(host, &self.viewer.namespace)
    }

    fn get(&mut self, key: ClusterKey) -> ClusterId {
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        // A mesh has not four thousand million clusters.
        let id = ClusterId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.list.push(self.make(key.clone()));
        self.known.insert(key, id);
        id
    }

    fn make(&self, key: ClusterKey) -> Cluster {
        let service = self.service(&key.host);
        let port = service.and_then(|service| service.port(key.port));
        let namespace = service.map(|service| service.namespace.as_str());
        let governing = self.context.policies.governing(&key.host, namespace, self.viewer);
        let wanted = key.subset.as_deref();
        let found = wanted.and_then(|name| governing.as_ref()?.subset(name));
        let known = port.is_some() && (wanted.is_none() || found.is_some());
        let mut policy =
            governing.map_or_else(ClusterPolicy::default, |it| it.policy(found, key.port, self.context.mesh));
        policy.http2 |= port.is_some_and(|port| port.protocol == PortProtocol::Http2);
        // Of what nobody says what it is, a workload's proxy believes the client; a gateway's clients may speak anything.
        policy.client_protocol |= port.is_some_and(|port| port.protocol == PortProtocol::Auto)
            && matches!(self.viewer.source, Source::Workload { .. });
        let mut endpoints = match (service, port) {
            (Some(service), Some(port)) if known => endpoints(service, port, &key.host),
            _ => Vec::new(),
        };
        if let Some(found) = found {
            endpoints.retain(|endpoint| subset(&found.labels, &endpoint.labels));
        }
        policy.first_address = service.is_some_and(|service| service.discovery == Discovery::DnsRoundRobin);
        if let (Some(tls), Some(service)) = (&mut policy.tls, service) {
            tls.names.clone_from(&service.subject_alt_names);
        }
        // Nothing is known of the instances but that the client knows them.
        let chosen_by_client = service.is_some_and(|service| service.discovery == Discovery::Passthrough);
        if known && endpoints.is_empty() && chosen_by_client {
            policy.balancer = Balancer::Passthrough;
        }
        Cluster { key, known, endpoints, policy }
    }
}

/// The endpoints of a service's port. For a host that a wildcard covers, what DNS says of it.
fn endpoints(service: &Service, port: &Port, host: &str) -> Vec<Endpoint> {
    let by_name = port.endpoints.is_empty() && service.host != host && service.discovery != Discovery::Static;
    if by_name { vec![Endpoint::named(host, port.number)] } else { port.endpoints.clone() }
}
