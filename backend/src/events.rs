//! The state that browsers see, and the stream of its changes.
//!
//! The state is changed by deltas alone, so a snapshot is always the sum of the deltas before it. A subscriber holds nothing but
//! the number of the event that it needs next: one that falls behind the ring of recent events gets a new snapshot instead
//! of a queue that grows. Where nobody subscribes, and nobody who did could come back, events are not written down at all.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::state::TargetState;
use api::{Delta, Event, Snapshot};
use tokio::sync::watch;

/// Events that can be resumed from: a minute of ticks and some.
const RING: usize = 320;
/// Their bytes at most: a large mesh has long ticks. Who was away for longer than that gets a snapshot.
const RING_BYTES: usize = 8 * 1024 * 1024;

/// An event, ready to send.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its number.
    pub seq: u64,
    /// [`Event`] as JSON.
    pub json: Arc<str>,
}

/// The hub between the control loop, telemetry and the browsers.
#[derive(Debug)]
pub struct Hub {
    inner: Mutex<Inner>,
    newest: watch::Sender<u64>,
    /// Whether a target runs a revision, for those who ask often and must not wait.
    ready: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    state: Snapshot,
    seq: u64,
    ring: VecDeque<Message>,
    ring_bytes: usize,
    /// Events since there was a subscriber: from [`RING`] on nobody can resume.
    unheard: usize,
}

impl Hub {
    /// A hub that starts with this state. `first` is the number before the first event; the program takes the time in
    /// milliseconds, so that the numbers of an earlier run are never mistaken for those of this one.
    pub fn new(snapshot: Snapshot, first: u64) -> Self {
        let ring = VecDeque::with_capacity(RING);
        let inner = Inner { state: snapshot, seq: first, ring, ring_bytes: 0, unheard: RING };
        let ready = AtomicBool::new(runs(&inner.state));
        Self { inner: Mutex::new(inner), newest: watch::Sender::new(first), ready }
    }

    /// Changes the state and tells everyone.
    pub fn publish(&self, delta: Delta) {
        let mut inner = self.lock();
        inner.state.apply(&delta);
        self.ready.store(runs(&inner.state), Relaxed);
        inner.seq += 1;
        let seq = inner.seq;
        inner.unheard = if self.newest.receiver_count() > 0 { 0 } else { inner.unheard.saturating_add(1) };
        if inner.unheard < RING {
            let message = Message { seq, json: encode(&Event { seq, delta }) };
            inner.remember(message);
        } else {
            inner.forget();
        }
        drop(inner);
        self.newest.send_replace(seq);
    }

    /// Whether a target runs a revision. Costs nothing.
    pub fn ready(&self) -> bool {
        self.ready.load(Relaxed)
    }

    /// The mesh's name.
    pub fn name(&self) -> String {
        self.lock().state.name.clone()
    }

    /// The state as it is.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().state.clone()
    }

    /// A subscription from the event after `last`, or from a snapshot.
    pub fn subscribe(self: &Arc<Self>, last: Option<u64>) -> Subscription {
        Subscription { hub: Arc::clone(self), last, newest: self.newest.subscribe() }
    }

    fn after(&self, last: Option<u64>) -> Option<Message> {
        let inner = self.lock();
        let oldest = inner.ring.front().map_or(inner.seq + 1, |message| message.seq);
        match last {
            Some(last) if last == inner.seq => None,
            Some(last) if last < inner.seq && last + 1 >= oldest => {
                inner.ring.get(usize::try_from(last + 1 - oldest).ok()?).cloned()
            }
            // A new subscriber, one that is too far behind, or one that was told of another run's events.
            _ => {
                let seq = inner.seq;
                let snapshot = inner.state.clone();
                drop(inner);
                let delta = Delta::Snapshot(Box::new(snapshot));
                Some(Message { seq, json: encode(&Event { seq, delta }) })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The state is whole after each delta, also when a thread panicked later.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self) {
        self.ring.clear();
        self.ring_bytes = 0;
    }

    fn remember(&mut self, message: Message) {
        self.ring_bytes += message.json.len();
        self.ring.push_back(message);
        // Subscribers read the newest one from here, however long it is.
        while self.ring.len() > RING || (self.ring_bytes > RING_BYTES && self.ring.len() > 1) {
            let Some(oldest) = self.ring.pop_front() else { return };
            self.ring_bytes -= oldest.json.len();
        }
    }
}

/// One reader of the stream.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<Hub>,
    last: Option<u64>,
    newest: watch::Receiver<u64>,
}

impl Subscription {
    /// The next event, as soon as there is one. `None` when the hub is gone.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            self.newest.mark_unchanged();
            if let Some(message) = self.hub.after(self.last) {
                self.last = Some(message.seq);
                return Some(message);
            }
            self.newest.changed().await.ok()?;
        }
    }
}

/// Whether a target runs a revision.
fn runs(state: &Snapshot) -> bool {
    let runs =
        |state: &TargetState| matches!(state, TargetState::Applied { .. } | TargetState::Pending { .. });
    state.targets.iter().any(|status| runs(&status.state))
}

fn encode(event: &Event) -> Arc<str> {
    // Only maps with keys that are no strings fail, and the API has none.
    serde_json::to_string(event).unwrap_or_default().into()
}

#[cfg(test)]
mod tests;
