//! Accepting connections and speaking HTTP on them: HTTP/1.1, or HTTP/2 where a client begins with its preface.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::drain::{Drain, Member, Order};
use crate::local::{LocalExecutor, timer};
use crate::serve::{Client, Front, serve};
use crate::stream::Stream;

/// How the preface of HTTP/2 begins. No method does.
const PREFACE: &[u8; 3] = b"PRI";
/// How long to wait before accepting again when the process has no file descriptors left.
const BREATH: Duration = Duration::from_millis(50);

/// Accepts until its task is aborted.
pub(crate) async fn accept(front: Rc<Front>, listener: TcpListener, drain: Rc<Drain>) {
    let shared = &front.shared;
    loop {
        shared.work.below(shared.config.max_connections).await;
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The client went away while it waited.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let members = (drain.join(), shared.work.join());
        let (front, activity) = (Rc::clone(&front), members.0.activity());
        let client = Rc::new(Client { front, activity, peer: peer.ip() });
        tokio::task::spawn_local(async move {
            if let Err(error) = speak(client, stream, &members.0).await {
                tracing::debug!(%error, "a client's connection ended");
            }
            drop(members);
        });
    }
}

/// Why a client's connection ended.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("i/o")]
    Io(#[from] io::Error),
    #[error("http")]
    Http(#[from] hyper::Error),
}

async fn speak(client: Rc<Client>, stream: TcpStream, member: &Member) -> Result<(), ConnectionError> {
    stream.set_nodelay(true)?;
    let config = &client.front.shared.config;
    let Some(detected) = or_ending(member, begins_h2(&stream)).await else { return Ok(()) };
    let h2 = detected?;
    let service = {
        let client = Rc::clone(&client);
        service_fn(move |request| {
            let client = Rc::clone(&client);
            async move { Ok::<_, Infallible>(serve(&client, request).await) }
        })
    };
    let io = TokioIo::new(Stream::Tcp(stream));
    if h2 {
        let mut builder = http2::Builder::new(LocalExecutor);
        builder.timer(timer()).max_concurrent_streams(config.max_streams);
        builder.max_header_list_size(u32::try_from(config.max_head_bytes).unwrap_or(u32::MAX));
        let connection = builder.serve_connection(io, service);
        drive(connection, member, http2::Connection::graceful_shutdown).await?;
    } else {
        let mut builder = http1::Builder::new();
        // How long a head may take is watched by the thread, for all connections at once.
        builder.header_read_timeout(None);
        builder.max_header_size(config.max_head_bytes).half_close(false);
        if config.max_headers != crate::config::USUAL_HEADERS {
            builder.max_headers(config.max_headers);
        }
        let connection = builder.serve_connection(io, service).with_upgrades();
        drive(connection, member, http1::UpgradeableConnection::graceful_shutdown).await?;
    }
    Ok(())
}

/// Drives a connection to its end, which comes soon once the member is told to end.
async fn drive<C, E>(connection: C, member: &Member, shut_down: impl Fn(Pin<&mut C>)) -> Result<(), E>
where
    C: Future<Output = Result<(), E>>,
{
    let mut connection = pin!(connection);
    let mut told = false;
    poll_fn(|cx| {
        match member.order(cx.waker()) {
            Order::Stay => {}
            Order::Expire => return Poll::Ready(Ok(())),
            Order::End if told => {}
            Order::End => {
                told = true;
                shut_down(connection.as_mut());
            }
        }
        connection.as_mut().poll(cx)
    })
    .await
}

/// The future's output; `None` when the member is told to end before.
async fn or_ending<F: Future>(member: &Member, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx: &mut Context<'_>| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if member.order(cx.waker()) != Order::Stay => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Whether the client speaks HTTP/2, by its first bytes, which stay unread.
async fn begins_h2(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let seen = stream.peek(&mut first).await?;
        if seen == PREFACE.len() || seen == 0 || !PREFACE.starts_with(&first[..seen]) {
            return Ok(first == *PREFACE);
        }
        // One or two letters have come, and peeking again would only show them again at once.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
