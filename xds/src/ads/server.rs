//! The server on its port: who may connect, and which method a request is for.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, stream};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response};
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::server::TlsConnectInfo;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use tower::Service;

use super::body;
use super::decode::Requests;
use super::nodes::Nodes;
use super::paths::{Method, method};
use super::port::{self, Caller};
use super::stream::{Context, Opening, messages};
use super::turn::Turns;
use super::{SnapshotSource, change::Shared};
use crate::als;
use crate::incoming::Incoming;

/// How many connections may wait to be accepted; the system may let less.
const WAITING: u32 = 8192;

/// How many streams a connection may have.
const STREAMS: u32 = 256;

/// How many connections there may be.
const CONNECTIONS: usize = 10_000;

/// How long a connection may take to its first call.
const FIRST_CALL: Duration = Duration::from_secs(15);

/// What a server needs besides what it serves.
#[derive(Default)]
pub struct Options {
    /// Certificates, without which nothing is encrypted.
    pub tls: Option<Tls>,
    /// What clients have to say in `authorization: Bearer …`.
    pub token: Option<String>,
    /// Where access logs go; without it, none are taken.
    pub logs: Option<als::Sink>,
    /// Connections at once, of which more wait; 10,000 if nothing is said.
    pub connections: Option<usize>,
    /// How long a connection may take to its first call by somebody who may call; 15 s if nothing is said.
    pub first_call: Option<Duration>,
    /// How long a node that is not there any longer is shown; a minute if nothing is said.
    pub keep: Option<Duration>,
}

/// PEM for TLS.
pub struct Tls {
    /// The server's certificates.
    pub certificates: Vec<u8>,
    /// Their key.
    pub key: Vec<u8>,
    /// Who signs the clients' certificates; nobody needs one if it is not given.
    pub clients: Option<Vec<u8>>,
}

impl fmt::Debug for Options {
    /// Without the key and the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Options {{ tls: {}, token: {} }}", self.tls.is_some(), self.token.is_some())
    }
}

/// Why the server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Anyone could read and change what goes to the Envoys.
    #[error(
        "{0} can be reached from beyond this machine: that needs a token, or certificates of the clients"
    )]
    Open(SocketAddr),
    /// The certificates or the key cannot be used.
    #[error("the xDS server's TLS: {0}")]
    Tls(#[source] tonic::transport::Error),
    /// The port cannot be used.
    #[error("the xDS server's port: {0}")]
    Port(#[source] io::Error),
    /// It ended although nobody ended it.
    #[error("the xDS server: {0}")]
    Ended(#[source] tonic::transport::Error),
}

/// The server.
pub struct Server {
    context: Context,
    options: Options,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

/// Opens a port for a server. After a restart all clients come back at once: more of them may wait to be accepted than tokio by itself lets.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // On Windows this would let others take the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

impl Server {
    /// A server of these snapshots.
    pub fn new(snapshots: Arc<dyn SnapshotSource>, options: Options) -> Self {
        let context = Context {
            snapshots,
            shared: Arc::new(Shared::default()),
            nodes: Nodes::default(),
            turns: Turns::default(),
            stop: CancellationToken::new(),
        };
        Self { context, options }
    }

    /// The nodes that connect to it.
    pub fn nodes(&self) -> Nodes {
        self.context.nodes.clone()
    }

    /// Whether it may serve on an address: not where everybody could ask.
    pub fn allows(&self, address: SocketAddr) -> Result<(), ServeError> {
        allowed(&self.options, address)
    }

    /// Serves until `stop`; then all streams end, and clients know that the server does.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<(), ServeError> {
        let Self { mut context, options } = self;
        allowed(&options, listener.local_addr().map_err(ServeError::Port)?)?;
        let mut server = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(Duration::from_secs(10)))
            // Longer than a client takes whose machine is busy with all that it was sent.
            .http2_keepalive_timeout(Some(Duration::from_secs(20)))
            .max_concurrent_streams(STREAMS);
        if let Some(tls) = options.tls {
            let mut config = ServerTlsConfig::new()
                .identity(Identity::from_pem(tls.certificates, tls.key))
                .timeout(Duration::from_secs(10));
            if let Some(clients) = tls.clients {
                config = config.client_ca_root(Certificate::from_pem(clients));
            }
            server = server.tls_config(config).map_err(ServeError::Tls)?;
        }
        context.stop = stop.clone();
        let (nodes, shared) = (context.nodes.clone(), Arc::clone(&context.shared));
        let keep = options.keep.unwrap_or(Duration::from_secs(60));
        let upkeep = async {
            let mut sweep = tokio::time::interval(Duration::from_secs(5));
            tokio::join!(nodes.publish(keep), async {
                loop {
                    sweep.tick().await;
                    shared.sweep();
                }
            })
        };
        let methods = Methods { context, logs: options.logs, token: options.token.map(Arc::from) };
        let first_call = options.first_call.unwrap_or(FIRST_CALL);
        let incoming =
            Box::pin(port::incoming(listener, options.connections.unwrap_or(CONNECTIONS), first_call));
        let serving = server.serve_with_incoming_shutdown(methods, incoming, stop.cancelled_owned());
        tokio::select! {
            served = serving => served.map_err(ServeError::Ended),
            _ = upkeep => Ok(()),
        }
    }
}

fn allowed(options: &Options, address: SocketAddr) -> Result<(), ServeError> {
    let knows_clients = options.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    if address.ip().is_loopback() || knows_clients || options.token.is_some() {
        Ok(())
    } else {
        Err(ServeError::Open(address))
    }
}

/// The methods of all services, as one.
#[derive(Clone)]
struct Methods {
    context: Context,
    logs: Option<als::Sink>,
    token: Option<Arc<str>>,
}

impl Service<Request<Body>> for Methods {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready(Ok(self.answer(request).unwrap_or_else(Status::into_http)))
    }
}

impl Methods {
    fn answer(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        if let Some(token) = &self.token
            && !says(request.headers(), token)
        {
            return Err(Status::unauthenticated("the token is missing or wrong"));
        }
        let Some(method) = method(request.uri().path()) else {
            return Err(Status::unimplemented("there is no such method"));
        };
        let caller = caller(&request);
        caller.inspect(|caller| caller.called());
        let address = caller.map(|caller| caller.address);
        let body = match method {
            Method::Discovery(protocol, only) => {
                let requests = Requests::new(protocol, request.into_body());
                let context = self.context.clone();
                Body::new(body::Body::new(messages(Opening { context, protocol, only, address, requests })))
            }
            Method::Logs => {
                let Some(sink) = self.logs.clone() else {
                    return Err(Status::unimplemented("nobody wants access logs"));
                };
                let heard = als::hear(Incoming::new(request.into_body()), sink, self.context.stop.clone());
                // The answer, when all was heard, is an empty message.
                let answer = heard.map(|heard| heard.map(|()| body::Message::new(|_| (), Bytes::new())));
                Body::new(body::Body::new(stream::once(answer)))
            }
        };
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        Ok(response)
    }
}

fn caller(request: &Request<Body>) -> Option<&Caller> {
    let extensions = request.extensions();
    let plain = extensions.get::<Caller>();
    plain.or_else(|| extensions.get::<TlsConnectInfo<Caller>>().map(TlsConnectInfo::get_ref))
}

/// Whether the headers have the token; how long that takes says nothing about it.
fn says(headers: &HeaderMap, token: &str) -> bool {
    // The names of schemes have no case (RFC 9110, section 11.1).
    let said = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().split_at_checked(7));
    said.is_some_and(|(scheme, said)| {
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(said.trim_ascii_start().ct_eq(token.as_bytes()))
    })
}
