//! The clusters of a plan: made when a route first leads to them.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::Context;
use super::policy::Governing;
use crate::labels::selects;
use crate::plan::{Balancer, Cluster, ClusterId, ClusterKey, Source};
use crate::registry::{Discovery, Port, PortProtocol, Service, Viewer};
use crate::resource::virtual_service::Destination;

/// Clusters as one viewer sees them.
pub(super) struct Clusters<'c> {
    context: &'c Context<'c>,
    viewer: &'c Viewer,
    list: Vec<Arc<Cluster>>,
    /// How many of them were there already; few are asked for, so these are looked through.
    earlier: usize,
    known: HashMap<ClusterKey, ClusterId>,
    /// What DestinationRules say of a host: a host may have thousands of subsets, each of them a cluster.
    governing: HashMap<String, Option<Rc<Governing<'c>>>>,
}

impl<'c> Clusters<'c> {
    pub(super) fn new(context: &'c Context<'c>, viewer: &'c Viewer) -> Self {
        Self {
            context,
            viewer,
            list: Vec::new(),
            earlier: 0,
            known: HashMap::new(),
            governing: HashMap::new(),
        }
    }

    /// Clusters that are there already, to which more may come.
    pub(super) fn over(context: &'c Context<'c>, viewer: &'c Viewer, list: &[Arc<Cluster>]) -> Self {
        Self { list: list.to_vec(), earlier: list.len(), ..Self::new(context, viewer) }
    }

    pub(super) fn finish(self) -> Vec<Arc<Cluster>> {
        self.list
    }

    /// Makes some of them anew.
    pub(super) fn renew(&mut self, which: impl Fn(&Cluster) -> bool) {
        for at in 0..self.list.len() {
            if which(&self.list[at]) {
                let made = self.make(self.list[at].key.clone());
                if made != *self.list[at] {
                    self.list[at] = Arc::new(made);
                }
            }
        }
    }

    /// The cluster of a service's port.
    pub(super) fn of_service(&mut self, service: &Service, port: &Port) -> ClusterId {
        self.get(ClusterKey { host: service.host.clone(), subset: None, port: port.number })
    }

    /// The cluster that a destination of requests names. A workload's listener knows only the services that have its port,
    /// as Istio's sidecars do: without a port of its own, a destination that lacks the listener's leads nowhere.
    pub(super) fn of_request(&mut self, destination: &Destination, listener: u16) -> ClusterId {
        let workload = matches!(self.viewer.source, Source::Workload { .. });
        self.of(destination, listener, |service| !workload || service.port(listener).is_some())
    }

    /// The cluster that a destination of connections names.
    pub(super) fn of_destination(&mut self, destination: &Destination, listener: u16) -> ClusterId {
        self.of(destination, listener, |_| true)
    }

    /// The port of a destination: the one it says, else a service's only one, else the listener's.
    fn of(
        &mut self,
        destination: &Destination,
        listener: u16,
        known: impl FnOnce(&Service) -> bool,
    ) -> ClusterId {
        let host = destination.host.clone().unwrap_or_default();
        let service = self.service(&host).filter(|service| known(service));
        // One that says a port without a number has the port 0, which no service has.
        let number = |port: i64| u16::try_from(port).unwrap_or_default();
        let port = match (&destination.port, service.map(|service| service.ports.as_slice())) {
            (Some(port), _) => number(port.number.unwrap_or_default()),
            (None, Some([only])) => only.number,
            _ => listener,
        };
        let host = service.and_then(|service| service.alias_of.clone()).unwrap_or(host);
        let subset = destination.subset.clone().filter(|subset| !subset.is_empty());
        self.get(ClusterKey { host, subset, port })
    }

    fn service(&self, host: &str) -> Option<&'c Service> {
        self.context.registry.exact(host, &self.viewer.namespace)
    }

    fn get(&mut self, key: ClusterKey) -> ClusterId {
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        let there = self.list[..self.earlier].iter().position(|it| it.key == key);
        // A mesh has not four thousand million clusters.
        let id = ClusterId(u32::try_from(there.unwrap_or(self.list.len())).unwrap_or(u32::MAX));
        if there.is_none() {
            let made = self.make(key.clone());
            self.list.push(Arc::new(made));
        }
        self.known.insert(key, id);
        id
    }

    fn make(&mut self, key: ClusterKey) -> Cluster {
        let service = self.service(&key.host);
        let port = service.and_then(|service| service.port(key.port));
        let namespace = service.map(|service| service.namespace.as_str());
        let (context, viewer) = (self.context, self.viewer);
        let find = || context.policies.governing(&key.host, namespace, viewer).map(Rc::new);
        let governing = self.governing.entry(key.host.clone()).or_insert_with(find).clone();
        let wanted = key.subset.as_deref();
        let found = wanted.and_then(|name| governing.as_ref()?.subset(name));
        let known = port.is_some() && (wanted.is_none() || found.is_some());
        let mut policy = match governing {
            Some(it) => it.policy(found, key.port, self.context.mesh),
            None => self.context.policies.ungoverned(),
        };
        policy.http2 |= port.is_some_and(|port| port.protocol == PortProtocol::Http2);
        // Of what nobody says what it is, a workload's proxy believes the client; a gateway's clients may speak anything.
        policy.client_protocol |= port.is_some_and(|port| port.protocol == PortProtocol::Auto)
            && matches!(self.viewer.source, Source::Workload { .. });
        let mut endpoints = match (service, port) {
            (Some(_), Some(port)) if known => port.endpoints.clone(),
            _ => Vec::new(),
        };
        if let Some(found) = found {
            endpoints.retain(|endpoint| selects(&found.labels, &endpoint.labels));
        }
        policy.first_address = service.is_some_and(|service| service.discovery == Discovery::DnsRoundRobin);
        if let (Some(tls), Some(service)) = (&mut policy.tls, service) {
            tls.names.clone_from(&service.subject_alt_names);
        }
        // Nothing is known of the instances but that the client knows them, whatever a DestinationRule says.
        if known && service.is_some_and(|service| service.discovery == Discovery::Passthrough) {
            policy.balancer = Balancer::Passthrough;
            policy.hash = None;
        }
        Cluster { key, known, endpoints, policy }
    }
}
