//! The task behind [`super::Control`]: takes one command after the other and does what was decided.

mod targets;

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::event::Delta;
use api::request::NewRevision;
use api::revision::Stage;
use api::state::{Proposal, TargetState};
use arc_swap::ArcSwap;
use mesh::limits::EDITS;
use mesh::{Edit, Settings};
use proxy::Notice;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::change::{Head, Prepared, Refusal, Wish};
use super::desk::{Ask, Decided, Desk, Waiting};
use super::timeline::Progress;
use super::{Command, Control, PATIENCE, QUEUE, answer};
use crate::clock::now_millis;
use crate::data_plane::{DataPlane, Entries};
use crate::envoy::Envoys;
use crate::events::Hub;
use crate::folder::Watched;
use crate::metrics::Metrics;
use crate::store::{Revision, Store};
use crate::telemetry::instances::Instances;
use crate::telemetry::splits::{self, Desired};
use crate::telemetry::troubles::Troubles;
use crate::work::Work;
use crate::world::{self, Plans, Ports};

/// Author of the program's own revisions.
pub const OWN: &str = "meshwright";

/// After how many milliseconds a fault that could not be taken out is tried again.
const EXPIRY_RETRY: i64 = 10_000;

/// What the loop works with.
#[derive(Debug)]
pub struct Parts {
    /// The revision log.
    pub store: Store,
    /// Where browsers look.
    pub hub: Arc<Hub>,
    /// The built-in proxy.
    pub plane: DataPlane,
    /// The Envoys, which may stand in its place.
    pub envoys: Envoys,
    /// Where traffic enters.
    pub entries: Arc<ArcSwap<Entries>>,
    /// What the proxy's threads tell at once.
    pub notices: mpsc::Receiver<Notice>,
    /// Which count them.
    pub metrics: Arc<Metrics>,
    /// Which health checks tell of.
    pub instances: Arc<Instances>,
    /// Tells telemetry what shares are desired since which revision.
    pub desired: mpsc::Sender<(u64, Vec<Desired>)>,
    /// Mesh settings.
    pub settings: Settings,
    /// Where the endpoints of the sample really listen.
    pub ports: Ports,
    /// What is known of the folder on disk, of a mesh that has one.
    pub folder: Option<Watched>,
    /// The newest revision.
    pub head: Head,
    /// What it is compiled into.
    pub plans: Plans,
}

/// The loop.
#[derive(Debug)]
pub struct Actor {
    parts: Parts,
    commands: mpsc::Receiver<Command>,
    head: watch::Sender<Arc<Head>>,
    desk: Desk,
    progress: Option<Progress>,
    /// Instances that are not used, and limits that are reached.
    troubles: Troubles,
    /// When faults of the newest revision expire, in seconds since 1970, and the edits that take them out.
    expiries: Vec<(i64, Edit)>,
    /// Expired faults are being taken out.
    expiring: bool,
    /// Until then, in milliseconds since 1970, no fault is taken out: it failed.
    patience: i64,
}

impl Actor {
    /// A loop that does not run yet, its handle, and where tasks of the program send what they find.
    pub(crate) fn new(parts: Parts) -> (Self, Control, mpsc::Sender<Command>) {
        let (sender, commands) = mpsc::channel(QUEUE);
        let (head, watched) = watch::channel(Arc::new(parts.head.clone()));
        let control = Control { commands: sender.clone(), head: watched.clone() };
        let desk = Desk {
            store: parts.store.clone(),
            settings: parts.settings.clone(),
            head: watched,
            work: Work::default(),
            commands: sender.clone(),
        };
        let troubles = Troubles::new(&parts.ports);
        let expiries = world::expiries(&parts.head.world.mesh);
        let (progress, expiring, patience) = (None, false, 0);
        let actor = Self { parts, commands, head, desk, progress, troubles, expiries, expiring, patience };
        (actor, control, sender)
    }

    /// The Envoys that it tells.
    pub(crate) fn for_envoys(&self) -> &Envoys {
        &self.parts.envoys
    }

    /// Applies the newest revision, then runs until it is told to stop.
    pub(crate) async fn start(&mut self) {
        let head = self.parts.head.clone();
        let plans = std::mem::take(&mut self.parts.plans);
        let mut progress = Progress::new(head.info.number, Instant::now(), now_millis());
        self.apply(&head, plans, &mut progress).await;
        self.progress = Some(progress);
        // What changed in the folder while the program was away.
        self.tell_proposal();
    }

