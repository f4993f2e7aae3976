//! Clusters as one thread knows them for one source: whose turn it is, and the endpoints with their connections.

mod pick;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh::plan::{Balancer, Cluster, ClusterPolicy, ConsistentHash, Endpoint, Outlier, Warmup};
use mesh::route::Places;
use rustls::ClientConfig;

use crate::config::Config;
use crate::reporting::observation::Limit;
use crate::reporting::reason::Reason;
use crate::tls::client::ClientSettings;
use crate::tls::{Alpn, Slot, Store};
use crate::upstream::balance::Groups;
use crate::upstream::breaker::Ceilings;
use crate::upstream::cluster_manager::ClusterManager;
use crate::upstream::connect::Target;
use crate::upstream::health::Checked;
use crate::upstream::outlier::TryResult;
use crate::upstream::pool::{Limits, Security, Upstream};

use crate::upstream::shared_cluster::{Instance, SharedCluster};

/// Endpoints that clients chose, by their name and port.
pub(crate) type Chosen = HashMap<(String, u16), Rc<Upstream>>;

/// So many of them keep their connections; those beyond are connected to anew for each request.
const MOST_CHOSEN: usize = 1024;

/// One of them. Anybody can make up names, and each stays until it is swept, so only so many are kept.
pub(crate) fn chosen(
    all: &mut Chosen,
    host: &str,
    port: u16,
    make: impl FnOnce() -> Rc<Upstream>,
) -> Rc<Upstream> {
    let key = (host.to_owned(), port);
    if let Some(known) = all.get(&key) {
        return Rc::clone(known);
    }
    let upstream = make();
    if all.len() < MOST_CHOSEN {
        all.insert(key, Rc::clone(&upstream));
    }
    upstream
}

/// What outlives plans.
pub(crate) struct ClusterState {
    shared: Arc<SharedCluster>,
    turn: Cell<usize>,
    upstreams: RefCell<HashMap<(String, u16), Rc<Upstream>>>,
    /// Endpoints that clients chose, where the cluster has none of its own.
    chosen: RefCell<Chosen>,
    /// What the newest plan says.
    rules: RefCell<Rules>,
}

/// What is watched while no request passes.
#[derive(Default)]
struct Rules {
    ceilings: Ceilings,
    outlier: Option<Outlier>,
    idle_timeout: Option<Duration>,
}

/// A cluster of one plan.
pub(crate) struct LocalCluster {
    state: Rc<ClusterState>,
    /// The plan names a cluster that does not exist.
    pub(crate) missing: bool,
    pub(crate) hosts: Vec<Host>,
    /// Distinct versions of the hosts.
    pub(crate) versions: Vec<String>,
    pub(crate) limits: Limits,
    /// The service's port.
    pub(crate) port: u16,
    /// What of a request is hashed, and how.
    pub(crate) hash: Option<ConsistentHash>,
    balancer: Balancer,
    outlier: Option<Outlier>,
    warmup: Option<Warmup>,
    places: Places,
    groups: RefCell<Groups>,
    /// The version of the common state that the groups were made of.
    seen: Cell<Option<u64>>,
    /// When the groups are made anew all the same.
    stale: Cell<Option<Instant>>,
    /// TLS towards endpoints that clients choose.
    toward: Option<DynamicTls>,
}

/// TLS towards endpoints whose names are not known before.
struct DynamicTls(Arc<Slot<ClientSettings, ClientConfig>>);

/// An endpoint of a cluster.
pub(crate) struct Host {
    pub(crate) upstream: Rc<Upstream>,
    /// Position in [`LocalCluster::versions`].
    pub(crate) version: usize,
    instance: Arc<Instance>,
    check: Option<Arc<Checked>>,
    weight: u32,
}

impl ClusterState {
    pub(crate) fn new(shared: Arc<SharedCluster>) -> Self {
        Self {
            shared,
            turn: Cell::default(),
            upstreams: RefCell::default(),
            chosen: RefCell::default(),
            rules: RefCell::default(),
        }
    }

