//! Requests to an API server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A client with a token; each request has a connection of its own.
pub(super) struct Client {
    pub(super) port: u16,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) token: String,
}

/// What does not come to an answer.
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Client {
    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// A connection to the server.
    pub(super) async fn connect(&self) -> Result<TlsStream<TcpStream>, Failure> {
        let stream = TcpStream::connect(self.address()).await?;
        let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
        Ok(TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?)
    }

    /// The answer, JSON or a text.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: String,
    ) -> Result<(StatusCode, Value), Failure> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.connect().await?)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address().to_string())
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", "application/json")
            .header("content-type", kind)
            .body(Full::new(Bytes::from(body)))?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        connection.abort();
        let value = serde_json::from_slice(&body);
        let text = |_| Value::String(String::from_utf8_lossy(&body).into_owned());
        Ok((head.status, value.unwrap_or_else(text)))
    }
}
