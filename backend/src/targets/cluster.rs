//! The cluster as a target: what a revision changes is written there, each object by the smallest write, and counts as applied when the
//! cluster's own watch has told it.

mod changes;
mod claims;
mod preview;
mod task;

use std::sync::Arc;
use std::time::Duration;

use api::cluster::Preview;
use api::state::{Target as Kind, TargetState, TargetStatus};
use cluster::flights::Flights;
use cluster::write::Why;
use cluster::{Change, Mirror, Object, Writer};
use futures::FutureExt;
use futures::future::BoxFuture;
use mesh::{Analysis, Diagnostic, Mesh};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::Instrument;

use super::{Check, News, Offer, Target, Unchecked};
use crate::store::Store;
use crate::timeline::StageReached;
use changes::between;
use claims::Claims;

/// How long the cluster may take to say whether it would take a change.
const LONGEST: Duration = Duration::from_secs(10);
/// Revisions that may wait to be written; then the loop waits.
const QUEUE: usize = 64;

/// The cluster.
#[derive(Debug)]
pub struct Cluster {
    flights: Flights,
    /// The revision that was offered last.
    previous: Arc<Analysis>,
    offer: Option<Arc<Offer>>,
    jobs: mpsc::Sender<Job>,
    states: watch::Receiver<TargetState>,
    mirror: Mirror,
    /// What was said last.
    told: Option<TargetState>,
    task: JoinHandle<()>,
}

/// A revision with what it changes in the cluster.
#[derive(Debug)]
struct Job {
    offer: Arc<Offer>,
    changes: Vec<Change>,
}

/// What it takes to write.
#[derive(Debug, Clone)]
pub struct Parts {
    /// What is written with.
    pub writer: Writer,
    /// What the cluster has.
    pub mirror: Mirror,
    /// What is being written.
    pub flights: Flights,
    /// Where it is kept which revision the cluster has.
    pub store: Store,
    /// Where stages of revisions are told.
    pub milestones: mpsc::Sender<StageReached>,
}

impl Cluster {
    /// A cluster that has a revision.
    pub fn start(parts: Parts, has: Arc<Analysis>, revision: u64) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (tell, states) = watch::channel(TargetState::Pending { revision });
        let (flights, mirror) = (parts.flights.clone(), parts.mirror.clone());
        let task = tokio::spawn(task::run(parts, queue, tell));
        Self { flights, previous: has, offer: None, jobs, states, mirror, told: None, task }
    }
}

impl Target for Cluster {
    fn offer(&mut self, offer: &Arc<Offer>) {
        self.offer = Some(Arc::clone(offer));
    }

    /// Hands what the revision changes to the task that writes. Nothing that others changed is among it: a revision that has been made
    /// of what the cluster has changes nothing there.
    fn apply(&mut self) -> BoxFuture<'_, ()> {
        let revision = self.offer.as_ref().map(|offer| offer.revision);
        let span = tracing::info_span!("apply", to = "cluster", revision);
        async {
            let Some(offer) = self.offer.clone() else { return };
            let previous = std::mem::replace(&mut self.previous, Arc::clone(&offer.analysis));
            if offer.again {
                // Something else runs there, and the text is the same.
                return;
            }
            let changes = between(&previous.mesh, &offer.analysis.mesh);
            self.flights.begin(changes.iter().map(|it| &it.key));
            if self.jobs.send(Job { offer, changes }).await.is_err() {
                tracing::error!("the task that writes to the cluster has ended");
            }
        }
        .instrument(span)
        .boxed()
    }

    fn changed(&mut self) -> BoxFuture<'_, ()> {
        async {
            tokio::select! {
                Ok(()) = self.states.changed() => {}
                () = self.mirror.changed() => {}
                else => std::future::pending().await,
            }
        }
        .boxed()
    }

    /// What the task has done; while the cluster's watch is silent nobody knows what it runs.
    fn news(&mut self, _: i64) -> News {
        let stale = self.mirror.view().and_then(|view| view.stale.clone());
        let state = match stale {
            Some(stale) => TargetState::Unreachable { since: stale.since },
            None => self.states.borrow_and_update().clone(),
        };
        if self.told.as_ref() == Some(&state) {
            return News::default();
        }
        self.told = Some(state.clone());
        let status = TargetStatus { target: Kind::Cluster, state, nodes: Vec::new() };
        News { status: Some(status), ..News::default() }
    }

    fn shutdown(self: Box<Self>, grace: Duration) -> BoxFuture<'static, ()> {
        let Self { jobs, mut task, .. } = *self;
        async move {
            drop(jobs);
            if timeout(grace, &mut task).await.is_err() {
                tracing::warn!("a change is not in the cluster yet: the next start writes it");
                task.abort();
            }
        }
        .boxed()
    }
}

/// Asks the cluster whether it would take a revision.
#[derive(Debug)]
pub struct DryRun {
    writer: Writer,
    mirror: Mirror,
    /// Where it is kept what was borrowed.
    store: Store,
}

impl DryRun {
    /// A check by the cluster itself.
    pub fn new(writer: Writer, mirror: Mirror, store: Store) -> Self {
        Self { writer, mirror, store }
    }

    /// What would be written for the change from one mesh to another, and what the cluster says of it. Nothing is.
    pub async fn preview(&self, before: &Mesh, after: &Mesh) -> Result<Preview, Unchecked> {
        let refused = match self.check(before, after).await {
            Ok(()) => Vec::new(),
            Err(Unchecked::Refused(said)) => said,
            Err(other) => return Err(other),
        };
        let claims = Claims::read(self.store.clone()).await;
        let view = self.mirror.view().unwrap_or_default();
        let known = |change: &Change| view.objects.get(&change.key).map(|it| Object::clone(it));
        let preview = preview::of(&between(before, after), known, &claims);
        let preview = preview.map_err(|why| Unchecked::Conflict(why.to_string()))?;
        Ok(Preview { refused, ..preview })
    }
}

impl Check for DryRun {
    fn check<'a>(&'a self, before: &'a Mesh, after: &'a Mesh) -> BoxFuture<'a, Result<(), Unchecked>> {
        async move {
            let changes = between(before, after);
            if changes.is_empty() {
                return Ok(());
            }
            let view = self.mirror.view().unwrap_or_default();
            let asked = timeout(LONGEST, self.writer.check(&changes, &view.objects)).await;
            let Ok(refused) = asked else {
                let why = format!("it has not answered for {} s", LONGEST.as_secs());
                return Err(Unchecked::Unreachable(why));
            };
            if let Some(down) = refused.iter().find(|it| it.why.may_pass()) {
                return Err(Unchecked::Unreachable(down.why.to_string()));
            }
            let conflict = refused.iter().find(|it| matches!(it.why, Why::Conflict(_)));
            if let Some(conflict) = conflict {
                return Err(Unchecked::Conflict(conflict.to_string()));
            }
            let said: Vec<Diagnostic> =
                refused.iter().flat_map(|it| changes::diagnostics(it, after)).collect();
            if said.is_empty() { Ok(()) } else { Err(Unchecked::Refused(said)) }
        }
        .boxed()
    }
}
