//! Where it is decided what becomes of a change: on a thread of its own, with a copy of the newest revision. The loop goes on
//! meanwhile, and takes what was decided only if the revision that it was decided on is still the newest.

use std::sync::Arc;
use std::time::Instant;

use api::request::{NewRevision, PostRevision};
use api::state::Proposal;
use mesh::Settings;
use tokio::sync::{mpsc, watch};

use super::change::{self, Head, Prepared, Refusal, Wish};
use super::{Answer, Command};
use crate::clock::now_millis;
use crate::store::{Revision, Store};
use crate::work::Work;
use crate::world;

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
    Wish(Wish),
}

/// Who waits for what becomes of it.
#[derive(Debug)]
pub(super) enum Waiting {
    /// Who asked.
    For(Answer<NewRevision>),
    /// Who took the folder's proposal.
    Accept(Proposal, Answer<NewRevision>),
    /// The loop itself: faults expired.
    Expiry,
}

/// What was decided.
#[derive(Debug)]
pub(crate) struct Decided {
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
pub(super) struct Desk {
    pub(super) store: Store,
    pub(super) settings: Settings,
    pub(super) head: watch::Receiver<Arc<Head>>,
    pub(super) work: Work,
    pub(super) commands: mpsc::Sender<Command>,
}

impl Desk {
    /// Decides, and tells the loop.
    pub(super) fn take(&self, ask: Ask, received: Instant, waiting: Waiting) {
        let desk = self.clone();
        tokio::spawn(async move {
            let received = (received, now_millis());
            let (on, result) = desk.decide(ask, received.1).await;
            let decided = Decided { result, on, received, at: Instant::now(), waiting };
            // Without a loop, whoever waits hears that it is gone.
            drop(desk.commands.send(Command::Decided(Box::new(decided))).await);
        });
    }

    async fn decide(&self, ask: Ask, at: i64) -> (u64, Result<Option<Prepared>, Refusal>) {
        let desk = self.clone();
        let done = self.work.run(move || {
            let head = Arc::clone(&desk.head.borrow());
            let wish = ask.wish(&head, &desk.store);
            (head.info.number, wish.and_then(|wish| change::prepare(&head, &desk.settings, wish, at)))
        });
        match done.await {
            Ok(decided) => decided,
            Err(error) => (self.head.borrow().info.number, Err(error.into())),
        }
    }
}

impl Ask {
    fn wish(self, head: &Head, store: &Store) -> Result<Wish, Refusal> {
        match self {
            Self::Wish(wish) => Ok(wish),
            Self::Edits(request) => {
                head.expect(request.base)?;
                let mut edits = request.edits;
                if let Some(resources) = &request.resources {
                    edits.extend(world::replace_resources(&head.world.mesh, resources)?);
                }
                let base = Some(request.base);
                Ok(Wish { base, author: request.author, edits, reverts: None, summary: None })
            }
            Self::Revert { number, base, author } => {
                head.expect(base)?;
                let revision = stored(store, number)?;
                let before = stored(store, number.saturating_sub(1)).map(|before| before.sources);
                let before = before.unwrap_or_default();
                let now = &head.world.sources;
                let edits = mesh::revert::revert(number, &revision.inverse, &before, &revision.sources, now)?;
                let summary = Some(format!("takes back {number}: {}", revision.info.summary));
                Ok(Wish { base: Some(base), author, edits, reverts: Some(number), summary })
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
    use mesh::{Edit, Mesh, Sources};

    use super::*;
    use crate::world::World;

    #[tokio::test]
    async fn a_change_that_takes_long_holds_up_no_other() {
        let data = tempfile::tempdir().unwrap();
        let settings = Settings::default();
        let sources = Sources::single("a.yaml", "# empty\n");
        let info = RevisionInfo {
            number: 1,
            author: String::new(),
            at: 0,
            summary: String::new(),
            edits: Edits::default(),
            reverts: None,
        };
        let world = Arc::new(World::read(sources, &Mesh::default(), &settings));
        let (_head, watched) = watch::channel(Arc::new(Head { info, world }));
        let (commands, mut decided) = mpsc::channel(1);
        let (store, work) = (Store::open(data.path()).unwrap(), Work::default());
        let desk = Desk { store, settings, head: watched, work: work.clone(), commands };

        let (end, held) = channel::<()>();
        let long = tokio::spawn(async move { work.run(move || held.recv().unwrap()).await });
        let files = vec![("b.yaml".to_owned(), Some("# more\n".to_owned()))];
        let edits = vec![Edit::SetFiles { files }];
        let wish = Wish { base: Some(1), author: None, edits, reverts: None, summary: None };
        desk.take(Ask::Wish(wish), Instant::now(), Waiting::Expiry);
        let Some(Command::Decided(decided)) = decided.recv().await else { panic!("it is decided on") };
        assert_eq!(decided.on, 1);
        assert_eq!(decided.result.unwrap().unwrap().revision.info.number, 2);
        end.send(()).unwrap();
        long.await.unwrap().unwrap();
    }
}
