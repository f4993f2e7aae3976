//! A plan as one thread uses it: beside each route stands what the thread has found out for it, made on first use.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use mesh::plan::{ClusterId, ClusterKey, Listener, Mirror, TlsServer, UnknownHost};
use mesh::route::{Chosen, Decision, Passage, listener_for};
use mesh::{Plan, RouteKey};
use rustls::ServerConfig;

use crate::reporting::names::Name;
use crate::reporting::observation::ObservationKey;
use crate::reporting::stats::Counter;
use crate::state::shared::Shared;
use crate::state::source::SourceState;
use crate::tls::{Alpn, Slot, Store};
use crate::upstream::cluster;

pub(crate) struct ActivePlan {
    pub(crate) plan: Arc<Plan>,
    /// Those that a request was sent to: of thousands of sources that all see the same mesh, most send none.
    clusters: RefCell<HashMap<ClusterId, Rc<cluster::LocalCluster>>>,
    /// By the address, within the plan, of what was decided.
    entries: RefCell<HashMap<usize, Rc<RouteEntry>, BuildHasherDefault<AddressHasher>>>,
    unknown_hosts: RefCell<HashMap<Name, Rc<RouteEntry>>>,
    /// TLS by the address, within the plan, of a listener's server.
    servers: RefCell<HashMap<usize, Arc<Slot<TlsServer, ServerConfig>>>>,
}

/// What stands beside a route's destination.
pub(crate) struct RouteEntry {
    /// Where it leads, if it is forwarded.
    pub(crate) cluster: Option<Rc<cluster::LocalCluster>>,
    key: ObservationKey,
    /// For no instance, and then for each version.
    counters: RefCell<Vec<Option<Rc<Counter>>>>,
    /// The last `x-envoy-expected-rq-timeout-ms`: nearly always the next one too.
    expected: RefCell<Option<(Duration, HeaderValue)>>,
}

impl ActivePlan {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            clusters: RefCell::default(),
            entries: RefCell::default(),
            unknown_hosts: RefCell::default(),
            servers: RefCell::default(),
        }
    }

    /// What comes after another, with what was found out of clusters that are the same.
    pub(crate) fn after(before: &Self, plan: Arc<Plan>) -> Self {
        let new = Self::new(plan);
        if Arc::ptr_eq(&new.plan.clusters, &before.plan.clusters) && new.plan.labels == before.plan.labels {
            let known = before.clusters.borrow();
            // With TLS it depends on the routes what is offered to speak.
            let plain = |id: ClusterId| {
                let cluster = new.plan.clusters.get(id.0 as usize);
                cluster.is_some_and(|cluster| cluster.policy.tls.is_none())
            };
            let kept = known.iter().filter(|(id, _)| plain(**id));
            new.clusters.borrow_mut().extend(kept.map(|(id, cluster)| (*id, Rc::clone(cluster))));
        }
        new
    }

    /// The listener of a request that came in for a port, or for whichever its authority says.
    pub(crate) fn listener(&self, port: Option<u16>, authority: &str) -> Option<&Listener> {
        match port {
            Some(port) => self.plan.listener(port),
            None => listener_for(&self.plan, authority),
        }
    }

    /// What a host gets that no listener knows.
    pub(crate) fn unknown_host(&self) -> UnknownHost {
        self.plan.listeners.first().map_or(UnknownHost::NotFound, |listener| listener.unknown_host)
    }

    /// A cluster of the plan.
    pub(crate) fn cluster(
        &self,
        id: ClusterId,
        source: &SourceState,
        shared: &Shared,
    ) -> Option<Rc<cluster::LocalCluster>> {
        if let Some(view) = self.clusters.borrow().get(&id) {
            return Some(Rc::clone(view));
        }
        let cluster = self.plan.clusters.get(id.0 as usize)?;
        let state = source.cluster(&cluster.key, &shared.cluster_manager);
        let view = cluster::LocalCluster::new(
            state,
            cluster,
            &self.plan.labels,
            &shared.config,
            &shared.cluster_manager,
        );
        let view = Rc::new(view.secured(cluster, &shared.tls, || Alpn::of_cluster(&self.plan, id)));
        self.clusters.borrow_mut().insert(id, Rc::clone(&view));
        Some(view)
    }

    /// What stands beside a decision; `authority` counts where no virtual host was found.
    pub(crate) fn entry(
        &self,
        decision: &Decision<'_>,
        authority: &str,
        source: &SourceState,
        shared: &Shared,
    ) -> Rc<RouteEntry> {
        let address = match decision {
            // All of these are alive as long as the plan is, so no two of them share an address.
            Decision::Forward(_, _, destination) => std::ptr::from_ref(*destination) as usize,
            Decision::Redirect(chosen, _) | Decision::Direct(chosen, _) => {
                std::ptr::from_ref(chosen.route) as usize
            }
            Decision::NoRoute(host) => std::ptr::from_ref(*host) as usize,
            Decision::NoHost => return self.unknown_entry(authority, source),
        };
        if let Some(entry) = self.entries.borrow().get(&address) {
            return Rc::clone(entry);
        }
        let entry = Rc::new(match decision {
            Decision::Forward(chosen, _, destination) => {
                let key = self.plan.clusters.get(destination.cluster.0 as usize).map(|cluster| &cluster.key);
                let host = Name::of_mesh(key.map_or(&chosen.host.name, |key| &key.host));
                let subset = key.and_then(|key| key.subset.clone());
                let cluster = self.cluster(destination.cluster, source, shared);
                self.new_entry(source, route_key(chosen), host, subset, cluster)
            }
            Decision::Redirect(chosen, _) | Decision::Direct(chosen, _) => {
                self.new_entry(source, route_key(chosen), Name::of_mesh(&chosen.host.name), None, None)
            }
            Decision::NoRoute(host) => self.new_entry(source, None, Name::of_mesh(&host.name), None, None),
            Decision::NoHost => return self.unknown_entry(authority, source),
        });
        self.entries.borrow_mut().insert(address, Rc::clone(&entry));
        entry
    }

    /// What stands beside a name that nobody has.
    pub(crate) fn unknown_entry(&self, authority: &str, source: &SourceState) -> Rc<RouteEntry> {
        let mut hosts = self.unknown_hosts.borrow_mut();
        if let Some(entry) = hosts.get(authority) {
            return Rc::clone(entry);
        }
        // Anybody can make up names; they must not fill the memory.
        let name = source.name(authority);
        let make = || Rc::new(self.new_entry(source, None, name.clone(), None, None));
        Rc::clone(hosts.entry(name.clone()).or_insert_with(make))
    }

    /// The TLS of a listener's server, as it is now; `None` where it cannot be spoken.
    pub(crate) fn tls(&self, server: &TlsServer, store: &Store) -> Option<Arc<ServerConfig>> {
        let address = std::ptr::from_ref(server) as usize;
        let mut servers = self.servers.borrow_mut();
        servers.entry(address).or_insert_with(|| store.server(server)).current()
    }

    /// What stands beside a connection's destination.
    pub(crate) fn connection_entry(
        &self,
        passage: &Passage<'_>,
        source: &SourceState,
        shared: &Shared,
    ) -> Rc<RouteEntry> {
        let address = std::ptr::from_ref(passage.destination) as usize;
        self.cluster_entry(address, passage.destination.cluster, &passage.route.from, source, shared)
    }

    /// What stands beside a mirror. Copies are of no route, so that no route's shares count them.
    pub(crate) fn mirror_entry(
        &self,
        mirror: &Mirror,
        source: &SourceState,
        shared: &Shared,
    ) -> Rc<RouteEntry> {
        let address = std::ptr::from_ref(mirror) as usize;
        self.cluster_entry(address, mirror.cluster, "", source, shared)
    }

    fn cluster_entry(
        &self,
        address: usize,
        at: ClusterId,
        otherwise: &str,
        source: &SourceState,
        shared: &Shared,
    ) -> Rc<RouteEntry> {
        if let Some(entry) = self.entries.borrow().get(&address) {
            return Rc::clone(entry);
        }
        let key = self.plan.clusters.get(at.0 as usize).map(|cluster| &cluster.key);
        let host = Name::of_mesh(key.map_or(otherwise, |key| &key.host));
        let cluster = self.cluster(at, source, shared);
        let entry =
            Rc::new(self.new_entry(source, None, host, key.and_then(|key| key.subset.clone()), cluster));
        self.entries.borrow_mut().insert(address, Rc::clone(&entry));
        entry
    }

    fn new_entry(
        &self,
        source: &SourceState,
        route: Option<RouteKey>,
        host: Name,
        subset: Option<String>,
        cluster: Option<Rc<cluster::LocalCluster>>,
    ) -> RouteEntry {
        let version = subset.clone().unwrap_or_default();
        let revision = self.plan.revision;
        let key =
            ObservationKey { source: Arc::clone(&source.source), revision, route, host, subset, version };
        RouteEntry { cluster, key, counters: RefCell::default(), expected: RefCell::default() }
    }
}

