//! How telemetry, and all else that follows what a revision's plans have, hears of a revision.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::targets::Offer;

/// Revisions that may wait.
const QUEUE: usize = 16;

/// How far a revision is.
#[derive(Debug)]
pub(crate) enum Step {
    /// The targets are about to get it.
    Expected(Arc<Offer>),
    /// The targets have it.
    Offered(Arc<Offer>),
}

/// Tells the task of telemetry of revisions.
#[derive(Debug)]
pub struct Follower(mpsc::Sender<Step>);

impl Follower {
    /// One, and what the task reads.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Step>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// A revision is about to be offered: its shares are known before the first request under it is counted.
    pub(crate) async fn expect(&self, offer: &Arc<Offer>) {
        self.tell(Step::Expected(Arc::clone(offer))).await;
    }

    /// A revision was offered: what it does not have can be forgotten.
    pub(crate) async fn follow(&self, offer: &Arc<Offer>) {
        self.tell(Step::Offered(Arc::clone(offer))).await;
    }

    async fn tell(&self, step: Step) {
        if self.0.send(step).await.is_err() {
            tracing::warn!("telemetry has ended");
        }
    }
}
