//! HTTP on one connection: HTTP/1.1, or HTTP/2 where a client begins with its preface or agreed on it in TLS.

use std::future::{Future, poll_fn};
use std::io;
use std::ops::DerefMut;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::activity::drain::{DrainDecision, DrainGuard, LINGER, or_ending};
use crate::activity::progress::{Progress, Streams};
use crate::downstream::detect::{DetectError, read_some};
use crate::headers::{Upgrade, upgrade};
use crate::net::downstream::Downstream;
use crate::net::executor::timer;
use crate::net::stream::Stream;
use crate::request::body::ClientBody;
use crate::request::client::Client;
use crate::request::serve::serve;

/// How the preface of HTTP/2 begins. No method does.
const PREFACE: &[u8; 3] = b"PRI";

/// Why a client's connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("i/o")]
    Io(#[from] io::Error),
    #[error("http")]
    Http(#[from] hyper::Error),
    #[error("tls")]
    ClientHello(#[from] DetectError),
}

/// HTTP in plain text, which begins with what was read of it already.
pub(crate) async fn plain(
    client: Client,
    (stream, mut read): (TcpStream, Vec<u8>),
    member: &DrainGuard,
) -> Result<(), ConnectionError> {
    match or_ending(member, begins_h2(&stream, &mut read)).await {
        Some(Ok(h2)) => Ok(speak(Rc::new(client), (Stream::Tcp(stream), read), h2, member).await?),
        Some(Err(error)) => Err(error.into()),
        None => Ok(()),
    }
}

/// Serves requests until the client closes, or the member is told to end. They begin with what was read already.
pub(crate) async fn speak(
    client: Rc<Client>,
    (stream, read): (Stream, Vec<u8>),
    h2: bool,
    member: &DrainGuard,
) -> Result<(), hyper::Error> {
    let config = &client.front.shared.config;
    let io = TokioIo::new(Downstream::after(read, stream, client.activity.socket()));
    let streams = Streams::default();
    let service = {
        let (client, streams) = (Rc::clone(&client), streams.clone());
        service_fn(move |request: Request<Incoming>| {
            let client = Rc::clone(&client);
            let (head, body) = request.into_parts();
            let mut head = Box::new(head);
            let progress = match h2 {
                // hyper runs a stream right after it has asked for its response.
                true => client.activity.stream(),
                false => Rc::clone(client.activity.progress()),
            };
            if h2 {
                streams.next(Rc::clone(&progress));
            }
            // Where it is moved to is small, and an idle connection keeps none of it.
            Box::pin(async move {
                let connects = head.method == Method::CONNECT;
                let upgrade = upgrade(&mut head.headers, h2);
                // What was meant for another protocol must not be read as a request, if that is not agreed on.
                let upgrades = !h2 && upgrade != Upgrade::No;
                let serving = pin!(serve(&client, &progress, upgrade, head, body));
                let mut response = or_timeout(&progress, serving).await;
                if let Ok(response) = &mut response
                    && !h2
                    && (upgrades || client.activity.is_ending())
                    && !(connects || response.status() == StatusCode::SWITCHING_PROTOCOLS)
                {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                response
            })
        })
    };
    if h2 {
        let mut builder = http2::Builder::new(streams);
        builder.timer(timer()).max_concurrent_streams(config.max_streams).enable_connect_protocol();
        builder.max_header_list_size(u32::try_from(config.max_head_bytes).unwrap_or(u32::MAX));
        // Several times as large as one of HTTP/1.1, of which there are more.
        let connection = Box::pin(builder.serve_connection(io, service));
        drive(connection, member, false, http2::Connection::graceful_shutdown).await
    } else {
        let mut builder = http1::Builder::new();
        // How long a head may take is watched by the thread, for all connections at once.
        builder.header_read_timeout(None);
        builder.max_header_size(config.max_head_bytes).half_close(false);
        if config.max_headers != crate::config::USUAL_HEADERS {
            builder.max_headers(config.max_headers);
        }
        let connection = builder.serve_connection(io, service).with_upgrades();
        drive(pin!(connection), member, true, http1::UpgradeableConnection::graceful_shutdown).await
    }
}

/// The response, unless the request has to end before there is one.
async fn or_timeout<E>(
    progress: &Progress,
    mut response: Pin<&mut impl Future<Output = Result<Response<ClientBody>, E>>>,
) -> Result<Response<ClientBody>, E> {
    let mut status = None;
    let ended = poll_fn(|cx| match progress.ended() {
        Some((_, Some(of))) => {
            status = Some(of);
            Poll::Ready(None)
        }
        _ => response.as_mut().poll(cx).map(Some),
    });
    if let Some(response) = ended.await {
        return response;
    }
    // Its active requests are gone, and counted.
    let mut response = Response::new(ClientBody::own(Bytes::from_static(b"stream timeout")));
    *response.status_mut() = status.unwrap_or(StatusCode::GATEWAY_TIMEOUT);
    Ok(response)
}

/// Drives a connection to its end, which comes soon once the member is told to end; not before a moment has passed where
/// it `lingers` (HTTP/2 has words for that).
async fn drive<C, E>(
    mut connection: Pin<impl DerefMut<Target = C>>,
    member: &DrainGuard,
    lingers: bool,
    shut_down: impl Fn(Pin<&mut C>),
) -> Result<(), E>
where
    C: Future<Output = Result<(), E>>,
{
    let (mut told, mut wait) = (false, None);
    poll_fn(|cx| {
        match member.order(cx.waker()) {
            DrainDecision::Stay => {}
            DrainDecision::Expire => return Poll::Ready(Ok(())),
            DrainDecision::End if told => {}
            DrainDecision::End => {
                let mut waits = || {
                    let wait = wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
                    wait.as_mut().poll(cx).is_pending()
                };
                if !(lingers && member.activity().awaits() && waits()) {
                    told = true;
                    shut_down(connection.as_mut());
                }
            }
        }
        if member.activity().progress().breaks_off() {
            member.activity().reset();
            return Poll::Ready(Ok(()));
        }
        connection.as_mut().poll(cx)
    })
    .await
}

/// Whether the client speaks HTTP/2, by its first bytes, which are in `read` then. A client that leaves before that is known is an
/// error.
pub(crate) async fn begins_h2(stream: &TcpStream, read: &mut Vec<u8>) -> io::Result<bool> {
    while read.len() < PREFACE.len() && PREFACE.starts_with(read) {
        if read_some(stream, read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(read.starts_with(PREFACE))
}
