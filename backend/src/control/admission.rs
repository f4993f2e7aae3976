//! Where it is decided what becomes of a change: on a thread of its own, with a copy of the newest revision. The loop goes on
//! meanwhile, and takes what was decided only if the revision that it was decided on is still the newest.

use std::sync::Arc;
use std::time::Instant;

use api::request::{NewRevision, PostRevision};
use api::state::Proposal;
use mesh::Inventory;
use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use super::change::{self, ChangeRequest, Head, Prepared, Refusal};
use super::expiry;
use super::inbox::Answer;
use super::outside::{self, Objects};
use crate::analysis;
use crate::clock::now_millis;
use crate::store::{Revision, Store};
use crate::targets::Check;
use crate::work::Work;

/// What is asked for, before it is known what edits that takes.
#[derive(Debug)]
pub(super) enum Ask {
    /// Edits, whole resources among them.
    Edits(PostRevision),
    /// A revision taken back.
    Revert {
        /// Which.
        number: u64,
        /// The head as whoever asks knows it.
        base: u64,
        /// Who asks.
        author: Option<String>,
    },
    /// Edits that are known.
    Change(ChangeRequest),
    /// Faults taken out that have expired by now, in milliseconds since 1970.
    Expired(i64),
    /// What a cluster has of these objects.
    Outside(Objects),
    /// What runs.
    Observed(Arc<Inventory>),
}

/// Who waits for what becomes of it.
#[derive(Debug)]
pub(super) enum Waiting {
    /// Who asked.
    For(Answer<NewRevision>),
    /// Who took the origin's proposal.
    Accept(Proposal, Answer<NewRevision>),
    /// The loop itself: faults expired.
    Expiry,
    /// The loop itself: the cluster has these.
    Outside(Objects),
    /// The loop itself: this runs.
    Observed(Arc<Inventory>),
}

/// What comes of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing is to be changed.
    Nothing,
    /// A revision.
    Revision(Box<Prepared>),
    /// The newest revision, beside what runs now.
    Observed(Head),
}

/// What was decided.
#[derive(Debug)]
pub(super) struct Decision {
    /// What comes of it, or why it is refused.
    pub(super) result: Result<Outcome, Refusal>,
    /// The revision that it was decided on.
    pub(super) on: u64,
    /// When it was asked for, and the same in milliseconds since 1970.
    pub(super) received: (Instant, i64),
    /// When it was decided.
    pub(super) at: Instant,
    /// Who waits for it.
    pub(super) waiting: Waiting,
}

/// What it takes to decide.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    pub(super) store: Store,
    pub(super) head: watch::Receiver<Arc<Head>>,
    pub(super) work: Work,
    /// Who has to be asked whether he would take it.
    pub(super) check: Option<Arc<dyn Check>>,
    /// Where decisions go.
    pub(super) decisions: mpsc::Sender<Decision>,
}

impl Admission {
    /// Decides, and tells the loop.
    pub(super) fn review(&self, ask: Ask, received: Instant, waiting: Waiting) {
        let admission = self.clone();
        let span = tracing::info_span!("review", ask = ask.name(), base = ask.base());
        let review = async move {
            let received = (received, now_millis());
            let (on, result) = admission.decide(ask, received.1).await;
            if let Err(refusal) = &result {
                tracing::debug!(on, %refusal, "refused");
            }
            let decision = Decision { result, on, received, at: Instant::now(), waiting };
            // Without a loop, whoever waits hears that it is gone.
            drop(admission.decisions.send(decision).await);
        };
        tokio::spawn(review.instrument(span));
    }

    async fn decide(&self, ask: Ask, at: i64) -> (u64, Result<Outcome, Refusal>) {
        let admission = self.clone();
        let done = self.work.run(move || {
            let head = Arc::clone(&admission.head.borrow());
            if let Ask::Observed(inventory) = ask {
                let observed = change::observe(&head, inventory).map(Outcome::Observed);
                return (head, observed, true);
            }
            let request = ask.request(&head, &admission.store);
            let is_fact = request.as_ref().is_ok_and(|it| it.is_fact);
            let prepared = request.and_then(|it| change::prepare(&head, it, at));
            let outcome =
                prepared.map(|it| it.map_or(Outcome::Nothing, |it| Outcome::Revision(Box::new(it))));
            (head, outcome, is_fact)
        });
        let (head, result, is_fact) = match done.await {
            Ok(decided) => decided,
            Err(error) => return (self.head.borrow().info.number, Err(error.into())),
        };
        let number = head.info.number;
        if let (Some(check), Ok(Outcome::Revision(prepared)), false) = (&self.check, &result, is_fact)
            && let Err(unchecked) = check.check(&head.analysis.mesh, &prepared.analysis.mesh).await
        {
            return (number, Err(unchecked.into()));
        }
        (number, result)
    }
}

