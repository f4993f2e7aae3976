//! Clients.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::AnyBody;

/// A response, whole.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its text.
    pub body: String,
}

/// A connection that is kept.
pub struct Connection(http1::SendRequest<AnyBody>);

impl Connection {
    /// To this address.
    pub async fn open(address: SocketAddr) -> Self {
        Self::on(TcpStream::connect(address).await.unwrap()).await
    }

    /// On what is connected already.
    pub async fn on(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        Self(sender)
    }

    /// Sends a request and returns its response with the body still to come.
    pub async fn send(&mut self, request: Request<AnyBody>) -> hyper::Result<Response<Incoming>> {
        self.0.ready().await?;
        self.0.send_request(request).await
    }

    /// The same, and waits for all of it.
    pub async fn fetch(&mut self, request: Request<AnyBody>) -> hyper::Result<Answer> {
        let (head, body) = self.send(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

/// A request to `reviews` with a text; without one it has no body.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<AnyBody> {
    let mut builder = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        builder = builder.header("host", "reviews");
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let body = match body {
        "" => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        text => Full::new(Bytes::from(text.to_owned())).map_err(|never| match never {}).boxed_unsync(),
    };
    builder.body(body).unwrap()
}

/// `GET` on a connection of its own.
pub async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut connection = Connection::open(address).await;
    connection.fetch(request("GET", path, headers, "")).await.unwrap()
}

/// The answer to `GET`, if there is one.
pub async fn ask(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
    let mut connection = Connection::on(TcpStream::connect(address).await.ok()?).await;
    connection.fetch(request("GET", path, headers, "")).await.ok()
}
