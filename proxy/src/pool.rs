//! Connections to one endpoint, kept by one thread for one source: HTTP/1.1 connections wait here between two requests,
//! the one used last is used next; HTTP/2 connections carry many at once.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use tokio::sync::Mutex;

use crate::connect::{ConnectError, Target, handshake_h1, handshake_h2};
use crate::stream::Stream;
use crate::upload::Outgoing;

/// An endpoint with its connections. Outlives plans.
pub(crate) struct Upstream {
    target: Target,
    idle: RefCell<Vec<Idle>>,
    multiplexed: RefCell<Option<http2::SendRequest<Outgoing>>>,
    /// Held while an HTTP/2 connection is made, so that one is made for all who wait.
    connecting: Mutex<()>,
    active: Cell<usize>,
    /// What it is owed by a balancer that gives turns by weight.
    pub(crate) credit: Cell<i64>,
    /// It is in no plan any more: connections are not kept.
    gone: Cell<bool>,
}

struct Idle {
    sender: http1::SendRequest<Outgoing>,
    since: Instant,
}

/// How connections to an endpoint are made and kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For a new connection.
    pub(crate) connect: Duration,
    /// Idle connections that are kept.
    pub(crate) max_idle: usize,
    /// HTTP/2, with prior knowledge.
    pub(crate) http2: bool,
}

/// Which waiting connection will do. The upstream may be closing one just as it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Any: the request can be sent again.
    Any,
    /// One that was used a moment ago, which no server closes: the request must not be sent twice.
    Fresh,
    /// None: one has just turned out to be closed.
    None,
}

/// For how long a connection is taken to be safe. The servers that close idle connections soonest wait 5 s.
const FRESH: Duration = Duration::from_secs(3);

/// A connection for one request.
pub(crate) struct Lease {
    upstream: Rc<Upstream>,
    /// There until it is released.
    sender: Option<Sender>,
    /// It has carried a request before: the upstream may be closing it at this very moment.
    pub(crate) reused: bool,
    max_idle: usize,
}

enum Sender {
    H1(http1::SendRequest<Outgoing>),
    H2(http2::SendRequest<Outgoing>),
}

/// Why a request that was handed to a connection has no response.
pub(crate) struct SendError {
    /// What hyper says.
    pub(crate) error: hyper::Error,
    /// Nothing of the request was sent.
    pub(crate) unsent: bool,
}

