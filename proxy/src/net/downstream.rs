//! A client's byte stream, which can be reset instead of closed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::stream::Stream;

/// What is known of a connection's bytes. (hyper may hand a stream to another thread, though nobody here does.)
#[derive(Default)]
pub(crate) struct SocketState {
    /// It is to be reset rather than closed.
    reset: AtomicBool,
    /// The client has taken bytes since the last look.
    taken: AtomicBool,
}

/// A client's byte stream. When it goes it is reset, if that was asked for.
pub(crate) struct Downstream {
    /// What was read of it to find out what is spoken. It comes first.
    read: Bytes,
    stream: Stream,
    socket: Arc<SocketState>,
}

impl Downstream {
    pub(crate) fn new(stream: Stream, socket: Arc<SocketState>) -> Self {
        Self::after(Vec::new(), stream, socket)
    }

    /// A stream of which this was read already.
    pub(crate) fn after(read: Vec<u8>, stream: Stream, socket: Arc<SocketState>) -> Self {
        Self { read: read.into(), stream, socket }
    }
}

impl SocketState {
    /// Whether it is to be reset rather than closed.
    pub(crate) fn resets(&self) -> bool {
        self.reset.load(Ordering::Relaxed)
    }

    /// The client has taken bytes.
    pub(crate) fn takes(&self) {
        self.taken.store(true, Ordering::Relaxed);
    }

    /// It is to be reset: what is not yet sent is thrown away.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    /// Whether the client has taken bytes since this was last asked.
    pub(crate) fn took(&self) -> bool {
        self.taken.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Downstream {
    fn drop(&mut self) {
        if self.socket.resets()
            && let Some(tcp) = self.stream.tcp()
        {
            // Where it cannot be set the connection is closed in order, which the client notices too.
            let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Downstream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read.is_empty() {
            let count = self.read.len().min(buf.remaining());
            buf.put_slice(&self.read.split_to(count));
            if self.read.is_empty() {
                // An idle connection keeps none of it.
                self.read = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Downstream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.socket.takes();
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.socket.takes();
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A reset sends nothing before it, not even that the end has come.
        if self.socket.resets() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
