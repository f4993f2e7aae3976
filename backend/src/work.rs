//! Work on the model: reading, validating, compiling. It runs away from the threads that serve, little of it at once, and what
//! panics in it is caught.

use std::any::Any;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// Pieces of work of one lane that run at once. Each may need a few hundred megabytes.
const AT_ONCE: usize = 2;
/// Pieces of work of one lane that run or wait.
const WAITING: usize = 64;

/// A lane for work: what waits in one does not hold up another. Clones are the same lane.
#[derive(Debug, Clone)]
pub struct Work {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// Why work was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// Too much waits.
    #[error("{WAITING} other requests are waiting for the same; try again in a while")]
    Busy,
    /// A fault of the program.
    #[error("internal error: {0}")]
    Panicked(String),
    /// The program ends.
    #[error("the server is shutting down")]
    Down,
}

impl Default for Work {
    fn default() -> Self {
        Self { running: Arc::new(Semaphore::new(AT_ONCE)), waiting: Arc::new(Semaphore::new(WAITING)) }
    }
}

impl Work {
    /// Does a piece of work. It is done to its end even when nobody waits for it any more, and takes its place until then.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        let place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| WorkError::Busy)?;
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(|_| WorkError::Down)?;
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work()
        });
        done.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => WorkError::Panicked(said(&*panic)),
            Err(_cancelled) => WorkError::Down,
        })
    }
}

/// What a panic says.
pub(crate) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it does not say what".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_gives_its_place_back() {
        let work = Work::default();
        for round in 0..WAITING * 2 {
            let failed = work.run(move || assert!(round > WAITING * 2, "round {round}")).await;
            assert_eq!(failed, Err(WorkError::Panicked(format!("round {round}"))));
        }
        assert_eq!(work.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn so_much_waits_and_no_more() {
        let work = Work::default();
        let (free, held) = mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let tasks: Vec<_> = (0..WAITING)
            .map(|_| {
                let (work, held) = (work.clone(), Arc::clone(&held));
                tokio::spawn(async move { work.run(move || held.lock().unwrap().recv().unwrap()).await })
            })
            .collect();
        while work.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(work.run(|| ()).await, Err(WorkError::Busy));
        for _ in 0..WAITING {
            free.send(()).unwrap();
        }
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
        assert_eq!(work.run(|| ()).await, Ok(()));
    }
}
