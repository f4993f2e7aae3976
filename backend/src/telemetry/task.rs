//! The task that asks the clock: collects batches, follows the plans of the newest revision, and four times a second tells browsers,
//! metrics and the control loop.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use api::Delta;
use api::revision::Stage;
use mesh::plan::distinct;
use proxy::{Batch, Notice};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::alerts::Alerts;
use super::follower::Step;
use super::instances::Instances;
use super::splits;
use super::{Collector, window::TICKS_PER_SECOND};
use crate::analysis::Analysis;
use crate::clock::now_millis;
use crate::events::Hub;
use crate::metrics::Metrics;
use crate::targets::Offer;
use crate::timeline::StageReached;

/// Length of a tick.
const TICK: Duration = Duration::from_millis(1000 / TICKS_PER_SECOND as u64);

/// What the task reads and where it tells.
#[derive(Debug)]
pub(crate) struct Feeds {
    /// Revisions.
    pub(crate) revisions: mpsc::Receiver<Step>,
    /// What the targets counted.
    pub(crate) batches: Vec<mpsc::Receiver<Batch>>,
    /// What the proxy's threads tell at once.
    pub(crate) notices: mpsc::Receiver<Notice>,
    /// Where milestones go.
    pub(crate) milestones: mpsc::Sender<StageReached>,
    /// The browsers.
    pub(crate) hub: Arc<Hub>,
    /// Counters for Prometheus.
    pub(crate) metrics: Arc<Metrics>,
    /// What instances answered.
    pub(crate) instances: Instances,
    /// Instances that are not used, and limits that are reached.
    pub(crate) alerts: Alerts,
    /// The mesh's DNS domain.
    pub(crate) domain: String,
}

/// Runs until the control loop has ended.
pub(crate) async fn run(mut feeds: Feeds) {
    let mut collector = Collector::default();
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last = Instant::now();
    let mut converged = 0;
    let mut head = None;
    let mut ticks = 0_usize;
    loop {
        tokio::select! {
            biased;
            step = feeds.revisions.recv() => match step {
                Some(Step::Expected(offer)) => {
                    let before = head.as_deref().map(|analysis: &Analysis| &analysis.mesh);
                    collector.set_routes(offer.revision, &offer.analysis.mesh, before);
                    collector.set_head(offer.revision, desired(&offer, &feeds.domain));
                    head = Some(Arc::clone(&offer.analysis));
                }
                Some(Step::Offered(offer)) => feeds.follow(&offer),
                None => return,
            },
            Some(notice) = feeds.notices.recv() => feeds.notices(notice).await,
            _ = interval.tick() => {
                let now = Instant::now();
                let millis = u32::try_from((now - last).as_millis()).unwrap_or(u32::MAX);
                last = now;
                feeds.hub.publish(Delta::Tick(Box::new(collector.tick(now_millis(), millis))));
                ticks += 1;
                if ticks.is_multiple_of(TICKS_PER_SECOND)
                    && let Some(instances) = feeds.instances.second()
                {
                    feeds.hub.publish(Delta::Instances(instances));
                }
                if let Some((revision, n)) = collector.converged()
                    && revision > converged
                {
                    converged = revision;
                    let note = Some(format!("n={n}"));
                    feeds.reached(StageReached { revision, stage: Stage::Converged, at: now, note }).await;
                }
            }
            batch = next(&mut feeds.batches) => {
                feeds.metrics.observe(&batch);
                feeds.instances.add(&batch);
                collector.add(&batch);
            }
        }
    }
}

impl Feeds {
    /// Forgets what a revision does not have. Whatever keeps something by what plans have is told of them here.
    fn follow(&mut self, offer: &Offer) {
        self.instances.follow(offer.plans.values().map(AsRef::as_ref));
        self.metrics.follow(offer.plans.values().map(AsRef::as_ref));
        if self.alerts.follow(&offer.plans) {
            self.tell_alerts();
        }
    }

    /// Takes what the proxy tells, and what else waits to be told, so that browsers are told once.
    async fn notices(&mut self, first: Notice) {
        let (mut changed, mut next) = (false, Some(first));
        while let Some(notice) = next {
            if let Notice::FirstRequest { revision, at } = notice {
                let reached = StageReached { revision, stage: Stage::FirstRequest, at, note: None };
                self.reached(reached).await;
            }
            self.metrics.notice(&notice);
            self.instances.notice(&notice);
            changed |= self.alerts.take(&notice, now_millis());
            next = self.notices.try_recv().ok();
        }
        if changed {
            self.tell_alerts();
        }
    }

    fn tell_alerts(&self) {
        self.hub.publish(Delta::Alerts(self.alerts.list().to_vec()));
    }

    /// Without the control loop, nobody wants to know.
    async fn reached(&self, reached: StageReached) {
        drop(self.milestones.send(reached).await);
    }
}

/// The shares that a revision asks for.
fn desired(offer: &Offer, domain: &str) -> Vec<splits::Desired> {
    let desired = splits::desired(distinct(offer.plans.values().map(AsRef::as_ref)));
    splits::with_idle(desired, &offer.analysis.mesh, domain)
}

/// The next of what was counted.
async fn next(batches: &mut [mpsc::Receiver<Batch>]) -> Batch {
    poll_fn(|context| {
        let ready = |batches: &mut mpsc::Receiver<Batch>| match batches.poll_recv(context) {
            Poll::Ready(Some(batch)) => Some(batch),
            // None now, or never again.
            Poll::Ready(None) | Poll::Pending => None,
        };
        batches.iter_mut().find_map(ready).map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
