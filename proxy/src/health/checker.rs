//! The tasks that ask: one for each endpoint that some plan wants checked. All run on the first thread.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use mesh::Plan;
use tokio::task::JoinHandle;

use super::{Answer, CheckKey, Checked, Streak, ask};
use crate::fleet::Fleet;

/// Tasks by what they check.
#[derive(Default)]
pub(crate) struct Checkers(HashMap<CheckKey, JoinHandle<()>>);

impl Checkers {
    /// Checks what these plans want checked, and nothing else.
    pub(crate) fn follow<'p>(&mut self, plans: impl Iterator<Item = &'p Arc<Plan>>, fleet: &Fleet) {
        let mut wanted = HashSet::new();
        let mut seen = HashSet::new();
        for plan in plans {
            // Plans share their clusters.
            if !seen.insert(plan.clusters.as_ptr()) {
                continue;
            }
            for cluster in plan.clusters.iter() {
                if let Some(check) = &cluster.policy.health {
                    let endpoints = cluster.endpoints.iter();
                    wanted
                        .extend(endpoints.map(|endpoint| CheckKey::new(&cluster.key.host, endpoint, check)));
                }
            }
        }
        self.0.retain(|key, task| {
            let stays = wanted.contains(key);
            if !stays {
                task.abort();
            }
            stays
        });
        for key in wanted {
            self.0
                .entry(key)
                .or_insert_with_key(|key| tokio::task::spawn_local(check(fleet.checks.get(key))));
        }
        fleet.checks.retain(|key| self.0.contains_key(key));
    }
}

/// Asks for ever.
async fn check(checked: Arc<Checked>) {
    let check = checked.key.check.clone();
    let mut streak = Streak::default();
    loop {
        let asked = tokio::time::timeout(check.timeout, ask::ask(&checked.key)).await;
        let answer = asked.unwrap_or_else(|_| Answer::Failed("it did not answer in time".to_owned()));
        checked.take(&mut streak, &answer);
        // Endpoints that came together are not asked together for ever.
        let jitter = u64::try_from(check.jitter.as_millis()).unwrap_or(u64::MAX);
        tokio::time::sleep(check.interval + Duration::from_millis(fastrand::u64(0..=jitter))).await;
    }
}
