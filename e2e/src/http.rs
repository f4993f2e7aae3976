//! The API as a client of the journeys sees it.

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// One request on a connection of its own, with the whole answer.
pub async fn send(address: &str, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    drop(sender);
    driver.abort();
    Ok(Response::from_parts(parts, body))
}

/// `GET` a path; its text, or an error with the status.
pub async fn get(address: &str, path: &str) -> Result<String> {
    let request = Request::get(path).header("host", address).body(Full::default())?;
    text(send(address, request).await?)
}

/// `GET` a path as JSON.
pub async fn get_json<T: serde::de::DeserializeOwned>(address: &str, path: &str) -> Result<T> {
    Ok(serde_json::from_str(&get(address, path).await?)?)
}

/// `POST` a value as JSON; the answer as JSON.
pub async fn post_json<T: serde::de::DeserializeOwned>(
    address: &str,
    path: &str,
    body: &impl serde::Serialize,
) -> Result<T> {
    let request = Request::post(path)
        .header("host", address)
        .header("content-type", "application/json")
        .body(Full::from(serde_json::to_vec(body)?))?;
    Ok(serde_json::from_str(&text(send(address, request).await?)?)?)
}

fn text(response: Response<Bytes>) -> Result<String> {
    let status = response.status();
    let body = String::from_utf8(response.into_body().to_vec())?;
    if !status.is_success() {
        bail!("{status}: {body}");
    }
    Ok(body)
}
