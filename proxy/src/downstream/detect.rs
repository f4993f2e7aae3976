//! The first bytes of a connection: whether TLS begins with them, and which name it asks for.

use std::io;
use std::time::Duration;

use rustls::server::{Accepted, Acceptor};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// With this byte TLS begins, and no text.
const HANDSHAKE: u8 = 22;
/// A greeting that is longer is none: browsers send less than 2 KB.
const MAX_HELLO: usize = 64 * 1024;

/// What a client said first.
pub(crate) enum First {
    /// TLS.
    Tls(Box<Hello>),
    /// Something else, which begins with this.
    Other(Vec<u8>),
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
    let mut bytes = Vec::new();
    let some = read_some(stream, &mut bytes);
    let count = match patience {
        None => some.await?,
        Some(patience) => match tokio::time::timeout(patience, some).await {
            Ok(count) => count?,
            Err(_elapsed) => return Ok(First::Silence),
        },
    };
    match bytes.first() {
        _ if count == 0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        Some(&HANDSHAKE) => hello(stream, bytes).await.map(|hello| First::Tls(Box::new(hello))),
        _ => Ok(First::Other(bytes)),
    }
}

/// How much is read at once of what a client says first: most requests' heads and greetings as a whole.
const SOME: usize = 1024;

/// Reads what there is, once there is some. As long as there is not, it takes no memory. Reads nothing if it is dropped before.
pub(crate) async fn read_some(stream: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        bytes.reserve(SOME);
        match stream.try_read_buf(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

async fn hello(stream: &mut TcpStream, mut bytes: Vec<u8>) -> Result<Hello, HelloError> {
    let mut acceptor = Acceptor::default();
    let mut seen = 0;
    loop {
        let mut new = &bytes[seen..];
        while !new.is_empty() {
            acceptor.read_tls(&mut new)?;
        }
        seen = bytes.len();
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
        if seen > MAX_HELLO {
            return Err(HelloError::TooLong);
        }
        if read_some(stream, &mut bytes).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}
