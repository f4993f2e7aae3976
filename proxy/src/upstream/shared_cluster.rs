//! A cluster of a source as all threads know it: what its limits count, and which of its endpoints are ejected. It
//! outlives plans.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mesh::Source;
use mesh::plan::{ClusterKey, Endpoint, Outlier};
use tokio::sync::mpsc;

use crate::reporting::observation::EjectedFor;
use crate::reporting::observation::Limit;
use crate::reporting::observation::{Notice, Place};
use crate::reporting::reason::Reason;
use crate::upstream::balance::hashing::Tables;
use crate::upstream::breaker::{Breaker, Ceilings, Entry};
use crate::upstream::outlier::{Ejections, Record, TryResult};

/// What threads know together of a cluster.
#[derive(Debug)]
pub(crate) struct SharedCluster {
    source: Arc<Source>,
    key: ClusterKey,
    breaker: Breaker,
    /// Tables of hashes.
    pub(crate) tables: Tables,
    /// Grows when an endpoint is taken out or returns.
    version: AtomicU64,
    instances: Mutex<Instances>,
    notices: mpsc::Sender<Notice>,
}

#[derive(Debug)]
struct Instances {
    known: HashMap<(String, u16), (Arc<Instance>, Ejections)>,
    looked: Instant,
}

/// An endpoint of the cluster.
#[derive(Debug)]
pub(crate) struct Instance {
    address: String,
    port: u16,
    /// `address:port`.
    pub(crate) name: String,
    /// Since when it is known.
    pub(crate) since: Instant,
    record: Record,
    failing: Failing,
}

/// Whether an endpoint can be connected to.
#[derive(Debug, Default)]
struct Failing {
    /// Why it cannot, counted from 1.
    why: AtomicU8,
    /// When that was told, in milliseconds since the endpoint is known.
    told: AtomicU64,
}

/// How often it may be told that an endpoint cannot be connected to, or can: it may change with each request.
const CALM: Duration = Duration::from_secs(1);

impl Instance {
    pub(crate) fn new(address: &str, port: u16) -> Self {
        Self {
            address: address.to_owned(),
            port,
            name: format!("{address}:{port}"),
            since: Instant::now(),
            record: Record::default(),
            failing: Failing::default(),
        }
    }

    /// It could not be connected to when that was last tried.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.failing.why.load(Ordering::Relaxed) != 0
    }

    /// Time since it is known.
    fn age(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether it was told a moment ago that it cannot be connected to.
    fn was_told(&self) -> bool {
        u128::from(self.age().saturating_sub(self.failing.told.load(Ordering::Relaxed))) < CALM.as_millis()
    }

    /// It is taken out for its errors.
    pub(crate) fn is_ejected(&self) -> bool {
        self.record.is_ejected()
    }
}

impl SharedCluster {
    pub(crate) fn new(source: Arc<Source>, key: ClusterKey, notices: mpsc::Sender<Notice>) -> Self {
        Self {
            source,
            key,
            breaker: Breaker::default(),
            tables: Tables::default(),
            version: AtomicU64::new(0),
            instances: Mutex::new(Instances { known: HashMap::new(), looked: Instant::now() }),
            notices,
        }
    }

    /// Says which endpoints there are now, and what is known of each.
    pub(crate) fn instances(&self, endpoints: &[Endpoint]) -> Vec<Arc<Instance>> {
        let mut instances = self.lock();
        let mut before = std::mem::take(&mut instances.known);
        let mut all = Vec::with_capacity(endpoints.len());
        for Endpoint { address, port, .. } in endpoints {
            let place = (address.clone(), *port);
            let entry = before.remove(&place).or_else(|| instances.known.remove(&place));
            let (instance, ejections) =
                entry.unwrap_or_else(|| (Arc::new(Instance::new(address, *port)), Ejections::default()));
            all.push(Arc::clone(&instance));
            instances.known.insert(place, (instance, ejections));
        }
        all
    }

    /// An endpoint of it.
    pub(crate) fn place(&self, endpoint: &Endpoint) -> Place {
        Place::of(&self.key, endpoint)
    }