    fn upstream(&self, endpoint: &Endpoint) -> Rc<Upstream> {
        let mut upstreams = self.upstreams.borrow_mut();
        let upstream = upstreams.entry((endpoint.address.clone(), endpoint.port)).or_insert_with(|| {
            Upstream::new(Target::new(&endpoint.address, endpoint.port), Arc::clone(&self.shared))
        });
        upstream.set_gone(false);
        upstream.set_place(|| self.shared.place(endpoint));
        Rc::clone(upstream)
    }

    /// Lets go of the endpoints that are no longer there; `None`: the whole cluster is gone.
    pub(crate) fn retain(&self, cluster: Option<&Cluster>) {
        let endpoints = cluster.map_or(&[][..], |cluster| &cluster.endpoints);
        self.upstreams.borrow_mut().retain(|(address, port), upstream| {
            let stays =
                endpoints.iter().any(|endpoint| endpoint.port == *port && endpoint.address == *address);
            if !stays {
                upstream.set_gone(true);
            }
            stays
        });
    }

    /// An endpoint that a client chose, kept as long as it is used.
    fn chosen(&self, host: &str, port: u16) -> Rc<Upstream> {
        let make = || Upstream::new(Target::new(host, port), Arc::clone(&self.shared));
        chosen(&mut self.chosen.borrow_mut(), host, port, make)
    }

    /// Closes connections that have been idle for too long.
    pub(crate) fn sweep(&self, now: Instant, idle_timeout: Duration) {
        let idle_timeout = self.rules.borrow().idle_timeout.unwrap_or(idle_timeout);
        self.upstreams.borrow().values().for_each(|upstream| upstream.sweep(now, idle_timeout));
        self.chosen.borrow_mut().retain(|_, upstream| {
            upstream.sweep(now, idle_timeout);
            !upstream.is_unused()
        });
    }

    /// Looks which ejected endpoints may return, and which limits are kept again.
    pub(crate) fn look(&self, now: Instant) {
        let rules = self.rules.borrow();
        if rules.outlier.is_some() {
            self.shared.look(rules.outlier.as_ref(), now);
        }
        self.shared.settle(&rules.ceilings, now);
    }
}

impl LocalCluster {
    /// A plan's cluster, with the state that it has had. `labels` are the source's.
    pub(crate) fn new(
        state: Rc<ClusterState>,
        cluster: &Cluster,
        labels: &BTreeMap<String, String>,
        config: &Config,
        cluster_manager: &ClusterManager,
    ) -> Self {
        let policy = &cluster.policy;
        let mut versions: Vec<String> = Vec::new();
        let hosts: Vec<Host> = cluster
            .endpoints
            .iter()
            .zip(state.shared.instances(&cluster.endpoints))
            .map(|(endpoint, instance)| {
                let label = endpoint.version();
                let version = versions.iter().position(|version| version == label).unwrap_or_else(|| {
                    versions.push(label.to_owned());
                    versions.len() - 1
                });
                let check = policy
                    .health
                    .as_ref()
                    .map(|health| cluster_manager.checks.watched(cluster, endpoint, health, &state.shared));
                Host { upstream: state.upstream(endpoint), version, instance, check, weight: endpoint.weight }
            })
            .collect();
        state.rule(policy);
        Self {
            missing: !cluster.known,
            hosts,
            versions,
            limits: Limits::new(policy, config),
            port: cluster.key.port,
            hash: policy.hash.clone(),
            balancer: policy.balancer,
            outlier: policy.outlier.clone(),
            warmup: policy.warmup,
            places: Places::new(&cluster.endpoints, policy.locality.as_ref(), labels),
            groups: RefCell::default(),
            seen: Cell::new(None),
            stale: Cell::new(None),
            toward: None,
            state,
        }
    }

