//! The task behind [`super::Control`]: takes one command after the other and does what was decided.

mod targets;

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::event::Delta;
use api::request::{NewRevision, PostRevision};
use api::revision::Stage;
use api::state::{Proposal, TargetState};
use arc_swap::ArcSwap;
use mesh::{Edit, Settings};
use proxy::Notice;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::change::{self, Head, Prepared, Refusal, Wish};
use super::timeline::Progress;
use super::{Command, Control, QUEUE, answer, revert};
use crate::clock::now_millis;
use crate::data_plane::{DataPlane, Entries};
use crate::envoy::Envoys;
use crate::events::Hub;
use crate::folder::Watched;
use crate::metrics::Metrics;
use crate::store::{Revision, Store};
use crate::telemetry::splits::{self, Desired};
use crate::telemetry::troubles::Troubles;
use crate::world::{self, Ports};

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
}

/// The loop.
#[derive(Debug)]
pub struct Actor {
    parts: Parts,
    commands: mpsc::Receiver<Command>,
    head: watch::Sender<Arc<Head>>,
    progress: Option<Progress>,
    /// Instances that are not used, and limits that are reached.
    troubles: Troubles,
    /// Until then, in milliseconds since 1970, no fault is taken out: it failed.
    patience: i64,
}

impl Actor {
    /// A loop that does not run yet, its handle, and where tasks of the program send what they find.
    pub(crate) fn new(parts: Parts) -> (Self, Control, mpsc::Sender<Command>) {
        let (sender, commands) = mpsc::channel(QUEUE);
        let (head, watched) = watch::channel(Arc::new(parts.head.clone()));
        let control = Control { commands: sender.clone(), head: watched };
        let troubles = Troubles::new(&parts.ports);
        (Self { parts, commands, head, progress: None, troubles, patience: 0 }, control, sender)
    }

    /// The Envoys that it tells.
    pub(crate) fn for_envoys(&self) -> &Envoys {
        &self.parts.envoys
    }

