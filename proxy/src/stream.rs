//! Byte streams to clients and endpoints: plain, or within TLS.

mod downstream;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

pub(crate) use downstream::Downstream;

/// Up to this many bytes, copying the parts of a write into one costs less than the kernel's work on a list of them.
const JOINED: usize = 2048;

/// A byte stream.
pub(crate) enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
    /// TLS towards a client.
    TlsServer(Box<server::TlsStream<TcpStream>>),
    /// TLS towards an endpoint, over any of the above.
    TlsClient(Box<client::TlsStream<Stream>>),
}

/// Does the same with whichever stream it is.
macro_rules! each {
    ($self:expr, $stream:ident => $does:expr) => {
        match $self {
            Stream::Tcp($stream) => $does,
            #[cfg(unix)]
            Stream::Unix($stream) => $does,
            Stream::TlsServer($stream) => $does,
            Stream::TlsClient($stream) => $does,
        }
    };
}

impl Stream {
    /// The TCP connection below.
    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            #[cfg(unix)]
            Self::Unix(_) => None,
            Self::TlsServer(stream) => Some(stream.get_ref().0),
            Self::TlsClient(stream) => stream.get_ref().0.tcp(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, data))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = data {
            return self.poll_write(cx, only);
        }
        let total: usize = data.iter().map(|part| part.len()).sum();
        if total <= JOINED {
            let mut joined = [0; JOINED];
            let mut end = 0;
            for part in data {
                joined[end..end + part.len()].copy_from_slice(part);
                end += part.len();
            }
            return self.poll_write(cx, &joined[..end]);
        }
        each!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, data))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}
