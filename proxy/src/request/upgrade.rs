//! Upgraded connections: once both sides have agreed to speak another protocol, bytes are passed on as they come.

use std::io;
use std::time::{Duration, Instant};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::activity::drain::DrainGuard;
use crate::net::copy::{Timeouts, copy};
use crate::reporting::flags::Flags;
use crate::request::tracker::Tracker;
use crate::upstream::pool::Lease;

/// Connects both sides until either ends, or nothing moves for too long. The tracker's request lasts as long.
pub(crate) fn open(
    client: OnUpgrade,
    upstream: OnUpgrade,
    mut tracker: Tracker,
    mut lease: Lease,
    member: DrainGuard,
    idle: Option<Duration>,
) {
    lease.run_apart();
    tracker.leaves();
    tokio::task::spawn_local(async move {
        let entries = async { tokio::try_join!(client, upstream) };
        match within(idle, entries).await {
            Some(Ok((client, upstream))) => {
                let (client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
                pass(client, &mut upstream, Timeouts { idle, lasts: None }, &mut tracker).await;
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "an upgrade was not completed");
                tracker.flag(Flags::UPSTREAM_CLOSED);
            }
            None => tracker.flag(Flags::STREAM_IDLE),
        }
        tracker.complete(Instant::now());
        drop((lease, member));
    });
}

/// Passes on bytes of a request that has become something else.
pub(super) async fn pass<C, U>(client: C, upstream: &mut U, timeouts: Timeouts, tracker: &mut Tracker)
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sent, mut received) = (0, 0);
    let passed = copy(client, upstream, timeouts, |up, down| (sent, received) = (sent + up, received + down));
    let passed = passed.await;
    tracker.sent(sent);
    tracker.received(usize::try_from(received).unwrap_or(usize::MAX));
    match passed {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::TimedOut => tracker.flag(Flags::STREAM_IDLE),
        // Either side may simply vanish; that is how such connections often end.
        Err(error) => tracing::debug!(%error, "a tunnel broke"),
    }
}

/// Waits as long as it may.
pub(super) async fn within<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, work).await.ok(),
        None => Some(work.await),
    }
}
