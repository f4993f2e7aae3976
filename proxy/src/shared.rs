//! What the tasks of one thread share. Nothing of it leaves the thread, so nothing of it is locked.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use mesh::{Plan, Source};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::observation::Notice;
use crate::stats::Table;

pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) stats: Table,
    pub(crate) plans: RefCell<Arc<HashMap<Source, Arc<Plan>>>>,
    pub(crate) notices: mpsc::Sender<Notice>,
}

impl Shared {
    pub(crate) fn new(config: Arc<Config>, notices: mpsc::Sender<Notice>) -> Self {
        Self { config, stats: Table::default(), plans: RefCell::default(), notices }
    }

    pub(crate) fn swap(&self, plans: &Arc<HashMap<Source, Arc<Plan>>>) {
        *self.plans.borrow_mut() = Arc::clone(plans);
    }

    pub(crate) async fn idle(&self) {}
}
