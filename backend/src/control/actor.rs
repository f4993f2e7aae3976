//! The task behind [`super::Control`]: takes one command after the other and does what was decided.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::RevisionInfo;
use api::event::Delta;
use api::inventory::InventoryChange;
use api::request::NewRevision;
use api::revision::Stage;
use api::state::Proposal;
use cluster::flights::Flights;
use mesh::Edit;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::admission::{Admission, Ask, Decision, Outcome, Waiting};
use super::change::{ChangeRequest, Head, LONGEST, Prepared, Refusal};
use super::expiry::Expiries;
use super::handle::Control;
use super::inbox::{Command, QUEUE};
use super::outside;
use crate::analysis::{self, Analysis, Ports};
use crate::clock::now_millis;
use crate::events::Hub;
use crate::origins::cluster::Outside;
use crate::origins::{Baseline, Finding};
use crate::store::{Revision, Store};
use crate::targets::{self, Check, News, Offer, Target};
use crate::telemetry::Follower;
use crate::timeline::{Progress, StageReached};
use crate::work::Work;

/// What the loop works with.
#[derive(Debug)]
pub struct Parts {
    /// The revision log.
    pub store: Store,
    /// Where browsers look.
    pub hub: Arc<Hub>,
    /// What revisions are applied to.
    pub targets: Vec<Box<dyn Target>>,
    /// What is known of the mesh's origin, if it has one.
    pub origin: Option<Baseline>,
    /// What the origin has, whenever that changes.
    pub findings: mpsc::Receiver<Finding>,
    /// What a cluster has, whenever that changes.
    pub outside: mpsc::Receiver<Outside>,
    /// What the program itself is writing to it.
    pub flights: Flights,
    /// Who has to be asked before a revision is stored.
    pub check: Option<Arc<dyn Check>>,
    /// What follows the plans of the newest revision.
    pub telemetry: Follower,
    /// Stages that revisions reach.
    pub milestones: mpsc::Receiver<StageReached>,
    /// Where the endpoints of the sample really listen.
    pub ports: Ports,
    /// The newest revision.
    pub head: Head,
}

/// The loop.
#[derive(Debug)]
pub struct Actor {
    parts: Parts,
    commands: mpsc::Receiver<Command>,
    admission: Admission,
    decisions: mpsc::Receiver<Decision>,
    head: watch::Sender<Arc<Head>>,
    progress: Progress,
    expiries: Expiries,
    outside: outside::Waiting,
}

impl Actor {
    /// A loop that does not run yet, and its handle.
    pub(crate) fn new(parts: Parts) -> (Self, Control) {
        let (sender, commands) = mpsc::channel(QUEUE);
        let (decided, decisions) = mpsc::channel(QUEUE);
        let (head, watched) = watch::channel(Arc::new(parts.head.clone()));
        let control = Control::new(sender, watched.clone());
        let admission = Admission {
            store: parts.store.clone(),
            head: watched,
            work: Work::default(),
            check: parts.check.clone(),
            decisions: decided,
        };
        let progress = Progress::new(parts.head.info.number, Instant::now(), now_millis());
        let expiries = Expiries::new(&parts.head.analysis.mesh);
        let outside = outside::Waiting::default();
        (Self { parts, commands, admission, decisions, head, progress, expiries, outside }, control)
    }

    /// Applies the newest revision.
    pub(crate) async fn start(&mut self) {
        self.apply(false).await;
        // What changed in the origin while the program was away.
        self.tell_proposal();
    }