    /// Applies the newest revision, then runs until it is told to stop.
    pub(crate) async fn start(&mut self) {
        let head = self.parts.head.clone();
        let mut progress = Progress::new(head.info.number, Instant::now(), now_millis());
        self.apply(&head, &mut progress).await;
        self.progress = Some(progress);
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
                () = at(expiry) => self.expire().await,
            }
        }
        tokio::join!(self.parts.plane.shutdown(grace), self.parts.envoys.shutdown());
    }

    async fn command(&mut self, command: Command) {
        // Whoever asked may be gone; what was asked for is done all the same, so a failed send is no error.
        match command {
            Command::Edit(request, received, reply) => {
                let wish = self.edits(*request);
                self.wish(wish, received, |result| drop(reply.send(result))).await;
            }
            Command::Revert(number, request, received, reply) => {
                let wish = self.revert(number, request.base, request.author).await;
                self.wish(wish, received, |result| drop(reply.send(result))).await;
            }
            Command::Accept(request, received, reply) => {
                let wish = self.accept(request.base, request.author);
                let mut accepted = false;
                self.wish(wish, received, |result| {
                    accepted = result.is_ok();
                    drop(reply.send(result));
                })
                .await;
                if accepted {
                    self.settle_folder().await;
                }
            }
            Command::Dismiss(reply) => {
                let known = self.proposal().is_some();
                self.settle_folder().await;
                drop(reply.send(if known { Ok(()) } else { Err(Refusal::NoProposal) }));
            }
            Command::Folder(found) => {
                if let Some(folder) = &mut self.parts.folder {
                    folder.found(found, now_millis());
                    self.tell_proposal();
                }
            }
            Command::FirstRequest { revision, at } => self.reach(revision, Stage::FirstRequest, at, None),
            Command::Converged { revision, n, at } => {
                self.reach(revision, Stage::Converged, at, Some(format!("n={n}")));
            }
        }
    }

    /// Edits of a request, whole resources among them.
    fn edits(&self, request: PostRevision) -> Result<Wish, Refusal> {
        let mut edits = request.edits;
        if let Some(resources) = &request.resources {
            edits.extend(world::replace_resources(&self.parts.head.world.mesh, resources)?);
        }
        Ok(Wish { base: Some(request.base), author: request.author, edits, reverts: None, summary: None })
    }

    async fn revert(&self, number: u64, base: u64, author: Option<String>) -> Result<Wish, Refusal> {
        let revision = self.stored(number).await?;
        let before = self.stored(number.saturating_sub(1)).await.map(|before| before.sources);
        let before = before.unwrap_or_default();
        let edits = revert::revert(&revision, &before, &self.parts.head.world.sources)?;
        let summary = Some(format!("takes back {number}: {}", revision.info.summary));
        Ok(Wish { base: Some(base), author, edits, reverts: Some(number), summary })
    }

    fn accept(&self, base: u64, author: Option<String>) -> Result<Wish, Refusal> {
        let proposal = self.proposal().ok_or(Refusal::NoProposal)?;
        let summary = Some(format!("from the folder: {}", world::list_files(&proposal.files)));
        let edits = vec![Edit::SetFiles { files: proposal.files }];
        Ok(Wish { base: Some(base), author, edits, reverts: None, summary })
    }

    async fn stored(&self, number: u64) -> Result<Revision, Refusal> {
        let store = self.parts.store.clone();
        let read = tokio::task::spawn_blocking(move || store.get(number)).await.map_err(|_| Refusal::Down)?;
        read?.ok_or(Refusal::NoRevision(number))
    }

    /// Grants a wish or refuses it. The reply is sent as soon as the revision is on disk.
    async fn wish(
        &mut self,
        wish: Result<Wish, Refusal>,
        received: Instant,
        reply: impl FnOnce(Result<NewRevision, Refusal>),
    ) {
        let received_at = now_millis();
        let prepared =
            wish.and_then(|wish| change::prepare(&self.parts.head, &self.parts.settings, wish, received_at));
        let prepared = match prepared {
            Ok(Some(prepared)) => prepared,
            Ok(None) => {
                let head = &self.parts.head;
                return reply(Ok(answer(&head.info, &head.world)));
            }
            Err(refusal) => return reply(Err(refusal)),
        };
        let mut progress = Progress::new(prepared.revision.info.number, received, received_at);
        progress.reach(Stage::Validated, Instant::now(), None);
        if let Err(refusal) = self.store(&prepared.revision).await {
            tracing::error!(error = &refusal as &dyn std::error::Error, "revision not stored");
            return reply(Err(refusal));
        }
        progress.reach(Stage::Stored, Instant::now(), None);
        reply(Ok(answer(&prepared.revision.info, &prepared.world)));
        self.advance(prepared, progress).await;
    }

    async fn store(&self, revision: &Revision) -> Result<(), Refusal> {
        let (store, revision) = (self.parts.store.clone(), revision.clone());
        let stored = tokio::task::spawn_blocking(move || store.append(&revision));
        Ok(stored.await.map_err(|_| Refusal::Down)??)
    }

    /// Makes a stored revision the newest: browsers first, since they show what is pending, then the proxy.
    async fn advance(&mut self, prepared: Prepared, mut progress: Progress) {
        let Prepared { revision, world } = prepared;
        let files = world::differences(&self.parts.head.world.sources, &world.sources);
        let head = Head { info: revision.info, world };
        tracing::info!(
            revision = head.info.number,
            author = head.info.author,
            summary = head.info.summary,
            "revision"
        );
        self.parts.head = head.clone();
        self.head.send_replace(Arc::new(head.clone()));
        self.parts.hub.publish(Delta::Revision { info: head.info.clone(), files });
        self.apply(&head, &mut progress).await;
        self.progress = Some(progress);
        self.tell_proposal();
    }

    /// Compiles a revision and hands it to the Envoys, and to the proxy unless they stand in its place.
    async fn apply(&mut self, head: &Head, progress: &mut Progress) {
        let revision = head.info.number;
        let own = self.parts.envoys.fleet().is_some();
        if !own {
            self.tell_proxy(TargetState::Pending { revision });
        }
        let plans = world::compile(&head.world, &self.parts.settings, revision, &self.parts.ports);
        let desired = splits::desired(plans.values().map(AsRef::as_ref));
        let desired = splits::with_idle(desired, &head.world.mesh, &self.parts.settings.domain);
        // Telemetry knows the shares before the first request under them is counted.
        if self.parts.desired.send((revision, desired)).await.is_err() {
            tracing::warn!("telemetry has ended");
        }
        if !own {
            self.swap(revision, &plans, progress).await;
        }
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
        let expiries = world::expiries(&self.parts.head.world.mesh);
        expiries.into_iter().map(|(at, _)| at.saturating_mul(1000).max(self.patience)).min()
    }

    /// Takes expired faults out.
    async fn expire(&mut self) {
        let now = now_millis();
        let expiries = world::expiries(&self.parts.head.world.mesh);
        let edits: Vec<_> = expiries
            .into_iter()
            .filter(|(at, _)| at.saturating_mul(1000) <= now)
            .map(|(_, edit)| edit)
            .collect();
        let wish = Wish {
            base: None,
            author: Some(OWN.to_owned()),
            edits,
            reverts: None,
            summary: Some("fault expired".to_owned()),
        };
        let mut failed = None;
        self.wish(Ok(wish), Instant::now(), |result| failed = result.err()).await;
        if let Some(refusal) = failed {
            tracing::error!(error = &refusal as &dyn std::error::Error, "an expired fault stays");
            self.patience = now.saturating_add(EXPIRY_RETRY);
        }
    }
}

/// Waits until a time in milliseconds since 1970, at most an hour: the clock may be set.
async fn at(millis: Option<i64>) {
    let Some(millis) = millis else { return pending().await };
    let wait = u64::try_from(millis - now_millis()).unwrap_or(0).min(3_600_000);
    tokio::time::sleep(Duration::from_millis(wait)).await;
}
