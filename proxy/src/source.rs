//! A source as one thread knows it: the plan that it runs now, and what outlives plans.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh::plan::{Cluster, ClusterKey, split_authority};
use mesh::{Plan, Source};

use crate::cluster;
use crate::config::Config;
use crate::connect::Target;
use crate::pool::Upstream;
use crate::view::View;

pub(crate) struct SourceState {
    pub(crate) source: Arc<Source>,
    current: RefCell<Rc<View>>,
    clusters: RefCell<HashMap<ClusterKey, Rc<cluster::State>>>,
    /// Addresses outside the mesh that requests named.
    strangers: RefCell<HashMap<String, Rc<Upstream>>>,
}

impl SourceState {
    pub(crate) fn new(source: &Source, plan: Option<Arc<Plan>>) -> Self {
        let source = Arc::new(source.clone());
        let view = Rc::new(View::new(plan.unwrap_or_else(|| no_plan(&source))));
        Self {
            source,
            current: RefCell::new(view),
            clusters: RefCell::default(),
            strangers: RefCell::default(),
        }
    }

    /// The plan of now. Who holds it keeps it, whatever is swapped in meanwhile.
    pub(crate) fn current(&self) -> Rc<View> {
        Rc::clone(&self.current.borrow())
    }

    /// Runs another plan; `clusters` are its clusters by key.
    pub(crate) fn swap(&self, plan: Option<Arc<Plan>>, clusters: &HashMap<&ClusterKey, &Cluster>) {
        let view = View::new(plan.unwrap_or_else(|| no_plan(&self.source)));
        *self.current.borrow_mut() = Rc::new(view);
        self.clusters.borrow_mut().retain(|key, state| {
            let cluster = clusters.get(key).copied();
            state.retain(cluster);
            cluster.is_some()
        });
    }

    /// What outlives plans, of a cluster.
    pub(crate) fn cluster(&self, key: &ClusterKey) -> Rc<cluster::State> {
        if let Some(state) = self.clusters.borrow().get(key) {
            return Rc::clone(state);
        }
        Rc::clone(self.clusters.borrow_mut().entry(key.clone()).or_default())
    }

    /// Connections to an address outside the mesh.
    pub(crate) fn stranger(&self, host: &str, port: u16) -> Rc<Upstream> {
        let mut strangers = self.strangers.borrow_mut();
        let upstream = strangers
            .entry(format!("{host}:{port}"))
            .or_insert_with(|| Rc::new(Upstream::new(Target::new(host, port))));
        Rc::clone(upstream)
    }

    /// The cluster itself; of one whose endpoint the client chooses, that endpoint, by the name (and port) that the client
    /// gave. `None` when it gave none.
    pub(crate) fn reached(
        &self,
        cluster: &Rc<cluster::View>,
        name: Option<&str>,
        config: &Config,
    ) -> Option<Rc<cluster::View>> {
        if !cluster.chosen_by_client() {
            return Some(Rc::clone(cluster));
        }
        let (host, port) = split_authority(name?);
        let upstream = cluster.upstream(host, port.unwrap_or(cluster.port));
        Some(Rc::new(cluster::View::stranger(upstream, config)))
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

fn no_plan(source: &Source) -> Arc<Plan> {
    Arc::new(Plan {
        revision: 0,
        source: source.clone(),
        labels: [].into(),
        listeners: [].into(),
        clusters: [].into(),
    })
}
