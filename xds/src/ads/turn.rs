//! After a restart all clients come back at once, and each wants everything. They take turns, so that what is read from and sent to all of
//! them at the same time has a bound.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// How many have their turn at the same time.
const AT_ONCE: usize = 64;

/// How long a turn may last: whoever is slow does not keep the others waiting.
const LONGEST: Duration = Duration::from_secs(1);

/// Who has a turn.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<Semaphore>);

/// A turn, until it is over.
#[derive(Debug)]
pub(super) struct Turn(Option<(OwnedSemaphorePermit, Instant)>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Turns {
    /// Waits for a turn.
    pub(super) async fn wait(&self) -> Turn {
        // Nobody closes the semaphore.
        let permit = Arc::clone(&self.0).acquire_owned().await.ok();
        Turn(permit.map(|permit| (permit, Instant::now() + LONGEST)))
    }
}

impl Turn {
    /// It has what it wanted.
    pub(super) fn end(&mut self) {
        self.0 = None;
    }

    /// Waits until the turn has lasted too long, and ends it; forever if it has ended.
    pub(super) async fn expire(&mut self) {
        match &self.0 {
            Some((_, until)) => sleep_until(*until).await,
            None => std::future::pending().await,
        }
        self.end();
    }
}
