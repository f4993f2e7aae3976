//! The tasks that ask: one for each endpoint that some plan wants checked. All run on the first thread.

mod ask;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mesh::Plan;
use mesh::plan::distinct;
use tokio::task::JoinHandle;

use crate::tls::{Alpn, Store};
use crate::upstream::cluster_manager::ClusterManager;
use crate::upstream::health::{Answer, CheckKey, Checked, Streak};
use crate::upstream::pool::Security;

/// Tasks by what they check, each with how it speaks to the endpoint.
#[derive(Default)]
pub(crate) struct Checkers(HashMap<CheckKey, (Security, JoinHandle<()>)>);

impl Checkers {
    /// Checks what these plans want checked, and nothing else.
    pub(crate) fn follow<'p>(
        &mut self,
        plans: impl Iterator<Item = &'p Arc<Plan>>,
        cluster_manager: &ClusterManager,
        store: &Store,
    ) {
        let mut wanted = HashMap::new();
        for plan in distinct(plans.map(Arc::as_ref)) {
            for cluster in plan.clusters.iter() {
                let Some(check) = &cluster.policy.health else { continue };
                let slot = store.client(cluster, Alpn::of_check(&check.probe));
                let security = Security::of(slot.as_ref(), &cluster.key.host);
                for endpoint in &cluster.endpoints {
                    let key = CheckKey::new(cluster, endpoint, check);
                    wanted.entry(key).or_insert_with(|| security.clone());
                }
            }
        }
        self.0.retain(|key, (security, task)| {
            let stays = wanted.get(key) == Some(security);
            if !stays {
                task.abort();
            }
            stays
        });
        for (key, security) in wanted {
            self.0.entry(key).or_insert_with_key(|key| {
                let task = tokio::task::spawn_local(check(cluster_manager.checks.get(key), security.clone()));
                (security, task)
            });
        }
        cluster_manager.checks.retain(|key| self.0.contains_key(key));
    }
}

/// Asks for ever.
async fn check(checked: Arc<Checked>, security: Security) {
    let check = checked.key.check.clone();
    let mut streak = Streak::default();
    // Endpoints that came together are not asked together.
    let jitter = u64::try_from(check.jitter.as_millis()).unwrap_or(u64::MAX);
    let jitter = || Duration::from_millis(fastrand::u64(0..=jitter));
    tokio::time::sleep(jitter()).await;
    loop {
        let asked = tokio::time::timeout(check.timeout, ask::ask(&checked.key, &security)).await;
        let answer = asked.unwrap_or_else(|_| Answer::Failed("it did not answer in time".to_owned()));
        checked.take(&mut streak, &answer);
        tokio::time::sleep(check.interval + jitter()).await;
    }
}
