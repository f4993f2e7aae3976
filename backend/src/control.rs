//! The control loop: one task owns the newest revision, so edits come one after the other.
//!
//! What a change leads to is decided in [`change`], at a [`desk`] away from the loop, so that one that takes long holds up no other.
//! Then it is done, in this order: stored on disk, acknowledged, told to the browsers, swapped into the proxy. Every milestone on
//! the way is measured.

pub mod change;
pub mod timeline;

mod actor;
mod desk;

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::RevisionInfo;
use api::request::{NewRevision, PostAccept, PostRevert, PostRevision};
use tokio::sync::{mpsc, oneshot, watch};

use crate::files::{self, Found};

pub use actor::{Actor, OWN, Parts};
pub use change::{Head, Refusal};
use desk::Decided;

/// Commands that may wait for the loop.
const QUEUE: usize = 64;

/// How long a change may take until it is stored. Within the time that a request has, so that nothing is stored of which people
/// were told that it failed.
const PATIENCE: Duration = Duration::from_secs(25);

type Answer<T> = oneshot::Sender<Result<T, Refusal>>;

/// What the loop is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Edits from outside.
    Edit(Box<PostRevision>, Instant, Answer<NewRevision>),
    /// Take a revision back.
    Revert(u64, PostRevert, Instant, Answer<NewRevision>),
    /// Make a revision of what the folder proposes.
    Accept(PostAccept, Instant, Answer<NewRevision>),
    /// What was asked for is decided on.
    Decided(Box<Decided>),
    /// A fault of the loop.
    #[cfg(test)]
    Fault,
    /// Forget what the folder proposes.
    Dismiss(Answer<()>),
    /// The folder on disk as it is now.
    Folder(Result<Found, files::Error>),
    /// An Envoy served the first request under a revision.
    FirstRequest {
        /// The revision.
        revision: u64,
        /// When.
        at: Instant,
    },
    /// The shares that a revision set were observed.
    Converged {
        /// The revision.
        revision: u64,
        /// The smallest sample.
        n: u64,
        /// When it was noticed.
        at: Instant,
    },
}

/// The handle of the loop. Clones talk to the same one.
#[derive(Debug, Clone)]
pub struct Control {
    commands: mpsc::Sender<Command>,
    head: watch::Receiver<Arc<Head>>,
}

impl Control {
    /// The newest revision.
    pub fn head(&self) -> Arc<Head> {
        Arc::clone(&self.head.borrow())
    }

    /// Whether the loop runs: without it nothing can be changed any more.
    pub fn runs(&self) -> bool {
        !self.commands.is_closed()
    }

    /// Ends the loop as a fault in it would.
    #[cfg(test)]
    pub(crate) async fn fault(&self) {
        drop(self.commands.send(Command::Fault).await);
    }

    /// Makes a revision. It is on disk when this returns.
    pub async fn edit(&self, request: PostRevision, received: Instant) -> Result<NewRevision, Refusal> {
        self.ask(|answer| Command::Edit(Box::new(request), received, answer)).await
    }

    /// Takes a revision back with a new one.
    pub async fn revert(
        &self,
        number: u64,
        request: PostRevert,
        received: Instant,
    ) -> Result<NewRevision, Refusal> {
        self.ask(|answer| Command::Revert(number, request, received, answer)).await
    }

    /// Makes a revision of what the folder proposes.
    pub async fn accept(&self, request: PostAccept, received: Instant) -> Result<NewRevision, Refusal> {
        self.ask(|answer| Command::Accept(request, received, answer)).await
    }

    /// Forgets what the folder proposes.
    pub async fn dismiss(&self) -> Result<(), Refusal> {
        self.ask(Command::Dismiss).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_gone| Refusal::Down)?;
        answered.await.map_err(|_gone| Refusal::Down)?
    }
}

/// The answer for a revision.
fn answer(info: &RevisionInfo, world: &crate::world::World) -> NewRevision {
    NewRevision { revision: info.clone(), diagnostics: world.diagnostics.clone() }
}
