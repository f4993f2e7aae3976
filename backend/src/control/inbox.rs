//! What the control loop is asked for.

use std::time::Instant;

use api::request::{NewRevision, PostAccept, PostRevert, PostRevision};
use tokio::sync::oneshot;

use super::change::Refusal;

/// Commands that may wait for the loop.
pub(super) const QUEUE: usize = 64;

/// Where the answer goes. Whoever asked may be gone; what was asked for is done all the same, so a failed send is no error.
pub(super) type Answer<T> = oneshot::Sender<Result<T, Refusal>>;

/// What is asked for.
#[derive(Debug)]
pub(super) enum Command {
    /// Edits from outside.
    Edit(Box<PostRevision>, Instant, Answer<NewRevision>),
    /// Take a revision back.
    Revert(u64, PostRevert, Instant, Answer<NewRevision>),
    /// Make a revision of what the origin proposes.
    Accept(PostAccept, Instant, Answer<NewRevision>),
    /// Forget what the origin proposes.
    Dismiss(Answer<()>),
    /// A fault of the loop.
    #[cfg(test)]
    Fault,
}
