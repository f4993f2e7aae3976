//! The task that asks the clock: collects batches, and four times a second tells browsers, metrics and the control loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::Delta;
use proxy::Batch;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::instances::Instances;
use super::splits::Desired;
use super::{Collector, window::TICKS_PER_SECOND};
use crate::clock::now_millis;
use crate::control::Command;
use crate::events::Hub;
use crate::metrics::Metrics;

/// Length of a tick.
const TICK: Duration = Duration::from_millis(1000 / TICKS_PER_SECOND as u64);

/// What the task reads and where it tells.
#[derive(Debug)]
pub(crate) struct Feeds {
    /// From the proxy's threads.
    pub(crate) batches: mpsc::Receiver<Batch>,
    /// From Envoys.
    pub(crate) envoys: mpsc::Receiver<Batch>,
    /// New head revisions with their desired shares.
    pub(crate) desired: mpsc::Receiver<(u64, Vec<Desired>)>,
    /// The browsers.
    pub(crate) hub: Arc<Hub>,
    /// What instances answered.
    pub(crate) instances: Arc<Instances>,
    /// Counters for Prometheus.
    pub(crate) metrics: Arc<Metrics>,
    /// The control loop.
    pub(crate) control: mpsc::Sender<Command>,
}

/// Runs until the proxy has ended.
pub(crate) async fn run(mut feeds: Feeds) {
    let mut collector = Collector::default();
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last = Instant::now();
    let mut converged = 0;
    let mut ticks = 0_usize;
    loop {
        tokio::select! {
            biased;
            Some((revision, desired)) = feeds.desired.recv() => collector.set_head(revision, desired),
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
                    let told = Command::Converged { revision, n, at: now };
                    if feeds.control.send(told).await.is_err() {
                        return;
                    }
                }
            }
            batch = feeds.batches.recv() => {
                let Some(batch) = batch else { return };
                feeds.metrics.observe(&batch);
                feeds.instances.add(&batch);
                collector.add(&batch);
            }
            Some(batch) = feeds.envoys.recv() => {
                feeds.metrics.observe(&batch);
                feeds.instances.add(&batch);
                collector.add(&batch);
            }
        }
    }
}
