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
use crate::upstream::cluster_manager::Fleet;
use crate::upstream::connect::Target;
use crate::upstream::pool::Upstream;
use crate::upstream::shared_cluster::Common;

/// Envoy's name for what is outside the mesh.
const OUTSIDE: &str = "PassthroughCluster";

pub(crate) struct SourceState {
    pub(crate) source: Arc<Source>,
    clusters: RefCell<HashMap<ClusterKey, Rc<cluster::State>>>,
    /// Addresses outside the mesh that requests named.
    strangers: RefCell<cluster::Chosen>,
    /// What is known of all of these together.
    outside: Arc<Common>,
    names: Arc<Names>,
}

impl SourceState {
    pub(crate) fn new(source: &Source, fleet: &Fleet) -> Self {
        let source = Arc::new(source.clone());
        let outside = ClusterKey { host: OUTSIDE.to_owned(), subset: None, port: 0 };
        let outside = fleet.cluster(&source, &outside);
        Self {
            source,
            clusters: RefCell::default(),
            strangers: RefCell::default(),
            outside,
            names: Arc::clone(&fleet.names),
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
    pub(crate) fn cluster(&self, key: &ClusterKey, fleet: &Fleet) -> Rc<cluster::State> {
        if let Some(state) = self.clusters.borrow().get(key) {
            return Rc::clone(state);
        }
        let make = || Rc::new(cluster::State::new(fleet.cluster(&self.source, key)));
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
    pub(crate) fn stranger(&self, host: &str, port: u16) -> Rc<Upstream> {
        let make = || Upstream::new(Target::new(host, port), Arc::clone(&self.outside));
        cluster::chosen(&mut self.strangers.borrow_mut(), host, port, make)
    }

    /// The cluster itself; of one whose endpoint the client chooses, that endpoint: the address that the connection was
    /// meant for, where it was intercepted, else the name (and port) that the client gave. `None` when it gave none.
    pub(crate) fn reached(
        cluster: &Rc<cluster::View>,
        meant: Option<SocketAddr>,
        name: Option<&str>,
    ) -> Option<Rc<cluster::View>> {
        let meant = meant.filter(|_| cluster.passes_through()).map(|meant| meant.to_string());
        if meant.is_none() && !cluster.chosen_by_client() {
            return Some(Rc::clone(cluster));
        }
        let (host, port) = split_authority(meant.as_deref().or(name)?);
        let upstream = cluster.upstream(host, port.unwrap_or(cluster.port));
        Some(Rc::new(cluster::View::stranger(upstream, cluster.limits.clone())))
    }

    /// Closes connections that have been idle for too long.
    pub(crate) fn sweep(&self, now: Instant, idle_timeout: Duration) {
        self.clusters.borrow().values().for_each(|cluster| cluster.sweep(now, idle_timeout));
        self.strangers.borrow_mut().retain(|_, upstream| {
            upstream.sweep(now, idle_timeout);
            !upstream.is_unused()
        });
    }
}
