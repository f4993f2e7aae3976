//! What the threads know together of the upstreams: of each source's clusters, and of the endpoints that are checked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use mesh::Source;
use mesh::plan::ClusterKey;
use tokio::sync::mpsc;

use crate::reporting::names::Names;
use crate::reporting::observation::Notice;
use crate::upstream::health::Checks;
use crate::upstream::shared_cluster::SharedCluster;

/// All of it. Threads come here when a plan is new to them, never while a request passes.
#[derive(Debug)]
pub(crate) struct ClusterManager {
    clusters: Mutex<HashMap<(Arc<Source>, ClusterKey), Weak<SharedCluster>>>,
    pub(crate) checks: Checks,
    /// Of hosts that clients made up.
    pub(crate) names: Arc<Names>,
    notices: mpsc::Sender<Notice>,
}

impl ClusterManager {
    pub(crate) fn new(notices: mpsc::Sender<Notice>) -> Self {
        let checks = Checks::new(notices.clone());
        Self { clusters: Mutex::default(), checks, names: Arc::default(), notices }
    }

    /// What is known of a source's cluster, as long as some thread has it.
    pub(crate) fn cluster(&self, source: &Arc<Source>, key: &ClusterKey) -> Arc<SharedCluster> {
        // Each entry is whole, whatever became of the thread that made it.
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (Arc::clone(source), key.clone());
        if let Some(known) = clusters.get(&place).and_then(Weak::upgrade) {
            return known;
        }
        // What nobody has any more is looked for before the map would grow: once for as many as there are, not for each.
        if clusters.len() == clusters.capacity() {
            clusters.retain(|_, shared| shared.strong_count() > 0);
        }
        let shared = Arc::new(SharedCluster::new(Arc::clone(source), key.clone(), self.notices.clone()));
        clusters.insert(place, Arc::downgrade(&shared));
        shared
    }
}
