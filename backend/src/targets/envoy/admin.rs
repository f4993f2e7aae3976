//! Envoy's own pages, as far as they are of use here.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Between two looks at whether anything is still active. Envoy has no event for it.
const LOOK: Duration = Duration::from_millis(50);

/// Envoy's page did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// No connection.
    #[error("no connection to Envoy's admin port")]
    Connect(#[from] std::io::Error),
    /// No response.
    #[error("no response from Envoy's admin port")]
    Http(#[from] hyper::Error),
}

/// Stops taking connections, and returns when there is no active request.
pub(crate) async fn drain(admin: SocketAddr) -> Result<(), AdminError> {
    ask(admin, Method::POST, "/drain_listeners?graceful").await?;
    loop {
        let active = ask(admin, Method::GET, "/stats?filter=downstream_rq_active$").await?;
        let mut counts = active.lines().filter(|line| !line.contains(".admin."));
        if counts.all(|line| line.ends_with(": 0")) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Ends it.
pub(crate) async fn quit(admin: SocketAddr) -> Result<(), AdminError> {
    ask(admin, Method::POST, "/quitquitquit").await.map(drop)
}

async fn ask(admin: SocketAddr, method: Method, path: &str) -> Result<String, AdminError> {
    let stream = TcpStream::connect(admin).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = method;
    // These are the paths above.
    *request.uri_mut() = path.parse().unwrap_or_default();
    request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_static("envoy"));
    let response = sender.send_request(request).await?;
    let body = response.into_body().collect().await?.to_bytes();
    drop(sender);
    connection.abort();
    Ok(String::from_utf8_lossy(&body).into_owned())
}
