//! The first bytes of a connection: whether TLS begins with them, and which name it asks for.

use std::io;
use std::time::Duration;

use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// With this byte TLS begins, and no text.
const HANDSHAKE: u8 = 22;
/// A greeting that is longer is none: browsers send less than 2 KB.
const MAX_HELLO: usize = 64 * 1024;

/// What a client said first.
pub(crate) enum First {
    /// TLS.
    Tls(Box<Hello>),
    /// Something else, of which this is the first byte. It stays unread.
    Other(u8),
    /// Nothing for as long as was waited.
    Silence,
}

/// The greeting of TLS.
pub(crate) struct Hello {
    /// For ending the TLS here.
    pub(crate) accepted: Accepted,
    /// All that was read: for passing it on.
    pub(crate) bytes: Vec<u8>,
    /// The name in the SNI, in lower case.
    pub(crate) name: Option<String>,
}

/// Why a greeting could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelloError {
    #[error("the client went away before it had said what it wants")]
    Io(#[from] io::Error),
    #[error("the client's TLS cannot be understood")]
    Tls(#[from] rustls::Error),
    #[error("the client's greeting is too long")]
    TooLong,
}

/// Waits for what the client says first, for `patience` at most where it is given.
pub(crate) async fn first(stream: &mut TcpStream, patience: Option<Duration>) -> Result<First, HelloError> {
    let mut byte = [0];
    let seen = match patience {
        None => stream.peek(&mut byte).await?,
        Some(patience) => match tokio::time::timeout(patience, stream.peek(&mut byte)).await {
            Ok(seen) => seen?,
            Err(_elapsed) => return Ok(First::Silence),
        },
    };
    match byte {
        _ if seen == 0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        [HANDSHAKE] => hello(stream).await.map(|hello| First::Tls(Box::new(hello))),
        [other] => Ok(First::Other(other)),
    }
}

async fn hello(stream: &mut TcpStream) -> Result<Hello, HelloError> {
    let mut acceptor = Acceptor::default();
    let mut bytes = Vec::with_capacity(2048);
    loop {
        let before = bytes.len();
        if before > MAX_HELLO {
            return Err(HelloError::TooLong);
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut new = &bytes[before..];
        while !new.is_empty() {
            acceptor.read_tls(&mut new)?;
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let name = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
                return Ok(Hello { accepted, bytes, name });
            }
            Err((error, mut alert)) => {
                let mut told = Vec::new();
                alert.write_all(&mut told)?;
                stream.write_all(&told).await?;
                return Err(error.into());
            }
        }
    }
}
