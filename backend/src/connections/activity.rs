//! What goes on on one connection: how many requests are open, and when something last moved.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Limits;

/// Of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    born: Instant,
    /// Requests whose answers have not ended.
    open: AtomicUsize,
    requests: AtomicUsize,
    /// When a request began or ended, in milliseconds of the connection's life.
    turned: AtomicU64,
    /// When a byte came or went.
    moved: AtomicU64,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            born: Instant::now(),
            open: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            turned: AtomicU64::new(0),
            moved: AtomicU64::new(0),
        }
    }

    /// A request has begun; it ends with what is returned.
    pub(super) fn begin(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        self.mark(&self.turned);
        Open(Arc::clone(self))
    }

    /// Returns when the connection has done nothing for too long.
    pub(super) async fn over(&self, limits: Limits, mut crowd: watch::Receiver<bool>) {
        loop {
            let crowded = *crowd.borrow_and_update();
            let end = self.end(limits, crowded);
            let now = Instant::now();
            if end <= now {
                return;
            }
            // What is open now may have ended by then.
            let look = if crowded { end.min(now + limits.crowded) } else { end };
            tokio::select! {
                () = sleep_until(look) => {}
                changed = crowd.changed() => if changed.is_err() {
                    // Nobody is taken any longer, so nobody waits.
                    sleep_until(look).await;
                },
            }
        }
    }

    /// Until when it may go on as it is.
    fn end(&self, limits: Limits, crowded: bool) -> Instant {
        let idle = if crowded { limits.crowded.min(limits.idle) } else { limits.idle };
        if self.open.load(Relaxed) > 0 {
            self.time(&self.moved) + limits.idle
        } else if self.requests.load(Relaxed) == 0 {
            // However many bytes come: they are no request.
            self.born + limits.head
        } else {
            self.time(&self.turned) + idle
        }
    }

    fn mark(&self, when: &AtomicU64) {
        when.store(u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    fn time(&self, when: &AtomicU64) -> Instant {
        self.born + Duration::from_millis(when.load(Relaxed))
    }
}

/// A request that has not ended.
#[derive(Debug)]
pub(super) struct Open(Arc<Activity>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.mark(&self.0.turned);
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// The body of an answer: its request is open as long as it is there.
#[derive(Debug)]
pub(super) struct Tracked {
    body: Body,
    _open: Open,
}

impl Tracked {
    pub(super) fn new(body: Body, open: Open) -> Self {
        Self { body, _open: open }
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that notes when bytes come and go.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn moved<T>(&self, done: T) -> Poll<T> {
        self.activity.mark(&self.activity.moved);
        Poll::Ready(done)
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.moved(read)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        self.moved(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bytes));
        self.moved(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
