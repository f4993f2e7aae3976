//! The handle of the control loop.

use std::sync::Arc;
use std::time::Instant;

use api::request::{NewRevision, PostAccept, PostRevert, PostRevision};
use tokio::sync::{mpsc, oneshot, watch};

use super::change::{Head, Refusal};
use super::inbox::{Answer, Command};

/// The handle of the loop. Clones talk to the same one.
#[derive(Debug, Clone)]
pub struct Control {
    commands: mpsc::Sender<Command>,
    head: watch::Receiver<Arc<Head>>,
}

impl Control {
    pub(super) fn new(commands: mpsc::Sender<Command>, head: watch::Receiver<Arc<Head>>) -> Self {
        Self { commands, head }
    }

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

    /// Makes a revision of what the origin proposes.
    pub async fn accept(&self, request: PostAccept, received: Instant) -> Result<NewRevision, Refusal> {
        self.ask(|answer| Command::Accept(request, received, answer)).await
    }

    /// Forgets what the origin proposes.
    pub async fn dismiss(&self) -> Result<(), Refusal> {
        self.ask(Command::Dismiss).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_gone| Refusal::Down)?;
        answered.await.map_err(|_gone| Refusal::Down)?
    }
}
