//! Connections to one endpoint, kept by one thread for one source: HTTP/1.1 connections wait here between two requests,
//! the one used last is used next; HTTP/2 connections carry many at once. Requests wait here for a connection where no
//! more may be opened.

mod bytes;
mod connection;
mod lease;
mod limits;
mod queue;
mod security;

use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::reporting::observation::Limit;
use crate::reporting::observation::{Place, Tries};
use crate::upstream::connect::{ConnectError, Target, handshake_h1, handshake_h2, in_time};
use crate::upstream::shared_cluster::SharedCluster;

pub(crate) use bytes::ActiveConnection;
use connection::{Connection, Open, Sender};
pub(crate) use lease::{Lease, LeaseError, SendError};
pub(crate) use limits::Limits;
use queue::{Given, Queue};
use security::Transport;
pub(crate) use security::{Protocol, Security};

/// An endpoint with its connections. Outlives plans.
pub(crate) struct Upstream {
    target: Target,
    name: Rc<str>,
    cluster: Arc<SharedCluster>,
    /// For what its connections refer to.
    this: Weak<Self>,
    transport: Transport,
    idle: RefCell<Vec<Idle>>,
    /// Of HTTP/2. One, unless streams are limited, or it takes no more and is not done yet.
    multiplexed: RefCell<Vec<Connection>>,
    /// Held while an HTTP/2 connection is made, so that one is made for all who wait.
    connecting: Mutex<()>,
    queue: Queue,
    /// Open connections.
    connections: Cell<usize>,
    active: Cell<usize>,
    /// When an HTTP/2 connection last ended a request.
    quiet: Cell<Instant>,
    /// What it is owed by a balancer that gives turns by weight.
    pub(crate) credit: Cell<i64>,
    /// It is in no plan any more: connections are not kept.
    gone: Cell<bool>,
    /// What the mesh calls it; nothing where a client chose it.
    place: OnceCell<Place>,
    /// How tries on it ended that nobody was told of yet.
    tries: Cell<Tries>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// Which waiting connection will do. The upstream may be closing one just as it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Any: no harm is done where the client sends the request again.
    Any,
    /// One that was used a moment ago, which no server closes: the client cannot know whether to send the request again.
    Fresh,
    /// None: one has just turned out to be closed.
    None,
}

/// For how long a connection is taken to be safe. The servers that close idle connections soonest wait 5 s.
const FRESH: Duration = Duration::from_secs(3);