    /// Runs until it is told to stop, then lets the proxy end.
    pub(crate) async fn run(mut self, stop: CancellationToken, grace: Duration) {
        loop {
            let expiry = self.next_expiry();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(notice) = self.parts.notices.recv() => self.notices(&notice),
                Some(command) = self.commands.recv() => self.command(command).await,
                () = self.parts.envoys.changed() => self.envoys(),
                () = at(expiry) => self.expire(),
            }
        }
        tokio::join!(self.parts.plane.shutdown(grace), self.parts.envoys.shutdown());
    }

    async fn command(&mut self, command: Command) {
        // Whoever asked may be gone; what was asked for is done all the same, so a failed send is no error.
        match command {
            Command::Edit(request, received, reply) => {
                self.desk.take(Ask::Edits(*request), received, Waiting::For(reply));
            }
            Command::Revert(number, request, received, reply) => {
                let ask = Ask::Revert { number, base: request.base, author: request.author };
                self.desk.take(ask, received, Waiting::For(reply));
            }
            Command::Accept(request, received, reply) => match self.proposal() {
                Some(proposal) => {
                    let wish = accepted(&proposal, request.base, request.author);
                    self.desk.take(Ask::Wish(wish), received, Waiting::Accept(proposal, reply));
                }
                None => drop(reply.send(Err(Refusal::NoProposal))),
            },
            #[cfg(test)]
            Command::Fault => panic!("a test's fault"),
            Command::Decided(decided) => self.decided(*decided).await,
            Command::Dismiss(reply) => {
                let known = self.proposal().is_some();
                self.settle_folder().await;
                drop(reply.send(if known { Ok(()) } else { Err(Refusal::NoProposal) }));
            }
            Command::Folder(found) => {
                if let Some(folder) = &mut self.parts.folder {
                    if folder.found(found, now_millis()) {
                        self.parts.hub.publish(Delta::Unread(folder.unread()));
                    }
                    self.tell_proposal();
                }
            }
            Command::FirstRequest { revision, at } => self.reach(revision, Stage::FirstRequest, at, None),
            Command::Converged { revision, n, at } => {
                self.reach(revision, Stage::Converged, at, Some(format!("n={n}")));
            }
        }
    }

    /// Does what was decided, unless the revision that it was decided on is no more the newest.
    async fn decided(&mut self, decided: Decided) {
        let Decided { result, on, received, at, waiting } = decided;
        let fresh = self.parts.head.expect(on);
        let soon = if received.0.elapsed() > PATIENCE { Err(Refusal::TooLong) } else { Ok(()) };
        let prepared = match result.and_then(|prepared| fresh.and(soon).map(|()| prepared)) {
            Ok(Some(prepared)) => prepared,
            Ok(None) => {
                let answer = answer(&self.parts.head.info, &self.parts.head.world);
                return self.tell(waiting, Ok(answer)).await;
            }
            Err(refusal) => return self.tell(waiting, Err(refusal)).await,
        };
        let mut progress = Progress::new(prepared.revision.info.number, received.0, received.1);
        progress.reach(Stage::Validated, at, None);
        if let Err(refusal) = self.store(&prepared.revision).await {
            tracing::error!(error = &refusal as &dyn std::error::Error, "revision not stored");
            return self.tell(waiting, Err(refusal)).await;
        }
        progress.reach(Stage::Stored, Instant::now(), None);
        let answer = answer(&prepared.revision.info, &prepared.world);
        let Prepared { revision, world, plans } = prepared;
        let before = std::mem::replace(&mut self.parts.head, Head { info: revision.info, world });
        // Before the answer: whoever has it may go on from this revision at once.
        self.head.send_replace(Arc::new(self.parts.head.clone()));
        self.tell(waiting, Ok(answer)).await;
        self.advance(&before, plans, progress).await;
    }

    /// Tells what became of a change. Whoever asked may be gone; what was asked for is done all the same, so a failed send is no
    /// error.
    async fn tell(&mut self, waiting: Waiting, result: Result<NewRevision, Refusal>) {
        match waiting {
            Waiting::For(reply) => drop(reply.send(result)),
            Waiting::Accept(proposal, reply) => {
                let taken = result.is_ok();
                drop(reply.send(result));
                // What has changed on disk since then was not taken.
                let same = self.parts.folder.as_ref().is_some_and(|folder| folder.proposes(&proposal));
                if taken && same {
                    self.settle_folder().await;
                }
            }
            Waiting::Expiry => {
                self.expiring = false;
                match result {
                    // Somebody was faster; what has expired is looked for again.
                    Ok(_) | Err(Refusal::Stale { .. }) => {}
                    Err(refusal) => {
                        tracing::error!(error = &refusal as &dyn std::error::Error, "an expired fault stays");
                        self.patience = now_millis().saturating_add(EXPIRY_RETRY);
                    }
                }
            }
        }
    }

    async fn store(&self, revision: &Revision) -> Result<(), Refusal> {
        let (store, revision) = (self.parts.store.clone(), revision.clone());
        let stored = tokio::task::spawn_blocking(move || store.append(&revision));
        Ok(stored.await.map_err(|_| Refusal::Down)??)
    }

    /// Tells of the revision that is now the newest: browsers first, since they show what is pending, then the proxy.
    async fn advance(&mut self, before: &Head, plans: Plans, mut progress: Progress) {
        let head = self.parts.head.clone();
        let files = mesh::diff::files(&before.world.sources, &head.world.sources);
        self.expiries = world::expiries(&head.world.mesh);
        tracing::info!(
            revision = head.info.number,
            author = head.info.author,
            summary = head.info.summary,
            "revision"
        );
        self.parts.hub.publish(Delta::Revision { info: head.info.clone(), files });
        self.apply(&head, plans, &mut progress).await;
        self.progress = Some(progress);
        self.tell_proposal();
    }

    /// Hands a revision's plans to the Envoys, and to the proxy unless they stand in its place.
    async fn apply(&mut self, head: &Head, plans: Plans, progress: &mut Progress) {
        let revision = head.info.number;
        let own = self.parts.envoys.fleet().is_some();
        if !own {
            self.tell_proxy(TargetState::Pending { revision });
        }
        let plans = world::moved(plans, &self.parts.ports);
        let desired = splits::desired(plans.values().map(AsRef::as_ref));
        let desired = splits::with_idle(desired, &head.world.mesh, &self.parts.settings.domain);
        // Telemetry knows the shares before the first request under them is counted.
        if self.parts.desired.send((revision, desired)).await.is_err() {
            tracing::warn!("telemetry has ended");
        }
        if !own {
            self.swap(revision, &plans, progress).await;
        }
        self.parts.instances.follow(plans.values().map(AsRef::as_ref));
        self.parts.metrics.follow(plans.values().map(AsRef::as_ref));
        if self.troubles.follow(&plans) {
            self.tell_troubles();
        }
        self.parts.envoys.set(revision, &plans).await;
        self.tell_envoys();
        self.parts.hub.publish(Delta::Timeline(progress.timeline()));
    }

    /// Takes what the proxy tells, and what else waits to be told, so that browsers are told once.
    fn notices(&mut self, first: &Notice) {
        let mut changed = self.notice(first);
        while let Ok(next) = self.parts.notices.try_recv() {
            changed |= self.notice(&next);
        }
        if changed {
            self.tell_troubles();
        }
    }

    fn tell_troubles(&self) {
        self.parts.hub.publish(Delta::Troubles(self.troubles.list().to_vec()));
    }

    /// True when it changes what instances and limits there is trouble with.
    fn notice(&mut self, notice: &Notice) -> bool {
        if let Notice::FirstRequest { revision, at } = notice {
            self.reach(*revision, Stage::FirstRequest, *at, None);
        }
        self.parts.metrics.notice(notice);
        self.parts.instances.notice(notice);
        self.troubles.take(notice, now_millis())
    }

    fn reach(&mut self, revision: u64, stage: Stage, at: Instant, note: Option<String>) {
        let Some(progress) = self.progress.as_mut().filter(|progress| progress.revision() == revision) else {
            return;
        };
        if progress.reach(stage, at, note) {
            self.parts.hub.publish(Delta::Timeline(progress.timeline()));
        }
    }

    fn proposal(&self) -> Option<Proposal> {
        self.parts.folder.as_ref()?.proposal(&self.parts.head.world.sources)
    }

    fn tell_proposal(&mut self) {
        let proposal = self.proposal();
        if let Some(folder) = &mut self.parts.folder
            && folder.tell(&proposal)
        {
            self.parts.hub.publish(Delta::Proposal(proposal));
        }
    }

    /// What the folder has now is known: it proposes nothing until it changes again.
    async fn settle_folder(&mut self) {
        let Some(folder) = &mut self.parts.folder else { return };
        let baseline = folder.settle();
        let store = self.parts.store.clone();
        let kept = tokio::task::spawn_blocking(move || store.set_folder(&baseline)).await;
        if !matches!(kept, Ok(Ok(()))) {
            tracing::warn!("what the folder proposed will be proposed again after a restart");
        }
        self.tell_proposal();
    }

    /// When the next fault expires, in milliseconds since 1970.
    fn next_expiry(&self) -> Option<i64> {
        let expiries = self.expiries.iter().filter(|_| !self.expiring);
        expiries.map(|(at, _)| at.saturating_mul(1000).max(self.patience)).min()
    }

    /// Takes expired faults out.
    fn expire(&mut self) {
        let now = now_millis();
        let expired = self.expiries.iter().filter(|(at, _)| at.saturating_mul(1000) <= now);
        // What is too much for once is left for the next time.
        let edits: Vec<_> = expired.map(|(_, edit)| edit.clone()).take(EDITS).collect();
        if edits.is_empty() {
            return;
        }
        let summary = Some("fault expired".to_owned());
        let wish = Wish { base: None, author: Some(OWN.to_owned()), edits, reverts: None, summary };
        self.expiring = true;
        self.desk.take(Ask::Wish(wish), Instant::now(), Waiting::Expiry);
    }
}

/// The wish for what the folder proposes.
fn accepted(proposal: &Proposal, base: u64, author: Option<String>) -> Wish {
    let summary = Some(format!("from the folder: {}", world::list_files(&proposal.files)));
    let edits = vec![Edit::SetFiles { files: proposal.files.clone() }];
    Wish { base: Some(base), author, edits, reverts: None, summary }
}

/// Waits until a time in milliseconds since 1970, at most an hour: the clock may be set.
async fn at(millis: Option<i64>) {
    let Some(millis) = millis else { return pending().await };
    let wait = u64::try_from(millis - now_millis()).unwrap_or(0).min(3_600_000);
    tokio::time::sleep(Duration::from_millis(wait)).await;
}