    /// The same, with TLS as its cluster asks for it.
    pub(crate) fn secured(mut self, cluster: &Cluster, store: &Store, alpn: impl FnOnce() -> Alpn) -> Self {
        let slot = cluster.policy.tls.as_ref().and_then(|_| store.client(cluster, alpn()));
        let security = Security::of(slot.as_ref(), &cluster.key.host);
        for host in &self.hosts {
            host.upstream.secure(&security);
            host.upstream.set_first_address(cluster.policy.first_address);
        }
        self.toward = slot.map(DynamicTls);
        self
    }

    /// The cluster of one address that the client chose.
    pub(crate) fn passthrough(upstream: Rc<Upstream>, limits: Limits) -> Self {
        let endpoint = [Endpoint::named("", 0)];
        let instance = Arc::new(Instance::new("", 0));
        Self {
            state: Rc::new(ClusterState::new(Arc::clone(upstream.cluster()))),
            missing: false,
            hosts: vec![Host { upstream, version: 0, instance, check: None, weight: 1 }],
            versions: vec![String::new()],
            limits,
            port: 0,
            hash: None,
            balancer: Balancer::Passthrough,
            outlier: None,
            warmup: None,
            places: Places::new(&endpoint, None, &BTreeMap::new()),
            groups: RefCell::default(),
            seen: Cell::new(None),
            stale: Cell::new(None),
            toward: None,
        }
    }

    /// Its endpoints are not known: the client's choice is meant.
    pub(crate) fn chosen_by_client(&self) -> bool {
        self.passes_through() && self.hosts.is_empty()
    }

    /// Where the kernel says which address the client meant, that is it.
    pub(crate) fn passes_through(&self) -> bool {
        self.balancer == Balancer::Passthrough
    }

    /// The endpoint that the client chose.
    pub(crate) fn upstream(&self, host: &str, port: u16) -> Rc<Upstream> {
        let upstream = self.state.chosen(host, port);
        upstream.secure(&Security::of(self.toward.as_ref().map(|toward| &toward.0), host));
        upstream
    }

    /// Tells how a try on a host ended.
    pub(crate) fn observe(&self, host: usize, seen: TryResult) {
        if let Some(policy) = &self.outlier {
            self.state.shared.observe(&self.hosts[host].instance, seen, policy);
        }
    }

    /// There was no connection to a host.
    pub(crate) fn unreachable(&self, host: usize, reason: Reason, told: &str) {
        self.state.shared.unreachable(&self.hosts[host].instance, reason, told);
    }

    /// A host was connected to, or has answered.
    pub(crate) fn reached(&self, host: usize) {
        let instance = &self.hosts[host].instance;
        if instance.is_unreachable() {
            self.state.shared.reached(instance);
        }
    }

    /// Whether it matters how tries end.
    pub(crate) fn observes(&self) -> bool {
        self.outlier.is_some()
    }

    /// A host has said in a response that it wants no more requests.
    pub(crate) fn gives_up(&self, host: usize) {
        if let Some(check) = &self.hosts[host].check {
            check.gives_up();
        }
    }

    /// Whether hosts are checked.
    pub(crate) fn is_checked(&self) -> bool {
        self.hosts.first().is_some_and(|host| host.check.is_some())
    }

    /// Counts a retry, for as long as the permit lives; `None` when it would be one too many.
    pub(crate) fn retry(&self) -> Option<Retry> {
        let ceilings = &self.limits.ceilings;
        if !ceilings.counts(Limit::Retries) {
            return Some(Retry(None));
        }
        let shared = &self.state.shared;
        shared.enter(Limit::Retries, ceilings).then(|| Retry(Some(Arc::clone(shared))))
    }
}

/// An active retry, counted where retries are limited.
pub(crate) struct Retry(Option<Arc<SharedCluster>>);

impl Drop for Retry {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.leave(Limit::Retries);
        }
    }
}

impl ClusterState {
    /// The plan of now says this.
    fn rule(&self, policy: &ClusterPolicy) {
        let before = self.rules.replace(Rules {
            ceilings: Ceilings::new(&policy.bounds),
            outlier: policy.outlier.clone(),
            idle_timeout: policy.bounds.idle_timeout,
        });
        if before.outlier.is_some() && policy.outlier.is_none() {
            self.shared.look(None, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