    /// Which endpoints are out is another question when this has changed.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// An endpoint was taken out or has returned.
    pub(crate) fn changed(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Counts one more of what is limited; false when that would be one too many.
    pub(crate) fn enter(&self, limit: Limit, ceilings: &Ceilings) -> bool {
        match self.breaker.enter(limit, ceilings) {
            Entry::Counted => true,
            Entry::Refused => false,
            Entry::Opened => {
                self.tell_breaker(limit, true);
                false
            }
        }
    }

    /// Counts one more, whatever the limit.
    pub(crate) fn force(&self, limit: Limit) {
        self.breaker.force(limit);
    }

    /// Counts one less.
    pub(crate) fn leave(&self, limit: Limit) {
        self.breaker.leave(limit);
    }

    /// Counts the end of a try.
    pub(crate) fn observe(&self, instance: &Instance, seen: TryResult, policy: &Outlier) {
        if let Some(why) = instance.record.count(seen, policy) {
            self.eject(instance, policy, why);
        }
    }

    fn eject(&self, instance: &Instance, policy: &Outlier, why: EjectedFor) {
        let now = Instant::now();
        let mut instances = self.lock();
        let out = instances.known.values().filter(|(other, _)| other.is_ejected()).count();
        let all = instances.known.len();
        let place = (instance.address.clone(), instance.port);
        // It may have gone from the registry while the request was active.
        let Some((_, ejections)) = instances.known.get_mut(&place) else { return };
        let Some((times, length)) = instance.record.eject(ejections, policy, (out, all), now) else { return };
        drop(instances);
        self.changed();
        self.tell(Notice::Ejected {
            source: Arc::clone(&self.source),
            cluster: self.key.clone(),
            address: instance.address.clone(),
            port: instance.port,
            why,
            times,
            length,
            at: now,
        });
    }

    /// Looks, as often as the policy says, who may return. Without a policy all do.
    pub(crate) fn look(&self, policy: Option<&Outlier>, now: Instant) {
        // Another thread is here already.
        let Ok(mut instances) = self.instances.try_lock() else { return };
        let due = |policy: &Outlier| now.saturating_duration_since(instances.looked) >= policy.interval;
        if !policy.is_none_or(due) {
            return;
        }
        instances.looked = now;
        let mut returned = Vec::new();
        for (instance, ejections) in instances.known.values_mut() {
            let returns = match policy {
                Some(policy) => instance.record.look(ejections, policy, now),
                None => instance.record.uneject(ejections),
            };
            if returns {
                returned.push(Arc::clone(instance));
            }
        }
        drop(instances);
        returned.iter().for_each(|instance| self.tell_returned(instance, now));
    }

    /// A health check has passed: whatever the endpoint was ejected for is over.
    pub(crate) fn passed(&self, address: &str, port: u16, now: Instant) {
        let mut instances = self.lock();
        let Some((instance, ejections)) = instances.known.get_mut(&(address.to_owned(), port)) else {
            return;
        };
        let instance = Arc::clone(instance);
        let returns = instance.record.uneject(ejections);
        drop(instances);
        if returns {
            self.tell_returned(&instance, now);
        }
    }

    /// Tells of limits that are kept again.
    pub(crate) fn settle(&self, ceilings: &Ceilings, now: Instant) {
        for limit in Limit::ALL {
            if self.breaker.closes(limit, ceilings, now) {
                self.tell_breaker(limit, false);
            }
        }
    }

    /// An endpoint could not be connected to.
    pub(crate) fn unreachable(&self, instance: &Instance, reason: Reason, told: &str) {
        let (failing, mark) = (&instance.failing, reason as u8 + 1);
        let before = failing.why.load(Ordering::Relaxed);
        // What a client chose is nobody's endpoint.
        if before == mark || instance.address.is_empty() || (before != 0 && instance.was_told()) {
            return;
        }
        failing.told.store(instance.age(), Ordering::Relaxed);
        if failing.why.swap(mark, Ordering::Relaxed) == mark {
            // Another thread was first.
            return;
        }
        let (host, endpoint) = (&*self.key.host, &*instance.name);
        tracing::warn!(host, endpoint, why = told, "an endpoint cannot be connected to");
        self.tell(Notice::Unreachable {
            source: Arc::clone(&self.source),
            cluster: self.key.clone(),
            address: instance.address.clone(),
            port: instance.port,
            why: reason,
            at: Instant::now(),
        });
    }

    /// An endpoint that could not be connected to has been.
    pub(crate) fn reached(&self, instance: &Instance) {
        if instance.was_told() || instance.failing.why.swap(0, Ordering::Relaxed) == 0 {
            return;
        }
        self.tell(Notice::Reachable {
            source: Arc::clone(&self.source),
            cluster: self.key.clone(),
            address: instance.address.clone(),
            port: instance.port,
            at: Instant::now(),
        });
    }

    fn tell_returned(&self, instance: &Instance, at: Instant) {
        self.changed();
        self.tell(Notice::Returned {
            source: Arc::clone(&self.source),
            cluster: self.key.clone(),
            address: instance.address.clone(),
            port: instance.port,
            at,
        });
    }

    fn tell_breaker(&self, limit: Limit, open: bool) {
        let (source, cluster) = (Arc::clone(&self.source), self.key.clone());
        self.tell(Notice::Breaker { source, cluster, limit, open, at: Instant::now() });
    }

    fn tell(&self, notice: Notice) {
        // Where nobody listens, nobody misses it.
        let _ = self.notices.try_send(notice);
    }

    fn lock(&self) -> MutexGuard<'_, Instances> {
        // Each entry is whole, whatever became of the thread that changed it.
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