impl Upstream {
    /// An endpoint without connections.
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            idle: RefCell::default(),
            multiplexed: RefCell::default(),
            connecting: Mutex::new(()),
            active: Cell::new(0),
            credit: Cell::new(0),
            gone: Cell::new(false),
        }
    }

    /// Requests under way.
    pub(crate) fn active(&self) -> usize {
        self.active.get()
    }

    /// A connection that waits and is good enough, or a new one.
    pub(crate) async fn lease(
        self: &Rc<Self>,
        limits: Limits,
        reuse: Reuse,
        barred: impl Fn(SocketAddr) -> bool,
    ) -> Result<Lease, ConnectError> {
        let reused =
            if limits.http2 { self.shared().map(Sender::H2) } else { self.take(reuse).map(Sender::H1) };
        let (sender, reused) = match reused {
            Some(sender) => (sender, true),
            None => self.open(limits, barred).await?,
        };
        self.active.set(self.active.get() + 1);
        Ok(Lease { upstream: Rc::clone(self), sender: Some(sender), reused, max_idle: limits.max_idle })
    }

    /// A connection of its own for bytes that are no HTTP; it counts as long as the guard is there.
    pub(crate) async fn connect(
        self: &Rc<Self>,
        limits: &Limits,
        barred: impl Fn(SocketAddr) -> bool,
    ) -> Result<(Stream, Busy), ConnectError> {
        let busy = Busy::new(self);
        Ok((self.target.connect(limits.connect, barred).await?, busy))
    }

    async fn open(
        &self,
        limits: Limits,
        barred: impl Fn(SocketAddr) -> bool,
    ) -> Result<(Sender, bool), ConnectError> {
        if !limits.http2 {
            let stream = self.target.connect(limits.connect, barred).await?;
            return Ok((Sender::H1(handshake_h1(stream).await?), false));
        }
        let _first = self.connecting.lock().await;
        if let Some(sender) = self.shared() {
            return Ok((Sender::H2(sender), true));
        }
        let stream = self.target.connect(limits.connect, barred).await?;
        let sender = handshake_h2(stream).await?;
        if !self.gone.get() {
            *self.multiplexed.borrow_mut() = Some(sender.clone());
        }
        Ok((Sender::H2(sender), false))
    }

    /// The HTTP/2 connection, while it takes requests.
    fn shared(&self) -> Option<http2::SendRequest<Outgoing>> {
        self.multiplexed.borrow().clone().filter(|sender| !sender.is_closed())
    }

    /// The HTTP/1.1 connection that was used last, of those that are ready.
    fn take(&self, reuse: Reuse) -> Option<http1::SendRequest<Outgoing>> {
        if reuse == Reuse::None {
            return None;
        }
        let mut idle = self.idle.borrow_mut();
        let mut at = idle.len();
        while at > 0 {
            at -= 1;
            let sender = &idle[at].sender;
            if sender.is_closed() {
                idle.remove(at);
            } else if reuse == Reuse::Fresh && idle[at].since.elapsed() > FRESH {
                return None;
            } else if sender.is_ready() {
                return Some(idle.remove(at).sender);
            }
            // Otherwise the end of its last exchange is still being worked off.
        }
        None
    }

    /// Closes connections that were closed from afar, or that have waited too long.
    pub(crate) fn sweep(&self, now: Instant, idle_timeout: Duration) {
        let waits =
            |idle: &mut Idle| !idle.sender.is_closed() && now.duration_since(idle.since) < idle_timeout;
        self.idle.borrow_mut().retain_mut(waits);
        self.multiplexed.borrow_mut().take_if(|sender| sender.is_closed());
    }

    /// Whether it is in some plan. Where it is not, idle connections are closed, and none becomes idle.
    pub(crate) fn set_gone(&self, gone: bool) {
        self.gone.set(gone);
        if gone {
            self.idle.borrow_mut().clear();
            self.multiplexed.borrow_mut().take();
        }
    }

    /// Nothing of it is in use.
    pub(crate) fn is_unused(&self) -> bool {
        self.active.get() == 0 && self.idle.borrow().is_empty() && self.multiplexed.borrow().is_none()
    }
}

/// Makes an endpoint busier by one for as long as it is there.
pub(crate) struct Busy(Rc<Upstream>);

impl Busy {
    fn new(upstream: &Rc<Upstream>) -> Self {
        upstream.active.set(upstream.active.get() + 1);
        Self(Rc::clone(upstream))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get() - 1);
    }
}

impl Lease {
    /// Whether requests go as HTTP/2.
    pub(crate) fn is_h2(&self) -> bool {
        matches!(self.sender, Some(Sender::H2(_)))
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(&mut self, request: Request<Outgoing>) -> Result<Response<Incoming>, SendError> {
        let sent = match &mut self.sender {
            Some(Sender::H1(sender)) => sender.try_send_request(request).await,
            Some(Sender::H2(sender)) => sender.try_send_request(request).await,
            None => unreachable!("only a release takes the sender, and it takes the lease too"),
        };
        sent.map_err(|mut failed| SendError {
            unsent: failed.take_message().is_some(),
            error: failed.into_error(),
        })
    }

    /// The exchange has ended in order `now`: the connection may carry another one.
    pub(crate) fn release(mut self, now: Instant) {
        let Some(Sender::H1(sender)) = self.sender.take() else { return };
        if !self.upstream.gone.get() && !sender.is_closed() {
            let mut idle = self.upstream.idle.borrow_mut();
            if idle.len() < self.max_idle {
                idle.push(Idle { sender, since: now });
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.upstream.active.set(self.upstream.active.get() - 1);
    }
}
