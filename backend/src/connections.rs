//! Serving HTTP on the ports of the program itself: how many connections there may be, and when those end that do nothing.
//!
//! The traffic of the mesh has ports of its own and shares only the process's files with these, so a bound here keeps files free there.

mod activity;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures::FutureExt as _;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use activity::{Activity, Tracked, Watched};

/// Before the next try when the process has no files left.
const BREATH: Duration = Duration::from_millis(50);
/// For saying good-bye on a connection that did nothing.
const FAREWELL: Duration = Duration::from_secs(1);
/// Requests at once on one connection of HTTP/2.
const STREAMS: u32 = 100;

/// What connections may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. One more is taken and waits for room, the others wait in the kernel's queue.
    pub connections: usize,
    /// For the head of a request, and for a new connection to send one.
    pub head: Duration,
    /// For a connection without a request, and for a client that takes nothing of an answer. Longer than a stream of events is
    /// silent.
    pub idle: Duration,
    /// For a connection without a request while another one waits for room.
    pub crowded: Duration,
}

impl Limits {
    /// Of the designer's port.
    pub const API: Self = Self {
        connections: 256,
        head: Duration::from_secs(15),
        idle: Duration::from_secs(60),
        crowded: Duration::from_secs(1),
    };
    /// Of a port for metrics and probes alone.
    pub const ADMIN: Self = Self { connections: 64, ..Self::API };
}

impl Default for Limits {
    fn default() -> Self {
        Self::API
    }
}

/// Serves until it is told to stop, then lets requests end, for `grace` at most.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
    grace: Duration,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let crowd = watch::Sender::new(false);
    let (open, cut) = (TaskTracker::new(), CancellationToken::new());
    let service = TowerToHyperService::new(router);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of files, most likely: others close soon.
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let place = match Arc::clone(&room).try_acquire_owned() {
            Ok(place) => place,
            Err(_full) => {
                tracing::debug!(connections = limits.connections, "a connection waits for room");
                crowd.send_replace(true);
                let freed = tokio::select! {
                    () = stop.cancelled() => break,
                    freed = Arc::clone(&room).acquire_owned() => freed,
                };
                crowd.send_replace(false);
                // Nobody closes it.
                let Ok(place) = freed else { break };
                place
            }
        };
        let connection = Connection {
            stream,
            service: service.clone(),
            limits,
            crowd: crowd.subscribe(),
            stop: stop.clone(),
            cut: cut.clone(),
        };
        open.spawn(connection.run().map(|()| drop(place)));
    }
    drop(listener);
    open.close();
    if tokio::time::timeout(grace, open.wait()).await.is_err() {
        tracing::warn!("connections were cut after {} s", grace.as_secs());
        cut.cancel();
        open.wait().await;
    }
}

/// One connection.
struct Connection {
    stream: TcpStream,
    service: TowerToHyperService<Router>,
    limits: Limits,
    /// Whether another one waits for room.
    crowd: watch::Receiver<bool>,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Connection {
    async fn run(self) {
        let Self { stream, service, limits, crowd, stop, cut } = self;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let activity = Arc::new(Activity::new());
        let begun = Arc::clone(&activity);
        let service = service_fn(move |request: http::Request<Incoming>| {
            let open = begun.begin();
            let answer = service.call(request);
            async move { answer.await.map(|response| response.map(|body: Body| Tracked::new(body, open))) }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
        let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
        let mut connection = std::pin::pin!(builder.serve_connection(io, service));
        let told = tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "connection failed");
                }
                return;
            }
            () = stop.cancelled() => true,
            () = activity.over(limits, crowd) => false,
        };
        connection.as_mut().graceful_shutdown();
        let farewell =
            async { if told { cut.cancelled().await } else { tokio::time::sleep(FAREWELL).await } };
        tokio::select! {
            _ = connection => {}
            () = farewell => {}
        }
    }
}

#[cfg(test)]
mod tests;
