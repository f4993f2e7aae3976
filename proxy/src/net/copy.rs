//! Bytes both ways, counted as they go.

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::time::{Instant, MissedTickBehavior};

/// How often what was moved is told.
const TELL: Duration = Duration::from_secs(1);

/// A stream that counts what is read from it.
struct Counted<S> {
    stream: S,
    read: Rc<Cell<u64>>,
}

/// How long a connection may go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// Without a byte, if that has a limit.
    pub(crate) idle: Option<Duration>,
    /// In all; then it is closed, and nothing is wrong with it.
    pub(crate) lasts: Option<Duration>,
}

/// Copies both ways until both sides have ended, one breaks, or time is up. What moved is told to `progress`
/// now and then and at the end: bytes from `a`, bytes from `b`.
pub(crate) async fn copy<A, B>(
    a: A,
    b: B,
    Timeouts { idle, lasts }: Timeouts,
    mut progress: impl FnMut(u64, u64),
) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (from_a, from_b) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut a = Counted { stream: a, read: Rc::clone(&from_a) };
    let mut b = Counted { stream: b, read: Rc::clone(&from_b) };
    let mut copying = pin!(copy_bidirectional(&mut a, &mut b));
    let every = idle.map_or(TELL, |idle| TELL.min(idle));
    let mut tick = tokio::time::interval_at(Instant::now() + every, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut moved_at = Instant::now();
    let end = lasts.and_then(|lasts| moved_at.checked_add(lasts));
    loop {
        let ended = tokio::select! {
            biased;
            ended = &mut copying => Some(ended.map(drop)),
            () = until(end) => Some(Ok(())),
            now = tick.tick() => {
                let still = idle.is_some_and(|idle| now.duration_since(moved_at) >= idle);
                (still && from_a.get() + from_b.get() == 0).then(|| Err(io::ErrorKind::TimedOut.into()))
            }
        };
        let (sent, received) = (from_a.take(), from_b.take());
        if sent + received > 0 {
            moved_at = Instant::now();
            progress(sent, received);
        }
        if let Some(ended) = ended {
            break ended;
        }
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.read.set(self.read.get() + (buf.filled().len() - before) as u64);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
