//! All sources as one thread knows them, each with the plan that it runs now.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh::plan::{Cluster, ClusterKey};
use mesh::{Plan, Source};

use crate::state::plan::ActivePlan;
use crate::state::source::SourceState;
use crate::upstream::cluster_manager::ClusterManager;

/// All of them.
pub(crate) struct Sources {
    active: RefCell<HashMap<Source, Rc<ActiveSource>>>,
    plans: RefCell<Arc<HashMap<Source, Arc<Plan>>>>,
    cluster_manager: Arc<ClusterManager>,
}

/// A source, and the plan that it runs.
pub(crate) struct ActiveSource {
    /// What outlives plans.
    pub(crate) state: SourceState,
    current: RefCell<Rc<ActivePlan>>,
}

impl Sources {
    /// None so far, and no plans.
    pub(crate) fn new(cluster_manager: Arc<ClusterManager>) -> Self {
        Self { active: RefCell::default(), plans: RefCell::default(), cluster_manager }
    }

    /// A source, made when it is first asked for.
    pub(crate) fn get(&self, source: &Source) -> Rc<ActiveSource> {
        let mut active = self.active.borrow_mut();
        let found = active.entry(source.clone()).or_insert_with(|| {
            let plan = self.plans.borrow().get(source).cloned();
            let state = SourceState::new(source, &self.cluster_manager);
            let current = ActivePlan::new(plan.unwrap_or_else(|| no_plan(source)));
            Rc::new(ActiveSource { state, current: RefCell::new(Rc::new(current)) })
        });
        Rc::clone(found)
    }

    /// Routes by these plans from now on.
    pub(crate) fn swap(&self, plans: &Arc<HashMap<Source, Arc<Plan>>>) {
        *self.plans.borrow_mut() = Arc::clone(plans);
        // Plans share their clusters, so one index serves many sources.
        let mut indices: HashMap<*const Arc<Cluster>, HashMap<&ClusterKey, &Cluster>> = HashMap::new();
        for (source, active) in self.active.borrow().iter() {
            let plan = plans.get(source);
            let before = active.current();
            let current = ActivePlan::after(&before, plan.cloned().unwrap_or_else(|| no_plan(source)));
            // Most changes are of routes alone.
            let same = Arc::ptr_eq(&current.plan.clusters, &before.plan.clusters);
            *active.current.borrow_mut() = Rc::new(current);
            if !same {
                let clusters = plan.map_or(&[][..], |plan| &plan.clusters);
                let index = indices
                    .entry(clusters.as_ptr())
                    .or_insert_with(|| clusters.iter().map(|cluster| (&cluster.key, &**cluster)).collect());
                active.state.retain(index);
            }
        }
    }

    /// Looks which endpoints may return, and which limits are kept again.
    pub(crate) fn look(&self, now: Instant) {
        self.active.borrow().values().for_each(|source| source.state.look(now));
    }

    /// Closes connections to upstreams that have been idle for too long.
    pub(crate) fn sweep(&self, now: Instant, idle_timeout: Duration) {
        self.active.borrow().values().for_each(|source| source.state.sweep(now, idle_timeout));
    }
}

impl ActiveSource {
    /// The plan of now. Who holds it keeps it, whatever is swapped in meanwhile.
    pub(crate) fn current(&self) -> Rc<ActivePlan> {
        Rc::clone(&self.current.borrow())
    }
}

fn no_plan(source: &Source) -> Arc<Plan> {
    Arc::new(Plan {
        revision: 0,
        source: source.clone(),
        labels: Arc::default(),
        paths: mesh::PathNormalization::default(),
        internal: Vec::new(),
        listeners: [].into(),
        clusters: [].into(),
    })
}
