//! What revisions are applied to. The control loop knows targets by [`Target`] alone: a new one is a module here, and a line in
//! `server` where they are put together.

pub mod cluster;
pub mod entries;
pub mod envoy;
pub mod proxy;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::state::{ListenerInfo, TargetStatus};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all, pending, select_all};
use mesh::{Diagnostic, Mesh};

use crate::analysis::{Analysis, Plans};

/// A revision, as targets and telemetry get it.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Its number.
    pub revision: u64,
    /// When its edit came in.
    pub received: Instant,
    /// Its text, as it was understood.
    pub analysis: Arc<Analysis>,
    /// What it is compiled into, one plan for each source.
    pub plans: Arc<Plans>,
    /// It was offered before: what runs is another now, and its text is the same.
    pub again: bool,
}

impl Offer {
    /// Milliseconds from the edit to `at`.
    pub fn millis(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.received).as_secs_f64() * 1000.0
    }
}

/// What is new of a target. Nothing, unless it says something else.
#[derive(Debug, Default)]
pub struct News {
    /// What it says that it runs.
    pub status: Option<TargetStatus>,
    /// Where traffic enters.
    pub listeners: Option<Vec<ListenerInfo>>,
    /// The revision that the mesh's traffic is routed by now, and since when.
    pub swapped: Option<(u64, Instant)>,
}

/// Something that revisions are applied to, and that says for itself what it runs.
///
/// Each revision is offered, then applied, and the target is asked for its news after both. A target of the network does not keep the
/// control loop waiting: its `apply` hands the revision to a task of its own, whose progress (also a part of it, or a refusal) is told by
/// `changed` and said by `news`. Offers may come faster than it applies them; the last one counts.
pub trait Target: Debug + Send {
    /// Takes note of a revision; its own status is pending from now on.
    fn offer(&mut self, offer: &Arc<Offer>);

    /// Does what it takes to run the revision that was offered last.
    fn apply(&mut self) -> BoxFuture<'_, ()>;

    /// Returns when something else has changed. May be given up and asked again.
    fn changed(&mut self) -> BoxFuture<'_, ()>;

    /// What is new since it was asked the last time, at `now` (milliseconds since 1970).
    fn news(&mut self, now: i64) -> News;

    /// Ends it, with so much time for what is under way.
    fn shutdown(self: Box<Self>, grace: Duration) -> BoxFuture<'static, ()>;
}

/// Why a revision is not made before it is stored: what a target says that would have to run it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unchecked {
    /// It refuses it, in diagnostics.
    #[error("it is refused")]
    Refused(Vec<Diagnostic>),
    /// Something else was changed there meanwhile.
    #[error("{0}")]
    Conflict(String),
    /// It cannot be asked.
    #[error("{0}")]
    Unreachable(String),
}

/// A target that can say of a change whether it would take it, without making it.
pub trait Check: Debug + Send + Sync {
    /// Asks for the change from one mesh to another.
    fn check<'a>(&'a self, before: &'a Mesh, after: &'a Mesh) -> BoxFuture<'a, Result<(), Unchecked>>;
}

/// Returns when something has changed at one of the targets, with its position.
pub async fn changed(targets: &mut [Box<dyn Target>]) -> usize {
    if targets.is_empty() {
        return pending().await;
    }
    select_all(targets.iter_mut().map(|target| target.changed())).map(|((), at, _)| at).await
}

/// Ends all targets.
pub async fn shutdown(targets: Vec<Box<dyn Target>>, grace: Duration) {
    join_all(targets.into_iter().map(|target| target.shutdown(grace))).await;
}