impl Ask {
    fn name(&self) -> &'static str {
        match self {
            Self::Edits(_) => "edits",
            Self::Revert { .. } => "revert",
            Self::Change(_) => "change",
            Self::Expired(_) => "expiry",
            Self::Outside(_) => "outside",
            Self::Observed(_) => "inventory",
        }
    }

    /// The revision that whoever asks takes for the newest, if that is said.
    fn base(&self) -> Option<u64> {
        match self {
            Self::Edits(request) => Some(request.base),
            Self::Revert { base, .. } => Some(*base),
            Self::Change(request) => Some(request.base),
            Self::Expired(_) | Self::Outside(_) | Self::Observed(_) => None,
        }
    }

    fn request(self, head: &Head, store: &Store) -> Result<ChangeRequest, Refusal> {
        match self {
            Self::Change(request) => Ok(request),
            Self::Expired(now) => Ok(expiry::removal(head, now)),
            Self::Outside(objects) => Ok(outside::change(head, &objects)),
            // That is no change of the text.
            Self::Observed(_) => Ok(outside::change(head, &Objects::new())),
            Self::Edits(request) => {
                head.expect(request.base)?;
                let mut edits = request.edits;
                if let Some(resources) = &request.resources {
                    edits.extend(analysis::replace_resources(&head.analysis.mesh, resources)?);
                }
                let base = request.base;
                Ok(ChangeRequest {
                    base,
                    author: request.author,
                    edits,
                    reverts: None,
                    summary: None,
                    is_fact: false,
                })
            }
            Self::Revert { number, base, author } => {
                head.expect(base)?;
                let revision = stored(store, number)?;
                let before = stored(store, number.saturating_sub(1)).map(|before| before.sources);
                let before = before.unwrap_or_default();
                let now = &head.analysis.sources;
                let edits = mesh::revert::revert(number, &revision.inverse, &before, &revision.sources, now)?;
                let summary = Some(format!("takes back {number}: {}", revision.info.summary));
                Ok(ChangeRequest { base, author, edits, reverts: Some(number), summary, is_fact: false })
            }
        }
    }
}

fn stored(store: &Store, number: u64) -> Result<Revision, Refusal> {
    store.get(number)?.ok_or(Refusal::NoRevision(number))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use api::RevisionInfo;
    use api::revision::Edits;
    use mesh::{Edit, Settings, Sources};

    use super::*;
    use crate::analysis::Analysis;

    #[tokio::test]
    async fn a_change_that_takes_long_holds_up_no_other() {
        let data = tempfile::tempdir().unwrap();
        let sources = Sources::single("a.yaml", "# empty\n");
        let info = RevisionInfo {
            number: 1,
            author: String::new(),
            at: 0,
            summary: String::new(),
            edits: Edits::default(),
            reverts: None,
        };
        let analysis = Arc::new(Analysis::read(sources, &Settings::default()));
        let (_head, watched) = watch::channel(Arc::new(Head { info, analysis, plans: Arc::default() }));
        let (decisions, mut decided) = mpsc::channel(1);
        let (store, work) = (Store::open(data.path()).unwrap(), Work::default());
        let admission = Admission { store, head: watched, work: work.clone(), check: None, decisions };

        let (end, held) = channel::<()>();
        let long = tokio::spawn(async move { work.run(move || held.recv().unwrap()).await });
        let files = vec![("b.yaml".to_owned(), Some("# more\n".to_owned()))];
        let edits = vec![Edit::SetFiles { files }];
        let request =
            ChangeRequest { base: 1, author: None, edits, reverts: None, summary: None, is_fact: false };
        admission.review(Ask::Change(request), Instant::now(), Waiting::Expiry);
        let decided = decided.recv().await.unwrap();
        assert_eq!(decided.on, 1);
        let Ok(Outcome::Revision(prepared)) = decided.result else { panic!("{:?}", decided.result) };
        assert_eq!(prepared.revision.info.number, 2);
        end.send(()).unwrap();
        long.await.unwrap().unwrap();
    }
}
