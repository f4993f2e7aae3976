//! The task that writes revisions to the cluster, one after the other. What could not be written whole is taken back, and then the
//! newest revision is made what the cluster has.

use std::time::{Duration, Instant};

use api::revision::Stage;
use api::state::TargetState;
use cluster::write::{Refused, Why};
use cluster::{Change, Object, Stages};
use mesh::ResourceKey;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::changes::{combine, inverse};
use super::claims::Claims;
use super::{Job, Parts};
use crate::clock::now_millis;
use crate::timeline::StageReached;

/// For how long sidecars may take to have new routes, before what the old ones named goes.
const SETTLE: Duration = Duration::from_secs(2);
/// Until a cluster that does not answer is asked again, where its watch says nothing sooner.
const AGAIN: Duration = Duration::from_secs(1);
/// For how long the watch may take to tell what was written, until it counts as unreachable.
const ECHO: Duration = Duration::from_secs(10);

/// Writes what comes, until nobody sends any more.
pub(super) async fn run(mut parts: Parts, mut jobs: mpsc::Receiver<Job>, tell: watch::Sender<TargetState>) {
    let mut claims = Claims::read(parts.store.clone()).await;
    loop {
        let first = tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => job,
                None => return,
            },
            () = parts.mirror.changed() => {
                // Owners may have brought the same values themselves.
                claims.settle(&parts).await;
                continue;
            }
        };
        let (mut offer, mut all) = (first.offer, vec![first.changes]);
        while let Ok(next) = jobs.try_recv() {
            offer = next.offer;
            all.push(next.changes);
        }
        let keys: Vec<ResourceKey> = all.iter().flatten().map(|it| it.key.clone()).collect();
        let changes = combine(all.into_iter().flatten());
        let revision = offer.revision;
        if !changes.is_empty() {
            tell.send_replace(TargetState::Pending { revision });
        }
        let mut unreachable = |since: i64, why: &str| {
            tracing::warn!(why, "the cluster cannot be written to");
            tell.send_replace(TargetState::Unreachable { since });
        };
        match write(&mut parts, &mut claims, revision, &changes, &mut unreachable).await {
            Ok(written) => {
                reached(&parts, revision, Stage::Patched, !changes.is_empty());
                echo(&mut parts, &written, &mut unreachable).await;
                reached(&parts, revision, Stage::Watched, true);
                claims.settle(&parts).await;
                parts.flights.end(&keys, false);
                let millis = offer.millis(Instant::now());
                tell.send_replace(TargetState::Applied { revision, at: now_millis(), millis });
                let store = parts.store.clone();
                let kept = tokio::task::spawn_blocking(move || store.set_applied(revision)).await;
                if !matches!(kept, Ok(Ok(()))) {
                    tracing::warn!(revision, "it is not kept that the cluster has this revision");
                }
            }
            Err(refused) => {
                tracing::warn!(revision, %refused, "the cluster refused a revision");
                tell.send_replace(TargetState::Rejected { revision, why: refused.to_string() });
                // What the cluster has becomes the newest revision.
                parts.flights.end(&keys, true);
            }
        }
    }
}

/// Makes changes in their order; what they left, by object. Where one is refused, those before it are taken back.
async fn write(
    parts: &mut Parts,
    claims: &mut Claims,
    revision: u64,
    changes: &[Change],
    unreachable: &mut impl FnMut(i64, &str),
) -> Result<Vec<Object>, Refused> {
    let Stages { first, last } = Stages::of(changes);
    let mut done: Vec<Change> = Vec::new();
    let mut written = Vec::new();
    let pause = !first.is_empty() && !last.is_empty();
    for (at, change) in first.iter().chain(&last).enumerate() {
        if pause && at == first.len() {
            tracing::debug!(revision, "waiting for sidecars to have the new routes");
            sleep(SETTLE).await;
        }
        let known = parts.mirror.view().and_then(|view| view.objects.get(&change.key).cloned());
        if let Some(known) = known {
            claims.add(&known).await;
        }
        match persist(parts, change, unreachable).await {
            Ok(object) => written.extend(object),
            Err(refused) => {
                take_back(parts, done, unreachable).await;
                return Err(refused);
            }
        }
        done.push(change.clone());
    }
    Ok(written)
}

async fn take_back(parts: &mut Parts, done: Vec<Change>, unreachable: &mut impl FnMut(i64, &str)) {
    for change in done.iter().rev() {
        if let Err(refused) = persist(parts, &inverse(change), unreachable).await {
            tracing::error!(%refused, "a part of a refused revision could not be taken back");
        }
    }
}

/// Makes one change, however long the cluster does not answer.
async fn persist(
    parts: &mut Parts,
    change: &Change,
    unreachable: &mut impl FnMut(i64, &str),
) -> Result<Option<Object>, Refused> {
    let mut since = None;
    loop {
        let view = parts.mirror.view().unwrap_or_default();
        let known = view.objects.get(&change.key).map(AsRef::as_ref);
        match parts.writer.write(change, known).await {
            Err(Refused { why: why @ Why::Unreachable(_), .. }) => {
                let now = *since.get_or_insert_with(now_millis);
                unreachable(now, &why.to_string());
                drop(timeout(AGAIN, parts.mirror.changed()).await);
            }
            Ok(object) => {
                if let Some(object) = &object {
                    parts.flights.wrote(object);
                }
                return Ok(object);
            }
            refused => return refused,
        }
    }
}

/// Waits until the cluster's own watch has told what was written.
async fn echo(parts: &mut Parts, written: &[Object], unreachable: &mut impl FnMut(i64, &str)) {
    let begun = now_millis();
    loop {
        let view = parts.mirror.view().unwrap_or_default();
        // Flights know what was written, and that what is older is not it.
        let seen =
            |object: &Object| view.objects.get(&object.key).is_some_and(|it| parts.flights.is_current(it));
        if written.iter().all(seen) {
            return;
        }
        if timeout(ECHO, parts.mirror.changed()).await.is_err() {
            unreachable(begun, "what was written is not told by the watch");
        }
    }
}

fn reached(parts: &Parts, revision: u64, stage: Stage, wrote: bool) {
    if wrote {
        let at = Instant::now();
        drop(parts.milestones.try_send(StageReached { revision, stage, at, note: None }));
    }
}
