//! One check: over HTTP, as a connection, or by gRPC's own protocol for it. Each has a connection of its own.

use std::pin::pin;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, TE, USER_AGENT};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Limited};
use mesh::plan::Probe;
use tokio::io::AsyncWriteExt;

use crate::activity::upload::Outgoing;
use crate::headers::{DEGRADED, GIVES_UP, GRPC_STATUS};
use crate::net::stream::Stream;
use crate::upstream::connect::{ConnectError, Target, handshake_h1, handshake_h2};
use crate::upstream::health::{Answer, CheckKey};
use crate::upstream::pool::Security;
use crate::upstream::proxy_protocol;

/// What checks call themselves.
const AGENT: HeaderValue = HeaderValue::from_static("meshwright-health-check");

/// The answer to a check is a few bytes.
const MOST: usize = 64 * 1024;

/// Asks once; whoever does says for how long.
pub(super) async fn ask(key: &CheckKey, security: &Security) -> Answer {
    match probe(key, security).await {
        Ok(answer) => answer,
        Err(error) => Answer::Failed(error.reason().to_string()),
    }
}

async fn probe(key: &CheckKey, security: &Security) -> Result<Answer, ConnectError> {
    let target = Target::new(&key.address, key.check.port.unwrap_or(key.port));
    let mut stream = target.connect(Some(0), |_| false).await?;
    if let Some(header) = key.header {
        stream.write_all(&proxy_protocol::header(header, None)).await?;
    }
    let stream = match security {
        Security::Plain => stream,
        Security::Tls(origin) => origin.wrap(stream, false).await?,
        Security::Impossible => return Err(ConnectError::Settings),
    };
    match &key.check.probe {
        Probe::Tcp => Ok(Answer::Passed),
        Probe::Http { path, host, expected, retriable } => {
            let host = host.as_deref().unwrap_or(&key.host);
            let Ok(request) =
                Request::get(path).header(HOST, host).header(USER_AGENT, AGENT).body(Outgoing::Empty)
            else {
                return Ok(Answer::Failed("the check's path or host cannot be sent".to_owned()));
            };
            let (mut sender, mut driver) = handshake_h1(stream).await?;
            let response = driver.during(pin!(sender.send_request(request))).await?;
            let status = response.status().as_u16();
            let answered = || format!("it answered {status}");
            Ok(match status {
                _ if response.headers().contains_key(GIVES_UP) => Answer::Refused(answered()),
                _ if expected.contains(&status) && response.headers().contains_key(DEGRADED) => {
                    Answer::Degraded
                }
                _ if expected.contains(&status) => Answer::Passed,
                _ if retriable.contains(&status) => Answer::Failed(answered()),
                _ => Answer::Refused(answered()),
            })
        }
        Probe::Grpc { service } => grpc(stream, &key.host, service).await,
    }
}

async fn grpc(stream: Stream, host: &str, service: &str) -> Result<Answer, ConnectError> {
    let mut sender = handshake_h2(stream, None, ()).await?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{host}/grpc.health.v1.Health/Check"))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, AGENT)
        .body(Outgoing::Full(question(service)));
    let Ok(request) = request else {
        return Ok(Answer::Failed("the service's host cannot be asked for".to_owned()));
    };
    let response = sender.send_request(request).await?;
    let of_head = response.headers().get(GRPC_STATUS).cloned();
    let Ok(body) = Limited::new(response.into_body(), MOST).collect().await else {
        return Ok(Answer::Failed("its answer broke off, or had no end".to_owned()));
    };
    let status = of_head.or_else(|| body.trailers()?.get(GRPC_STATUS).cloned());
    let status = status.as_ref().and_then(|status| status.to_str().ok()).unwrap_or("none").to_owned();
    Ok(match (status.as_str(), serves(&body.to_bytes())) {
        ("0", true) => Answer::Passed,
        ("0", false) => Answer::Refused("it says that it does not serve".to_owned()),
        (status, _) => Answer::Refused(format!("it answered with the gRPC status {status}")),
    })
}

/// `HealthCheckRequest` in gRPC's frame.
fn question(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            // Seven bits at a time; the highest says that there are more.
            message.put_u8(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
            length >>= 7;
        }
        message.put_u8(u8::try_from(length).unwrap_or_default());
        message.put_slice(service.as_bytes());
    }
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or_default());
    frame.extend_from_slice(&message);
    frame.freeze()
}

/// Whether a `HealthCheckResponse` in its frame says `SERVING`.
fn serves(frame: &[u8]) -> bool {
    // Not compressed, two bytes: field 1 is 1.
    frame.get(..7) == Some(&[0, 0, 0, 0, 2, 0x08, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_have_their_frame() {
        assert_eq!(question(""), &[0, 0, 0, 0, 0][..]);
        assert_eq!(question("ab"), &[0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b'][..]);
        let long = question(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 0x02]);
        assert!(serves(&[0, 0, 0, 0, 2, 8, 1]));
        assert!(!serves(&[0, 0, 0, 0, 2, 8, 2]));
        assert!(!serves(&[]));
    }
}
