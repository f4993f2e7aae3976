//! Connections on the port: how many there may be, and for how long one may say nothing that is a call.
//!
//! Envoys keep a stream open for as long as they run and answer pings meanwhile; who does neither is let go by tonic. What is left are
//! connections on which nobody ever calls, or nobody who may.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tonic::transport::server::Connected;

/// Before the next try when the process has no files left.
const BREATH: Duration = Duration::from_millis(50);

/// Connections as they come, while there is room; the others wait in the kernel's queue.
pub(super) fn incoming(
    listener: TcpListener,
    room: usize,
    first_call: Duration,
) -> impl Stream<Item = io::Result<Line>> {
    let room = Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS)));
    stream::unfold((listener, room), move |(listener, room)| async move {
        // Nobody closes it.
        let place = Arc::clone(&room).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, address)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "no TCP_NODELAY");
                    }
                    let caller = Caller { address, called: Arc::default() };
                    let line =
                        Line { stream, caller, first_call: Box::pin(sleep(first_call)), _place: place };
                    return Some((Ok(line), (listener, room)));
                }
                // Handed on, it would be asked again at once, over and over.
                Err(error) => {
                    tracing::warn!(%error, "an Envoy's connection was not accepted");
                    sleep(BREATH).await;
                }
            }
        }
    })
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// Where from.
    pub(super) address: SocketAddr,
    /// Whether there was a call by somebody who may.
    called: Arc<AtomicBool>,
}

impl Caller {
    /// There was a call.
    pub(super) fn called(&self) {
        self.called.store(true, Relaxed);
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    caller: Caller,
    first_call: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connected for Line {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.caller.called.load(Relaxed) && self.first_call.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nobody called")));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
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
