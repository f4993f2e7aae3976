//! Parts of the program that the rest cannot be without are watched: when one ends before it is told to, the program is to end, too.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::work::said;

/// A part has ended that should not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} has ended: {why}")]
pub struct Ended {
    /// Which.
    pub part: &'static str,
    /// Why, in words.
    pub why: String,
}

/// Runs a part. When it ends before `stop`, or by a panic, that is logged and told.
pub(super) fn watched(
    part: &'static str,
    run: impl Future<Output = ()> + Send + 'static,
    stop: CancellationToken,
    tell: mpsc::Sender<Ended>,
) -> JoinHandle<()> {
    let task = tokio::spawn(run);
    tokio::spawn(async move {
        let why = match task.await {
            Ok(()) if stop.is_cancelled() => return,
            Ok(()) => "nobody told it to".to_owned(),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => format!("internal error: {}", said(&*panic)),
                Err(error) => error.to_string(),
            },
        };
        let ended = Ended { part, why };
        tracing::error!(
            error = &ended as &dyn std::error::Error,
            "a part of the program has ended: shutting down"
        );
        // Who does not listen any more is ending the program.
        drop(tell.send(ended).await);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(stopped: bool, run: impl Future<Output = ()> + Send + 'static) -> Option<String> {
        let (stop, (tell, mut ended)) = (CancellationToken::new(), mpsc::channel(2));
        if stopped {
            stop.cancel();
        }
        watched("it", run, stop, tell).await.unwrap();
        ended.recv().await.map(|ended| ended.to_string())
    }

    #[tokio::test]
    async fn only_what_ends_as_it_should_is_not_told_of() {
        assert_eq!(told(true, async {}).await, None);
        assert_eq!(told(false, async {}).await.unwrap(), "it has ended: nobody told it to");
        for stopped in [false, true] {
            let said = told(stopped, async { panic!("oh no") }).await.unwrap();
            assert_eq!(said, "it has ended: internal error: oh no");
        }
    }
}
