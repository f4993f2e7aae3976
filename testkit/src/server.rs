//! Upstreams.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;

use super::AnyBody;

/// An HTTP server; it ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

/// Holds requests.
pub struct Gate {
    came: Notify,
    go: Semaphore,
}

impl Gate {
    /// Waits until a request is held.
    pub async fn holds(&self) {
        self.came.notified().await;
    }

    /// Lets so many requests go.
    pub fn open(&self, requests: usize) {
        self.go.add_permits(requests);
    }
}

/// A response with a text.
pub fn reply(status: u16, body: impl Into<Bytes>) -> Response<AnyBody> {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
    Response::builder().status(status).body(body).unwrap()
}

impl Server {
    /// Says its name.
    pub async fn named(name: &'static str) -> Self {
        Self::start(move |_| async move { reply(200, name) }).await
    }

    /// Says its name, and keeps each request whose path begins with `/held` until the gate is opened for one.
    pub async fn gated(name: &'static str) -> (Self, Arc<Gate>) {
        Self::gate(move |_| async move { reply(200, name) }).await
    }

    /// The same with another answer.
    pub(crate) async fn gate<F, R>(handle: F) -> (Self, Arc<Gate>)
    where
        F: Fn(Request<Incoming>) -> R + Send + Sync + 'static,
        R: Future<Output = Response<AnyBody>> + Send + 'static,
    {
        let gate = Arc::new(Gate { came: Notify::new(), go: Semaphore::new(0) });
        let kept = Arc::clone(&gate);
        let server = Self::start(move |request: Request<Incoming>| {
            let (gate, held) = (Arc::clone(&kept), request.uri().path().starts_with("/held"));
            let answer = handle(request);
            async move {
                if held {
                    gate.came.notify_one();
                    gate.go.acquire().await.unwrap().forget();
                }
                answer.await
            }
        })
        .await;
        (server, gate)
    }

    /// Answers each with what it was asked: method, path, headers and body, a line each.
    pub async fn echo() -> Self {
        Self::start(|request: Request<Incoming>| async {
            let (head, body) = request.into_parts();
            let mut text = format!("{} {}\n", head.method, head.uri);
            for (name, value) in &head.headers {
                text += &format!("{name}: {}\n", value.to_str().unwrap());
            }
            let body = body.collect().await.unwrap().to_bytes();
            text += &format!("\n{}", String::from_utf8_lossy(&body));
            reply(200, text)
        })
        .await
    }

    /// Answers as it is told, with HTTP/1.1 or HTTP/2.
    pub async fn start<F, R>(handle: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Send + Sync + 'static,
        R: Future<Output = Response<AnyBody>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, opened) = (Arc::clone(&requests), Arc::clone(&connections));
        let handle = Arc::new(handle);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                opened.fetch_add(1, Ordering::SeqCst);
                let (handle, counted) = (Arc::clone(&handle), Arc::clone(&counted));
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        counted.fetch_add(1, Ordering::SeqCst);
                        let handle = Arc::clone(&handle);
                        async move { Ok::<_, Infallible>(handle(request).await) }
                    });
                    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                        .serve_connection_with_upgrades(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, requests, connections, task: task.abort_handle() }
    }

    /// Where it listens, on loopback.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests that came.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Connections that came.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A server that does with each connection what it is told.
pub struct Raw {
    /// Where it listens, on loopback.
    pub port: u16,
    task: AbortHandle,
}

impl Raw {
    /// Accepts until it is dropped.
    pub async fn start<F, R>(handle: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(handle(stream));
            }
        });
        Self { port, task: task.abort_handle() }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends a body piece by piece; the body ends when it is dropped.
pub struct Pieces(tokio::sync::mpsc::Sender<&'static str>);

impl Pieces {
    /// Somebody reads.
    pub async fn send(&mut self, piece: &'static str) {
        assert!(self.try_send(piece).await);
    }

    /// False when nobody reads any more.
    pub async fn try_send(&mut self, piece: &'static str) -> bool {
        self.0.send(piece).await.is_ok()
    }
}

/// A message whose body is sent piece by piece.
pub fn streamed(status: u16) -> (Pieces, Response<AnyBody>) {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let pieces = futures::stream::unfold(receiver, |mut receiver| async {
        let piece: &str = receiver.recv().await?;
        Some((Ok(Frame::data(Bytes::from(piece))), receiver))
    });
    let body = StreamBody::new(pieces).boxed_unsync();
    (Pieces(sender), Response::builder().status(status).body(body).unwrap())
}
