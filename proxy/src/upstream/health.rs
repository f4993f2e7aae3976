//! Active health checks: endpoints are asked whether they are well, once for the whole proxy, whoever sends them requests.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use mesh::plan::{Cluster, Endpoint, HealthCheck, ProxyHeader};
use tokio::sync::mpsc;

use crate::reporting::observation::Notice;
use crate::upstream::shared_cluster::SharedCluster;

/// What is checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CheckKey {
    /// The service's host.
    pub(super) host: String,
    /// The endpoint's.
    pub(super) address: String,
    /// The endpoint's, which is not always the one that is asked.
    pub(super) port: u16,
    pub(super) check: HealthCheck,
    /// What connections to it begin with.
    pub(super) header: Option<ProxyHeader>,
}

/// What checks have found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// No check has an answer yet.
    Unknown,
    /// It is well.
    Passing,
    /// It is not.
    Failing,
    /// It is well, and is used after those that are better.
    Degraded,
}

impl Health {
    /// It may get requests.
    pub(crate) fn is_well(self) -> bool {
        matches!(self, Self::Passing | Self::Degraded)
    }
}

/// The answer to a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is well.
    Passed,
    /// It is well, and asks for others to be used first.
    Degraded,
    /// It did not answer, or asks for more time.
    Failed(String),
    /// It says that it is not well: nothing is waited for.
    Refused(String),
}

/// All that is checked, or was a moment ago.
#[derive(Debug)]
pub(crate) struct Checks {
    /// By service, address and port. Plans may check one endpoint in several ways.
    all: Mutex<HashMap<(String, String, u16), Vec<Arc<Checked>>>>,
    notices: mpsc::Sender<Notice>,
}

/// An endpoint that is checked.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(super) key: CheckKey,
    health: AtomicU8,
    /// Since when it is well.
    well: Mutex<Option<Instant>>,
    /// Clusters whose endpoint it is.
    watchers: Mutex<Vec<Weak<SharedCluster>>>,
    notices: mpsc::Sender<Notice>,
}

/// Answers in a row.
#[derive(Debug, Default)]
pub(super) struct Streak {
    passed: u32,
    failed: u32,
}

impl CheckKey {
    pub(super) fn new(cluster: &Cluster, endpoint: &Endpoint, check: &HealthCheck) -> Self {
        Self {
            host: cluster.key.host.clone(),
            address: endpoint.address.clone(),
            port: endpoint.port,
            check: check.clone(),
            header: cluster.policy.proxy_header(),
        }
    }
}

impl Checks {
    pub(crate) fn new(notices: mpsc::Sender<Notice>) -> Self {
        Self { all: Mutex::default(), notices }
    }

    /// What is found of an endpoint, which a cluster is told of when it changes.
    pub(crate) fn watched(
        &self,
        cluster: &Cluster,
        endpoint: &Endpoint,
        check: &HealthCheck,
        watcher: &Arc<SharedCluster>,
    ) -> Arc<Checked> {
        let checked = self.get(&CheckKey::new(cluster, endpoint, check));
        let mut watchers = lock(&checked.watchers);
        let known = watchers.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(watcher)));
        if !known {
            watchers.retain(|known| known.strong_count() > 0);
            watchers.push(Arc::downgrade(watcher));
        }
        drop(watchers);
        checked
    }

    pub(super) fn get(&self, key: &CheckKey) -> Arc<Checked> {
        let mut all = lock(&self.all);
        let known = all.entry((key.host.clone(), key.address.clone(), key.port)).or_default();
        if let Some(checked) = known.iter().find(|checked| checked.key == *key) {
            return Arc::clone(checked);
        }
        // What another check has found holds until this one finds something else.
        let health = known.last().map_or(Health::Unknown, |other| other.health());
        let health = AtomicU8::new(health as u8);
        let (key, notices) = (key.clone(), self.notices.clone());
        let checked =
            Arc::new(Checked { key, health, well: Mutex::default(), watchers: Mutex::default(), notices });
        known.push(Arc::clone(&checked));
        checked
    }

    /// Forgets what is checked no more.
    pub(super) fn retain(&self, stays: impl Fn(&CheckKey) -> bool) {
        lock(&self.all).retain(|_, known| {
            known.retain(|checked| stays(&checked.key));
            !known.is_empty()
        });
    }
}

