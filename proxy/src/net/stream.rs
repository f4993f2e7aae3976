//! Byte streams to clients and endpoints: plain, or within TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use mesh::plan::Keepalive;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

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
    /// A tunnel through an endpoint.
    Through(Box<dyn Tunnelled>),
}

/// What a tunnel is to those who use it.
pub(crate) trait Tunnelled: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Tunnelled for S {}

/// Does the same with whichever stream it is.
macro_rules! each {
    ($self:expr, $stream:ident => $does:expr) => {
        match $self {
            Stream::Tcp($stream) => $does,
            #[cfg(unix)]
            Stream::Unix($stream) => $does,
            Stream::TlsServer($stream) => $does,
            Stream::TlsClient($stream) => $does,
            Stream::Through($stream) => $does,
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
            Self::Through(_) => None,
            Self::TlsServer(stream) => Some(stream.get_ref().0),
            Self::TlsClient(stream) => stream.get_ref().0.tcp(),
        }
    }
}

impl Stream {
    /// Lets the kernel ask the other side whether it is still there.
    pub(crate) fn keep_alive(&self, keepalive: &Keepalive) -> io::Result<()> {
        let stream = match self {
            Self::Tcp(stream) => stream,
            Self::TlsClient(stream) => return stream.get_ref().0.keep_alive(keepalive),
            _ => return Ok(()),
        };
        let mut wanted = TcpKeepalive::new();
        if let Some(time) = keepalive.time {
            wanted = wanted.with_time(time);
        }
        if let Some(interval) = keepalive.interval {
            wanted = wanted.with_interval(interval);
        }
        if let Some(probes) = keepalive.probes {
            wanted = wanted.with_retries(probes);
        }
        SockRef::from(stream).set_tcp_keepalive(&wanted)
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn connections_are_kept_alive() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = Stream::Tcp(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let keepalive = Keepalive {
            probes: Some(4),
            time: Some(Duration::from_secs(30)),
            interval: Some(Duration::from_secs(5)),
        };
        stream.keep_alive(&keepalive).unwrap();
        let Stream::Tcp(stream) = stream else { panic!("TCP was connected to") };
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        #[cfg(target_os = "linux")]
        {
            let seconds = Duration::from_secs;
            assert_eq!(
                (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap()),
                (seconds(30), seconds(5))
            );
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
        }
    }
}
