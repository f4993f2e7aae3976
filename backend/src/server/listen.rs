//! Where the server listens.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use super::Config;
use crate::http::allowed_in_token;

/// Where the designer is unless the operator says otherwise.
pub const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7080);
/// Ports after the default one that are tried.
const NEXT_PORTS: u16 = 50;
/// Shortest token, in bytes.
const TOKEN: usize = 16;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Beyond loopback without saying so.
    #[error(
        "{0} can be reached from other machines, and whoever reaches it can change the mesh; if that is meant, \
         add --allow-remote and a --token of at least {TOKEN} characters"
    )]
    Remote(SocketAddr),
    /// The token.
    #[error("the token needs at least {TOKEN} characters, and only letters, digits and -._~")]
    Token,
    /// The address that was asked for is not free.
    #[error("cannot listen on {address}")]
    Taken {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system does not say where it listens.
    #[error("cannot tell where the server listens")]
    Address(#[source] io::Error),
}

/// A listener, and whether it is not where it is looked for first.
pub(super) async fn bind(config: &Config) -> Result<(TcpListener, bool), ListenError> {
    allowed(config)?;
    if let Some(address) = config.listen {
        let bound = TcpListener::bind(address).await;
        return Ok((bound.map_err(|source| ListenError::Taken { address, source })?, false));
    }
    let mut port = DEFAULT.port();
    loop {
        let address = SocketAddr::new(DEFAULT.ip(), port);
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok((listener, port != DEFAULT.port())),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port < DEFAULT.port() + NEXT_PORTS => {
                port += 1;
            }
            Err(source) => return Err(ListenError::Taken { address, source }),
        }
    }
}

/// Nothing listens beyond loopback unless the operator says so, and then not without a token.
fn allowed(config: &Config) -> Result<(), ListenError> {
    if let Some(token) = &config.token
        && (token.len() < TOKEN || !token.bytes().all(allowed_in_token))
    {
        return Err(ListenError::Token);
    }
    let meant = config.allow_remote && config.token.is_some();
    match config.listen {
        Some(address) if !meant && !address.ip().is_loopback() => Err(ListenError::Remote(address)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_loopback_needs_a_flag_and_a_token() {
        let long = Some("0123456789abcdef");
        let cases = [
            (None, false, None, true),
            (Some("127.0.0.1:0"), false, None, true),
            (Some("[::1]:0"), false, None, true),
            (Some("0.0.0.0:0"), false, None, false),
            (Some("0.0.0.0:0"), true, None, false),
            (Some("0.0.0.0:0"), false, long, false),
            (Some("0.0.0.0:0"), true, long, true),
            (Some("192.168.1.2:0"), false, None, false),
            (Some("127.0.0.1:0"), false, Some("short"), false),
            (Some("127.0.0.1:0"), false, Some("with space and so on"), false),
        ];
        for (listen, allow_remote, token, expected) in cases {
            let config = Config {
                listen: listen.map(|address| address.parse().unwrap()),
                allow_remote,
                token: token.map(str::to_owned),
                ..Config::default()
            };
            assert_eq!(allowed(&config).is_ok(), expected, "{config:?}");
        }
    }
}
