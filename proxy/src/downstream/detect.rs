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
    Tls(Box<ClientHello>),
    /// Something else, which begins with this.
    Other(Vec<u8>),
    /// Nothing for as long as was waited.
    Silence,
}

/// The greeting of TLS.
pub(crate) struct ClientHello {
    /// For ending the TLS here.
    pub(crate) accepted: Accepted,
    /// All that was read: for passing it on.
    pub(crate) bytes: Vec<u8>,
    /// The name in the SNI, in lower case.
    pub(crate) name: Option<String>,
}

/// Why a greeting could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DetectError {
    #[error("the client went away before it had said what it wants")]
    Io(#[from] io::Error),
    #[error("the client's TLS cannot be understood")]
    Tls(#[from] rustls::Error),
    #[error("the client's greeting is too long")]
    TooLong,
}

/// Waits for what the client says first, for `timeout` at most where it is given.
pub(crate) async fn first(stream: &mut TcpStream, timeout: Option<Duration>) -> Result<First, DetectError> {
    let mut bytes = Vec::new();
    let some = read_some(stream, &mut bytes);
    let count = match timeout {
        None => some.await?,
        Some(timeout) => match tokio::time::timeout(timeout, some).await {
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

async fn hello(stream: &mut TcpStream, mut bytes: Vec<u8>) -> Result<ClientHello, DetectError> {
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
                return Ok(ClientHello { accepted, bytes, name });
            }
            Err((error, mut alert)) => {
                let mut told = Vec::new();
                alert.write_all(&mut told)?;
                stream.write_all(&told).await?;
                return Err(error.into());
            }
        }
        if seen > MAX_HELLO {
            return Err(DetectError::TooLong);
        }
        if read_some(stream, &mut bytes).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}
