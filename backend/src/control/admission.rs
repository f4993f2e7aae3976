//! Where it is decided what becomes of a change: on a thread of its own, with a copy of the newest revision. The loop goes on
//! meanwhile, and takes what was decided only if the revision that it was decided on is still the newest.

use std::sync::Arc;
use std::time::Instant;

use api::request::{NewRevision, PostRevision};
use api::state::Proposal;
use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use super::change::{self, ChangeRequest, Head, Prepared, Refusal};
use super::expiry;
use super::inbox::Answer;
use crate::analysis;
use crate::clock::now_millis;
use crate::store::{Revision, Store};
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
}

/// What was decided.
#[derive(Debug)]
pub(super) struct Decision {
    /// A revision, nothing to change, or a refusal.
    pub(super) result: Result<Option<Prepared>, Refusal>,
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

    async fn decide(&self, ask: Ask, at: i64) -> (u64, Result<Option<Prepared>, Refusal>) {
        let admission = self.clone();
        let done = self.work.run(move || {
            let head = Arc::clone(&admission.head.borrow());
            let request = ask.request(&head, &admission.store);
            let prepared = request.and_then(|it| change::prepare(&head, it, at));
            (head.info.number, prepared)
        });
        match done.await {
            Ok(decided) => decided,
            Err(error) => (self.head.borrow().info.number, Err(error.into())),
        }
    }
}

impl Ask {
    fn name(&self) -> &'static str {
        match self {
            Self::Edits(_) => "edits",
            Self::Revert { .. } => "revert",
            Self::Change(_) => "change",
            Self::Expired(_) => "expiry",
        }
    }

    /// The revision that whoever asks takes for the newest, if that is said.
    fn base(&self) -> Option<u64> {
        match self {
            Self::Edits(request) => Some(request.base),
            Self::Revert { base, .. } => Some(*base),
            Self::Change(request) => Some(request.base),
            Self::Expired(_) => None,
        }
    }

    fn request(self, head: &Head, store: &Store) -> Result<ChangeRequest, Refusal> {
        match self {
            Self::Change(request) => Ok(request),
            Self::Expired(now) => Ok(expiry::removal(head, now)),
            Self::Edits(request) => {
                head.expect(request.base)?;
                let mut edits = request.edits;
                if let Some(resources) = &request.resources {
                    edits.extend(analysis::replace_resources(&head.analysis.mesh, resources)?);
                }
                let base = request.base;
                Ok(ChangeRequest { base, author: request.author, edits, reverts: None, summary: None })
            }
            Self::Revert { number, base, author } => {
                head.expect(base)?;
                let revision = stored(store, number)?;
                let before = stored(store, number.saturating_sub(1)).map(|before| before.sources);
                let before = before.unwrap_or_default();
                let now = &head.analysis.sources;
                let edits = mesh::revert::revert(number, &revision.inverse, &before, &revision.sources, now)?;
                let summary = Some(format!("takes back {number}: {}", revision.info.summary));
                Ok(ChangeRequest { base, author, edits, reverts: Some(number), summary })
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
        let admission = Admission { store, head: watched, work: work.clone(), decisions };

        let (end, held) = channel::<()>();
        let long = tokio::spawn(async move { work.run(move || held.recv().unwrap()).await });
        let files = vec![("b.yaml".to_owned(), Some("# more\n".to_owned()))];
        let edits = vec![Edit::SetFiles { files }];
        let request = ChangeRequest { base: 1, author: None, edits, reverts: None, summary: None };
        admission.review(Ask::Change(request), Instant::now(), Waiting::Expiry);
        let decided = decided.recv().await.unwrap();
        assert_eq!(decided.on, 1);
        assert_eq!(decided.result.unwrap().unwrap().revision.info.number, 2);
        end.send(()).unwrap();
        long.await.unwrap().unwrap();
    }
}
