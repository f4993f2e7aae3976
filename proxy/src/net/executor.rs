//! What hyper needs to run on one thread: an executor for futures that stay on it, and a timer.

use std::future::Future;

use hyper::rt::Executor;
use hyper_util::rt::TokioTimer;

/// Runs futures as tasks of the current thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalExecutor;

impl<F> Executor<F> for LocalExecutor
where
    F: Future<Output: 'static> + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// The timer of the current thread.
pub(crate) fn timer() -> TokioTimer {
    TokioTimer::new()
}