    /// Runs until it is told to stop, then lets the targets end.
    pub(crate) async fn run(mut self, stop: CancellationToken, grace: Duration) {
        loop {
            let expiry = self.expiries.next();
            let rest = self.outside.rests_until();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(reached) = self.parts.milestones.recv() => self.reach(reached),
                Some(decision) = self.decisions.recv() => self.decided(decision).await,
                Some(command) = self.commands.recv() => self.command(command).await,
                Some(finding) = self.parts.findings.recv() => self.found(finding),
                Some(Outside { objects, inventory }) = self.parts.outside.recv() => {
                    self.outside.add(objects, inventory);
                    self.look_outside();
                }
                at = targets::changed(&mut self.parts.targets) => self.changed(at),
                () = at(expiry) => self.expire(),
                () = sleep_until(rest.unwrap_or_else(Instant::now).into()), if rest.is_some() => {
                    self.outside.wake();
                    self.look_outside();
                }
            }
        }
        targets::shutdown(self.parts.targets, grace).await;
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Edit(request, received, reply) => {
                self.admission.review(Ask::Edits(*request), received, Waiting::For(reply));
            }
            Command::Revert(number, request, received, reply) => {
                let ask = Ask::Revert { number, base: request.base, author: request.author };
                self.admission.review(ask, received, Waiting::For(reply));
            }
            Command::Accept(request, received, reply) => match self.proposal() {
                Some((origin, proposal)) => {
                    let change = accepted(origin, &proposal, request.base, request.author);
                    self.admission.review(Ask::Change(change), received, Waiting::Accept(proposal, reply));
                }
                None => drop(reply.send(Err(Refusal::NoProposal))),
            },
            Command::Dismiss(reply) => {
                let known = self.proposal().is_some();
                self.settle().await;
                drop(reply.send(if known { Ok(()) } else { Err(Refusal::NoProposal) }));
            }
            #[cfg(test)]
            Command::Fault => panic!("a test's fault"),
        }
    }

    /// Does what was decided, unless the revision that it was decided on is no more the newest.
    #[tracing::instrument(name = "revision", skip_all, fields(base = decision.on, number))]
    async fn decided(&mut self, decision: Decision) {
        let Decision { result, on, received, at, waiting } = decision;
        let fresh = self.parts.head.expect(on);
        let soon = if received.0.elapsed() > LONGEST { Err(Refusal::TooLong) } else { Ok(()) };
        let settled = match &waiting {
            Waiting::Outside(objects) => outside::settled(objects, &self.parts.flights),
            _ => true,
        };
        let fresh = if settled { fresh } else { Err(Refusal::Stale { base: on, head: on }) };
        let prepared = match result.and_then(|outcome| fresh.and(soon).map(|()| outcome)) {
            Ok(Outcome::Revision(prepared)) => *prepared,
            Ok(Outcome::Nothing) => {
                let answer = answer(&self.parts.head.info, &self.parts.head.analysis);
                return self.tell(waiting, Ok(answer)).await;
            }
            Ok(Outcome::Observed(head)) => {
                self.observe(head).await;
                let answer = answer(&self.parts.head.info, &self.parts.head.analysis);
                return self.tell(waiting, Ok(answer)).await;
            }
            Err(refusal) => return self.tell(waiting, Err(refusal)).await,
        };
        let revision = prepared.revision.info.number;
        tracing::Span::current().record("number", revision);
        let mut progress = Progress::new(revision, received.0, received.1);
        progress.reach(Stage::Validated, at, None);
        if let Err(refusal) = append(&self.parts.store, &prepared.revision).await {
            return self.tell(waiting, Err(refusal)).await;
        }
        progress.reach(Stage::Stored, Instant::now(), None);
        self.progress = progress;
        let answer = answer(&prepared.revision.info, &prepared.analysis);
        let Prepared { revision, analysis, plans } = prepared;
        let before = std::mem::replace(&mut self.parts.head, Head { info: revision.info, analysis, plans });
        // Before the answer: whoever has it may go on from this revision at once.
        self.head.send_replace(Arc::new(self.parts.head.clone()));
        self.tell(waiting, Ok(answer)).await;
        self.advance(&before).await;
    }

    /// Tells what became of a change.
    async fn tell(&mut self, waiting: Waiting, result: Result<NewRevision, Refusal>) {
        match waiting {
            Waiting::For(reply) => drop(reply.send(result)),
            Waiting::Accept(proposal, reply) => {
                let taken = result.is_ok();
                drop(reply.send(result));
                // What has changed there since then was not taken.
                let same = self.parts.origin.as_ref().is_some_and(|origin| origin.proposes(&proposal));
                if taken && same {
                    self.settle().await;
                }
            }
            Waiting::Expiry => {
                // Where somebody was faster, what has expired is looked for again.
                let failed = result.err().filter(|refusal| !matches!(refusal, Refusal::Stale { .. }));
                if let Some(refusal) = &failed {
                    tracing::error!(
                        error = refusal as &dyn std::error::Error,
                        "an expired fault could not be removed"
                    );
                }
                self.expiries.done(failed.is_some(), now_millis());
            }
            Waiting::Outside(objects) => {
                self.outside.looked_at(&objects, &result);
                self.look_outside();
            }
            Waiting::Observed(inventory) => {
                self.outside.observed(&inventory, &result);
                self.look_outside();
            }
        }
    }

    /// Tells of the revision that is now the newest: browsers first, since they show what is pending, then the targets.
    async fn advance(&mut self, before: &Head) {
        let head = self.parts.head.clone();
        let files = mesh::diff::files(&before.analysis.sources, &head.analysis.sources);
        self.expiries.set(&head.analysis.mesh);
        let RevisionInfo { author, summary, .. } = &head.info;
        tracing::info!(author, summary, "a new revision");
        self.parts.hub.publish(Delta::Revision { info: head.info, files });
        self.apply(false).await;
        self.tell_proposal();
        // Who made it knew of what ran then.
        if !Arc::ptr_eq(before.analysis.inventory(), head.analysis.inventory()) {
            self.outside.add(outside::Objects::new(), Some(Arc::clone(before.analysis.inventory())));
            self.look_outside();
        }
    }

    /// Looks at what the cluster has, unless that is being done.
    fn look_outside(&mut self) {
        self.outside.leave_unsettled(&self.parts.flights);
        if let Some(objects) = self.outside.objects() {
            let ask = Ask::Outside(objects.clone());
            self.admission.review(ask, Instant::now(), Waiting::Outside(objects));
        }
        if let Some(inventory) = self.outside.inventory() {
            let ask = Ask::Observed(Arc::clone(&inventory));
            self.admission.review(ask, Instant::now(), Waiting::Observed(inventory));
        }
    }

    /// The newest revision runs beside something else.
    async fn observe(&mut self, head: Head) {
        let before = std::mem::replace(&mut self.parts.head, head);
        let analysis = &self.parts.head.analysis;
        let change = InventoryChange::between(before.analysis.inventory(), analysis.inventory());
        self.head.send_replace(Arc::new(self.parts.head.clone()));
        self.parts.hub.publish(Delta::Inventory(Box::new(change)));
        self.apply(true).await;
    }

    /// Hands the newest revision's plans to the targets; `again` where they had it with other endpoints.
    async fn apply(&mut self, again: bool) {
        let offer = Arc::new(Offer {
            revision: self.parts.head.info.number,
            received: self.progress.received(),
            analysis: Arc::clone(&self.parts.head.analysis),
            plans: analysis::moved(&self.parts.head.plans, &self.parts.ports),
            again,
        });
        self.parts.telemetry.expect(&offer).await;
        for at in 0..self.parts.targets.len() {
            self.parts.targets[at].offer(&offer);
            self.take_news(at);
            self.parts.targets[at].apply().await;
            self.take_news(at);
        }
        self.parts.telemetry.follow(&offer).await;
        self.tell_timeline();
    }

    /// A target runs something else than before.
    fn changed(&mut self, at: usize) {
        if self.take_news(at) {
            self.tell_timeline();
        }
    }

    /// Tells what is new of a target; true where that is on the timeline.
    fn take_news(&mut self, at: usize) -> bool {
        let News { status, listeners, swapped } = self.parts.targets[at].news(now_millis());
        let deltas = status.map(Delta::Target).into_iter().chain(listeners.map(Delta::Listeners));
        deltas.for_each(|delta| self.parts.hub.publish(delta));
        swapped.is_some_and(|(revision, at)| {
            revision == self.progress.revision() && self.progress.reach(Stage::Swapped, at, None)
        })
    }

    fn reach(&mut self, reached: StageReached) {
        let StageReached { revision, stage, at, note } = reached;
        if revision == self.progress.revision() && self.progress.reach(stage, at, note) {
            self.tell_timeline();
        }
    }

    fn tell_timeline(&self) {
        self.parts.hub.publish(Delta::Timeline(self.progress.timeline()));
    }

    /// The origin has something else than before.
    #[tracing::instrument(skip_all, fields(origin = self.parts.origin.as_ref().map(|origin| origin.name)))]
    fn found(&mut self, finding: Finding) {
        let Some(origin) = &mut self.parts.origin else { return };
        if origin.found(finding, now_millis()) {
            self.parts.hub.publish(Delta::Unread(origin.unread()));
        }
        self.tell_proposal();
    }

    /// What the origin proposes, and what it is called.
    fn proposal(&self) -> Option<(&'static str, Proposal)> {
        let origin = self.parts.origin.as_ref()?;
        Some((origin.name, origin.proposal(&self.parts.head.analysis.sources)?))
    }

    fn tell_proposal(&mut self) {
        let proposal = self.proposal().map(|(_, proposal)| proposal);
        if let Some(origin) = &mut self.parts.origin
            && origin.tell(&proposal)
        {
            self.parts.hub.publish(Delta::Proposal(proposal));
        }
    }

    /// What the origin has now is taken or dismissed: it proposes nothing until it changes again.
    async fn settle(&mut self) {
        let Some(origin) = &mut self.parts.origin else { return };
        let baseline = origin.settle();
        let store = self.parts.store.clone();
        let kept = tokio::task::spawn_blocking(move || store.set_baseline(&baseline)).await;
        if !matches!(kept, Ok(Ok(()))) {
            tracing::warn!(origin = origin.name, "what it proposed will be proposed again after a restart");
        }
        self.tell_proposal();
    }

    /// Takes expired faults out.
    fn expire(&mut self) {
        let now = now_millis();
        if self.expiries.begin(now) {
            self.admission.review(Ask::Expired(now), Instant::now(), Waiting::Expiry);
        }
    }
}