fn route_key(chosen: &Chosen<'_>) -> Option<RouteKey> {
    chosen.route.key.clone()
}

impl RouteEntry {
    /// What it is counted under.
    pub(crate) fn name(&self) -> &Name {
        &self.key.host
    }

    /// The cluster that it leads to.
    pub(crate) fn cluster_key(&self) -> Option<ClusterKey> {
        let cluster = self.cluster.as_ref()?;
        let ObservationKey { host, subset, .. } = &self.key;
        Some(ClusterKey { host: host.to_string(), subset: subset.clone(), port: cluster.port })
    }

    /// The same, leading to a cluster.
    pub(crate) fn toward(&self, cluster: Rc<cluster::LocalCluster>) -> Self {
        Self {
            cluster: Some(cluster),
            key: self.key.clone(),
            counters: RefCell::default(),
            expected: RefCell::default(),
        }
    }

    /// Counts requests that reached this version of the cluster; `None`: none.
    pub(crate) fn counter(&self, version: Option<usize>, shared: &Shared) -> Rc<Counter> {
        let at = version.map_or(0, |version| version + 1);
        let mut counters = self.counters.borrow_mut();
        if counters.len() <= at {
            counters.resize(at + 1, None);
        }
        let counter = counters[at].get_or_insert_with(|| {
            let mut key = self.key.clone();
            if let (Some(version), Some(cluster)) = (version, &self.cluster) {
                // An endpoint that the client chose has none.
                key.version.clone_from(cluster.versions.get(version).unwrap_or(&String::new()));
            }
            shared.stats.counter(key)
        });
        Rc::clone(counter)
    }

    /// A duration in milliseconds, as a header's value.
    pub(crate) fn expected(&self, timeout: Duration) -> HeaderValue {
        let mut last = self.expected.borrow_mut();
        match &*last {
            Some((of, value)) if *of == timeout => value.clone(),
            _ => {
                let value = HeaderValue::from(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
                *last = Some((timeout, value.clone()));
                value
            }
        }
    }
}

/// Hashes an address: it is spread well enough once its low bits, which alignment keeps at zero, are mixed.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_usize(usize::from(byte));
        }
    }

    fn write_usize(&mut self, address: usize) {
        let mixed = (self.0 ^ address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
