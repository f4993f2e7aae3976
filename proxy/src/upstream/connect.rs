//! New connections to endpoints: resolving, connecting, and the HTTP handshake.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::activity::upload::Outgoing;
use crate::net::executor::{LocalExecutor, timer};
use crate::net::stream::Stream;
use crate::reporting::reason::{self, Reason};
use crate::upstream::driver::Driver;

/// Bytes that are read ahead of a client, at most. The head of a response has to fit.
const BUFFER: usize = 64 * 1024;

/// Where an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Known.
    Address(SocketAddr),
    /// To be resolved on each connection.
    Name(String, u16),
    /// A Unix socket.
    Path(String),
}

/// Why there is no connection. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Refused or unreachable, or TLS was not agreed on.
    #[error("connection failure")]
    Io(#[from] io::Error),
    /// The name has no address.
    #[error("the name is not resolved")]
    Name(#[source] io::Error),
    /// TLS is asked for, and what it needs is missing.
    #[error("TLS cannot be set up as it is asked for")]
    Settings,
    /// The endpoint is a proxy that does not take the connection on.
    #[error("the tunnel is refused with {0}")]
    Tunnel(http::StatusCode),
    /// It took too long.
    #[error("connection timeout")]
    Timeout,
    /// The handshake failed.
    #[error("connection failure")]
    Handshake(#[from] hyper::Error),
    /// The address is one that this proxy listens on: the request would come back for ever.
    #[error("the address leads back to this proxy")]
    Loop,
}

impl ConnectError {
    /// Why, in brief.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Io(error) => Reason::of_io(error),
            Self::Name(_) => Reason::Unresolved,
            Self::Settings => Reason::Settings,
            Self::Tunnel(_) => Reason::Tunnel,
            Self::Timeout => Reason::Timeout,
            Self::Handshake(_) => Reason::Closed,
            Self::Loop => Reason::Loop,
        }
    }

    /// Why, in full: for who reads the access log.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Io(error) => reason::told(self.reason(), error),
            Self::Name(error) => format!("{}: {error}", self.reason()),
            Self::Tunnel(status) => format!("{}: {status}", self.reason()),
            _ => self.reason().to_string(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
            Self::Path(path) => write!(f, "unix://{path}"),
        }
    }
}

impl Target {
    /// From an endpoint's address and port.
    pub(crate) fn new(address: &str, port: u16) -> Self {
        if let Some(path) = address.strip_prefix("unix://") {
            return Self::Path(path.to_owned());
        }
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        match bare.parse::<IpAddr>() {
            Ok(ip) => Self::Address(SocketAddr::new(ip, port)),
            Err(_) => Self::Name(address.to_owned(), port),
        }
    }

    /// Connects, unless `barred` says that an address must not be connected to.
    ///
    /// Of a name, all addresses are tried, the first in `turn`; without one, DNS's first of each family (`DNS_ROUND_ROBIN`).
    pub(crate) async fn connect(
        &self,
        turn: Option<usize>,
        barred: impl Fn(SocketAddr) -> bool,
    ) -> Result<Stream, ConnectError> {
        match self {
            Self::Address(address) => tcp(*address, &barred).await,
            Self::Name(name, port) => {
                let mut last = ConnectError::Name(io::ErrorKind::NotFound.into());
                let found =
                    tokio::net::lookup_host((name.as_str(), *port)).await.map_err(ConnectError::Name)?;
                for address in in_order(found.collect(), turn) {
                    match tcp(address, &barred).await {
                        Ok(stream) => return Ok(stream),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            #[cfg(unix)]
            Self::Path(path) => Ok(Stream::Unix(tokio::net::UnixStream::connect(path).await?)),
            #[cfg(not(unix))]
            Self::Path(_) => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
        }
    }
}

/// What comes of a part of connecting, if that is soon enough.
pub(crate) async fn in_time<T>(
    limit: Duration,
    part: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    tokio::time::timeout(limit, part).await.unwrap_or(Err(ConnectError::Timeout))
}

/// Addresses of IPv4 first, as Istio asks for them; all of them from `turn` on, or the first of each family.
fn in_order(mut addresses: Vec<SocketAddr>, turn: Option<usize>) -> Vec<SocketAddr> {
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.dedup();
    match turn {
        Some(turn) => {
            let count = addresses.len().max(1);
            addresses.rotate_left(turn % count);
        }
        None => addresses.dedup_by_key(|address| address.is_ipv6()),
    }
    addresses
}

async fn tcp(address: SocketAddr, barred: impl Fn(SocketAddr) -> bool) -> Result<Stream, ConnectError> {
    if barred(address) {
        return Err(ConnectError::Loop);
    }
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(Stream::Tcp(stream))
}

/// Speaks HTTP/1.1 on a stream.
pub(crate) async fn handshake_h1(
    stream: Stream,
) -> Result<(http1::SendRequest<Outgoing>, Driver), ConnectError> {
    let (sender, connection) =
        http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await?;
    Ok((sender, Driver::new(connection.with_upgrades())))
}

/// Speaks HTTP/2 on a stream; a task of its own drives it until either side closes it, and keeps `open` until then.
///
/// `pings` says how often it is asked whether it lives, and how long it has for the answer.
pub(crate) async fn handshake_h2(
    stream: Stream,
    pings: Option<(Duration, Duration)>,
    open: impl Sized + 'static,
) -> Result<http2::SendRequest<Outgoing>, ConnectError> {
    let mut builder = http2::Builder::new(LocalExecutor);
    if let Some((interval, answer)) = pings {
        builder.keep_alive_interval(interval).keep_alive_timeout(answer).keep_alive_while_idle(true);
    }
    let (sender, connection) = builder.timer(timer()).handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to an upstream ended");
        }
        drop(open);
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::{Target, in_order};

    #[test]
    fn addresses_of_a_name_take_turns() {
        let all: Vec<_> = ["[::1]:1", "1.1.1.1:1", "2.2.2.2:1"].map(|it| it.parse().unwrap()).to_vec();
        let ordered = |turn| in_order(all.clone(), turn).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(ordered(Some(0)), ["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"]);
        assert_eq!(ordered(Some(4)), ["2.2.2.2:1", "[::1]:1", "1.1.1.1:1"]);
        assert_eq!(ordered(None), ["1.1.1.1:1", "[::1]:1"]);
        assert!(in_order(Vec::new(), Some(1)).is_empty());
    }

    #[test]
    fn addresses_are_told_apart() {
        for (address, expected) in [
            ("127.0.0.1", Target::Address("127.0.0.1:80".parse().unwrap())),
            ("::1", Target::Address("[::1]:80".parse().unwrap())),
            ("[::1]", Target::Address("[::1]:80".parse().unwrap())),
            ("example.org", Target::Name("example.org".to_owned(), 80)),
            ("unix:///run/x.sock", Target::Path("/run/x.sock".to_owned())),
        ] {
            assert_eq!(Target::new(address, 80), expected);
        }
    }
}
