//! What outlives plans, of a source as one thread knows it: its clusters with their connections.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh::Source;
use mesh::plan::{Cluster, ClusterKey, split_authority};

use crate::reporting::names::{Name, Names};
use crate::upstream::cluster;
use crate::upstream::cluster_manager::ClusterManager;
use crate::upstream::connect::Target;
use crate::upstream::pool::Upstream;
use crate::upstream::shared_cluster::SharedCluster;

/// Envoy's name for what is outside the mesh.
const OUTSIDE: &str = "PassthroughCluster";

pub(crate) struct SourceState {
    pub(crate) source: Arc<Source>,
    clusters: RefCell<HashMap<ClusterKey, Rc<cluster::ClusterState>>>,
    /// Addresses outside the mesh that requests named.
    passthrough: RefCell<cluster::Chosen>,
    /// What is known of all of these together.
    outside: Arc<SharedCluster>,
    names: Arc<Names>,
}

impl SourceState {
    pub(crate) fn new(source: &Source, cluster_manager: &ClusterManager) -> Self {
        let source = Arc::new(source.clone());
        let outside = ClusterKey { host: OUTSIDE.to_owned(), subset: None, port: 0 };
        let outside = cluster_manager.cluster(&source, &outside);
        Self {
            source,
            clusters: RefCell::default(),
            passthrough: RefCell::default(),
            outside,
            names: Arc::clone(&cluster_manager.names),
        }
    }

    /// Lets go of what is in none of these clusters.
    pub(super) fn retain(&self, clusters: &HashMap<&ClusterKey, &Cluster>) {
        self.clusters.borrow_mut().retain(|key, state| {
            let cluster = clusters.get(key).copied();
            state.retain(cluster);
            cluster.is_some()
        });
    }

    /// What outlives plans, of a cluster.
    pub(crate) fn cluster(
        &self,
        key: &ClusterKey,
        cluster_manager: &ClusterManager,
    ) -> Rc<cluster::ClusterState> {
        if let Some(state) = self.clusters.borrow().get(key) {
            return Rc::clone(state);
        }
        let make = || Rc::new(cluster::ClusterState::new(cluster_manager.cluster(&self.source, key)));
        Rc::clone(self.clusters.borrow_mut().entry(key.clone()).or_insert_with(make))
    }

    /// Looks which endpoints may return, and which limits are kept again.
    pub(crate) fn look(&self, now: Instant) {
        self.clusters.borrow().values().for_each(|cluster| cluster.look(now));
    }

    /// The name that what a client asked for is counted under, where the mesh has no such host.
    pub(crate) fn name(&self, authority: &str) -> Name {
        self.names.of_client(&self.source, authority)
    }

    /// Connections to an address outside the mesh.
    pub(crate) fn passthrough(&self, host: &str, port: u16) -> Rc<Upstream> {
        let make = || Upstream::new(Target::new(host, port), Arc::clone(&self.outside));
        cluster::chosen(&mut self.passthrough.borrow_mut(), host, port, make)
    }

    /// The cluster itself; of one whose endpoint the client chooses, that endpoint: the address that the connection was
    /// meant for, where it was intercepted, else the name (and port) that the client gave. `None` when it gave none.
    pub(crate) fn reached(
        cluster: &Rc<cluster::LocalCluster>,
        original_dst: Option<SocketAddr>,
        name: Option<&str>,
    ) -> Option<Rc<cluster::LocalCluster>> {
        let original_dst =
            original_dst.filter(|_| cluster.passes_through()).map(|original_dst| original_dst.to_string());
        if original_dst.is_none() && !cluster.chosen_by_client() {
            return Some(Rc::clone(cluster));
        }
        let (host, port) = split_authority(original_dst.as_deref().or(name)?);
        let upstream = cluster.upstream(host, port.unwrap_or(cluster.port));
        Some(Rc::new(cluster::LocalCluster::passthrough(upstream, cluster.limits.clone())))
    }

    /// Closes connections that have been idle for too long.
    pub(crate) fn sweep(&self, now: Instant, idle_timeout: Duration) {
        self.clusters.borrow().values().for_each(|cluster| cluster.sweep(now, idle_timeout));
        self.passthrough.borrow_mut().retain(|_, upstream| {
            upstream.sweep(now, idle_timeout);
            !upstream.is_unused()
        });
    }
}