impl Upstream {
    /// An endpoint without connections.
    pub(crate) fn new(target: Target, cluster: Arc<SharedCluster>) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            name: target.to_string().into(),
            target,
            cluster,
            this: Weak::clone(this),
            transport: Transport::default(),
            idle: RefCell::default(),
            multiplexed: RefCell::default(),
            connecting: Mutex::new(()),
            queue: Queue::default(),
            connections: Cell::new(0),
            active: Cell::new(0),
            quiet: Cell::new(Instant::now()),
            credit: Cell::new(0),
            gone: Cell::new(false),
            place: OnceCell::new(),
            tries: Cell::default(),
        })
    }

    /// The mesh names it.
    pub(crate) fn set_place(&self, place: impl FnOnce() -> Place) {
        self.place.get_or_init(place);
    }

    /// Counts how a try on it ended. True: it is the first one since the last were taken.
    pub(crate) fn tried(&self, status: u16) -> bool {
        if self.place.get().is_none() {
            return false;
        }
        let mut tries = self.tries.get();
        let first = tries == Tries::default();
        tries.add(status);
        self.tries.set(tries);
        first
    }

    /// How tries on it ended, since this was last asked.
    pub(crate) fn take_tries(&self) -> Option<(&Place, Tries)> {
        Some((self.place.get()?, self.tries.take()))
    }

    /// What all threads know of its cluster.
    pub(crate) fn cluster(&self) -> &Arc<SharedCluster> {
        &self.cluster
    }

    /// Where it is, as a text.
    pub(crate) fn name(&self) -> Rc<str> {
        Rc::clone(&self.name)
    }

    /// Active requests.
    pub(crate) fn active(&self) -> usize {
        self.active.get()
    }

    /// A connection that waits and is good enough.
    fn ready(&self, limits: &Limits, reuse: Reuse) -> Option<Connection> {
        if limits.http2 { self.shared(limits) } else { self.take(limits, reuse) }
    }

    /// A new connection, or one that another request has given back meanwhile. True: it has carried a request before.
    async fn open(
        &self,
        limits: &Limits,
        barred: impl Fn(SocketAddr) -> bool,
    ) -> Result<(Connection, bool), ConnectError> {
        if limits.http2 {
            return self.open_h2(limits, barred).await;
        }
        loop {
            if let Some(open) = self.admit(limits) {
                let stream = self.stream(limits, barred).await?;
                let (sender, driver) = handshake_h1(stream).await?;
                let sender = Sender::H1(sender, Some(driver));
                return Ok((Connection { sender, served: 0, open: Rc::new(open) }, false));
            }
            if self.make_room(limits) {
                continue;
            }
            if let Some(Given::Connection(mut connection)) = self.queue.wait().await
                && connection.open.proxy_header == limits.proxy_header
                && connection.becomes_ready().await
            {
                return Ok((connection, true));
            }
        }
    }

    async fn open_h2(
        &self,
        limits: &Limits,
        barred: impl Fn(SocketAddr) -> bool,
    ) -> Result<(Connection, bool), ConnectError> {
        let _first = self.connecting.lock().await;
        if let Some(connection) = self.shared(limits) {
            return Ok((connection, true));
        }
        let open = loop {
            // One that carries all is never one too many.
            let admitted =
                if limits.streams == usize::MAX { Some(self.count(limits)) } else { self.admit(limits) };
            if let Some(open) = admitted {
                break Rc::new(open);
            }
            if self.make_room(limits) {
                continue;
            }
            // Until a stream ends, or a connection.
            self.queue.wait().await;
            if let Some(connection) = self.shared(limits) {
                return Ok((connection, true));
            }
        };
        let stream = self.stream(limits, barred).await?;
        let sender = in_time(limits.connect, handshake_h2(stream, limits.pings, Rc::clone(&open))).await?;
        let connection = Connection { sender: Sender::H2(sender), served: 1, open };
        if !self.gone.get() && connection.open.epoch == self.transport.epoch() {
            self.multiplexed.borrow_mut().extend(connection.share());
        }
        Ok((connection, false))
    }

    /// Counts a connection that is to be opened; `None`: it would be one too many. Each endpoint may have one, since a
    /// request that waited for another endpoint's would wait for ever.
    fn admit(&self, limits: &Limits) -> Option<Open> {
        if self.connections.get() == 0 {
            return Some(self.count(limits));
        }
        if !self.cluster.enter(Limit::Connections, &limits.ceilings) {
            return None;
        }
        Some(self.counted(limits))
    }

    fn count(&self, limits: &Limits) -> Open {
        self.cluster.force(Limit::Connections);
        self.counted(limits)
    }

    fn counted(&self, limits: &Limits) -> Open {
        self.connections.set(self.connections.get() + 1);
        Open {
            upstream: Weak::clone(&self.this),
            cluster: Arc::clone(&self.cluster),
            epoch: self.transport.epoch(),
            proxy_header: limits.proxy_header.clone(),
            until: limits.lasts.and_then(|lasts| Instant::now().checked_add(lasts)),
        }
    }

    /// An HTTP/2 connection that takes another request.
    fn shared(&self, limits: &Limits) -> Option<Connection> {
        let mut multiplexed = self.multiplexed.borrow_mut();
        // Those that use one keep it until they are done.
        multiplexed.retain(|one| !one.is_closed() && one.served < limits.requests_per_connection);
        let fits = |one: &&mut Connection| {
            one.streams() < limits.streams && one.open.proxy_header == limits.proxy_header
        };
        let connection = multiplexed.iter_mut().find(fits)?;
        connection.served = connection.served.saturating_add(1);
        connection.share()
    }

    /// The HTTP/1.1 connection that was used last, of those that are ready.
    fn take(&self, limits: &Limits, reuse: Reuse) -> Option<Connection> {
        if reuse == Reuse::None {
            return None;
        }
        let mut idle = self.idle.borrow_mut();
        let mut at = idle.len();
        while at > 0 {
            at -= 1;
            let connection = &idle[at].connection;
            if connection.is_closed() {
                idle.remove(at);
            } else if reuse == Reuse::Fresh && idle[at].since.elapsed() > FRESH {
                return None;
            } else if connection.open.proxy_header == limits.proxy_header && connection.is_ready() {
                return Some(idle.remove(at).connection);
            }
            // Otherwise the end of its last exchange is still being worked off.
        }
        None
    }

    /// Closes an unused connection that this request cannot use, since it is too old or began with what another client's begin
    /// with: for this one it never becomes free. True: it is gone already, and those who wait were told before this one does.
    fn make_room(&self, limits: &Limits) -> bool {
        let other = |connection: &Connection| connection.open.proxy_header != limits.proxy_header;
        let mut idle = self.idle.borrow_mut();
        if !idle.is_empty() {
            // One that could be used would have been.
            let at = idle.iter().position(|idle| other(&idle.connection)).unwrap_or(0);
            idle.remove(at);
            return true;
        }
        let mut multiplexed = self.multiplexed.borrow_mut();
        if let Some(at) = multiplexed.iter().position(|one| other(one) && one.streams() == 0) {
            multiplexed.remove(at);
        }
        false
    }

    /// A connection may carry another request.
    fn give_back(&self, mut connection: Connection, max_idle: usize, now: Instant) {
        if self.gone.get() || !connection.settles() || connection.open.epoch != self.transport.epoch() {
            return;
        }
        let Some(connection) = self.queue.give(connection) else { return };
        let mut idle = self.idle.borrow_mut();
        if idle.len() < max_idle {
            idle.push(Idle { connection, since: now });
        }
    }

    /// Closes connections that were closed from afar, or that have waited too long.
    pub(crate) fn sweep(&self, now: Instant, idle_timeout: Duration) {
        let over = |since: Instant| now.saturating_duration_since(since) >= idle_timeout;
        self.idle.borrow_mut().retain_mut(|idle| idle.connection.settles() && !over(idle.since));
        let unused = self.active.get() == 0 && over(self.quiet.get());
        // Of those that only one client can use there may be any number.
        let left = |one: &Connection| one.open.proxy_header.is_some() && one.streams() == 0;
        self.multiplexed.borrow_mut().retain(|one| !unused && !one.is_closed() && !left(one));
    }

    /// Whether it is in some plan. Where it is not, idle connections are closed, and none becomes idle.
    pub(crate) fn set_gone(&self, gone: bool) {
        self.gone.set(gone);
        if gone {
            self.idle.borrow_mut().clear();
            self.multiplexed.borrow_mut().clear();
        }
    }

    /// Nothing of it is in use.
    pub(crate) fn is_unused(&self) -> bool {
        self.active.get() == 0 && self.idle.borrow().is_empty() && self.multiplexed.borrow().is_empty()
    }
}