impl Checked {
    /// What was found last.
    pub(crate) fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            0 => Health::Unknown,
            1 => Health::Passing,
            3 => Health::Degraded,
            _ => Health::Failing,
        }
    }

    /// Since when it has been well, after it was not.
    pub(crate) fn well_since(&self) -> Option<Instant> {
        *lock(&self.well)
    }

    /// It says itself that it wants no more requests.
    pub(crate) fn gives_up(&self) {
        self.set(Health::Failing, "it says so in a response");
    }

    /// Takes the answer to a check.
    pub(super) fn take(&self, streak: &mut Streak, answer: &Answer) {
        let health = streak.judge(self.health(), answer, &self.key.check);
        let why = match answer {
            Answer::Passed | Answer::Degraded => "",
            Answer::Failed(why) | Answer::Refused(why) => why,
        };
        if let Some(health) = health {
            self.set(health, why);
        }
        if matches!(answer, Answer::Passed | Answer::Degraded) && self.health().is_well() {
            let now = Instant::now();
            self.each_watcher(|shared| shared.passed(&self.key.address, self.key.port, now));
        }
    }

    pub(crate) fn set(&self, health: Health, why: &str) {
        let before = self.health.swap(health as u8, Ordering::Relaxed);
        if before == health as u8 {
            return;
        }
        let was_well = before == Health::Passing as u8 || before == Health::Degraded as u8;
        if !(was_well && health.is_well()) {
            *lock(&self.well) = health.is_well().then(Instant::now);
        }
        self.each_watcher(SharedCluster::changed);
        if was_well && health.is_well() {
            return;
        }
        let (host, address, port) = (self.key.host.clone(), self.key.address.clone(), self.key.port);
        let at = Instant::now();
        let notice = match health {
            Health::Failing => Notice::Unhealthy { host, address, port, why: why.to_owned(), at },
            _ => Notice::Healthy { host, address, port, at },
        };
        // Where nobody listens, nobody misses it.
        let _ = self.notices.try_send(notice);
    }

    fn each_watcher(&self, tell: impl Fn(&SharedCluster)) {
        let watchers: Vec<_> = lock(&self.watchers).iter().filter_map(Weak::upgrade).collect();
        watchers.iter().for_each(|watcher| tell(watcher));
    }
}

impl Streak {
    /// What an answer makes of an endpoint, where that is something else. The first answer decides by itself.
    fn judge(&mut self, health: Health, answer: &Answer, check: &HealthCheck) -> Option<Health> {
        match answer {
            Answer::Passed | Answer::Degraded => {
                self.failed = 0;
                self.passed = self.passed.saturating_add(1);
                let found = if *answer == Answer::Passed { Health::Passing } else { Health::Degraded };
                // How well it is holds at once; that it is well again takes a while.
                let enough = health != Health::Failing || self.passed >= check.healthy_threshold;
                (health != found && enough).then_some(found)
            }
            Answer::Failed(_) | Answer::Refused(_) => {
                self.passed = 0;
                self.failed = self.failed.saturating_add(1);
                let enough = health == Health::Unknown
                    || matches!(answer, Answer::Refused(_))
                    || self.failed >= check.unhealthy_threshold;
                (health != Health::Failing && enough).then_some(Health::Failing)
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each entry is whole, whatever became of the thread that changed it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mesh::plan::Probe;

    use super::*;

    #[test]
    fn thresholds_hold_both_ways() {
        let check = HealthCheck {
            probe: Probe::Tcp,
            port: None,
            interval: Duration::from_secs(1),
            jitter: Duration::ZERO,
            timeout: Duration::from_secs(1),
            unhealthy_threshold: 3,
            healthy_threshold: 2,
        };
        let (passed, failed, refused) =
            (Answer::Passed, Answer::Failed(String::new()), Answer::Refused(String::new()));
        let degraded = Answer::Degraded;
        for (answers, expected) in [
            (vec![&passed], Health::Passing),
            (vec![&failed], Health::Failing),
            (vec![&passed, &failed, &failed], Health::Passing),
            (vec![&passed, &failed, &failed, &passed, &failed, &failed], Health::Passing),
            (vec![&passed, &failed, &failed, &failed], Health::Failing),
            (vec![&passed, &refused], Health::Failing),
            (vec![&passed, &refused, &passed], Health::Failing),
            (vec![&passed, &refused, &passed, &failed, &passed], Health::Failing),
            (vec![&passed, &refused, &passed, &passed], Health::Passing),
            (vec![&degraded], Health::Degraded),
            (vec![&passed, &degraded, &passed, &degraded], Health::Degraded),
            (vec![&degraded, &passed], Health::Passing),
            (vec![&refused, &degraded], Health::Failing),
            (vec![&refused, &degraded, &degraded], Health::Degraded),
            (vec![&degraded, &failed, &failed, &failed], Health::Failing),
        ] {
            let (mut streak, mut health) = (Streak::default(), Health::Unknown);
            for answer in &answers {
                health = streak.judge(health, answer, &check).unwrap_or(health);
            }
            assert_eq!(health, expected, "{answers:?}");
        }
    }
}