/// Puts a revision into the log.
async fn append(store: &Store, revision: &Revision) -> Result<(), Refusal> {
    let (store, revision) = (store.clone(), revision.clone());
    let stored = tokio::task::spawn_blocking(move || store.append(&revision));
    Ok(stored.await.map_err(|_| Refusal::Down)??)
}

/// The answer for a revision.
fn answer(info: &RevisionInfo, analysis: &Analysis) -> NewRevision {
    NewRevision { revision: info.clone(), diagnostics: analysis.diagnostics.clone() }
}

/// The change that an origin proposes.
fn accepted(origin: &str, proposal: &Proposal, base: u64, author: Option<String>) -> ChangeRequest {
    let summary = Some(format!("from {origin}: {}", analysis::list_files(&proposal.files)));
    let edits = vec![Edit::SetFiles { files: proposal.files.clone() }];
    ChangeRequest { base, author, edits, reverts: None, summary, is_fact: false }
}

/// Waits until a time in milliseconds since 1970, at most an hour: the clock may be set.
async fn at(millis: Option<i64>) {
    let Some(millis) = millis else { return pending().await };
    let wait = u64::try_from(millis - now_millis()).unwrap_or(0).min(3_600_000);
    tokio::time::sleep(Duration::from_millis(wait)).await;
}
