//! Connections whose bytes are passed on as they come: plain TCP, and TLS that is not opened.

use std::rc::Rc;
use std::time::Duration;

use mesh::plan::UnknownHost;
use mesh::route::{Connection, Passage};
use tokio::io::AsyncWriteExt;

use crate::affinity;
use crate::cluster;
use crate::copy::copy;
use crate::flags::Flags;
use crate::outlier::Seen;
use crate::pool::{Busy, LeaseError, Limits};
use crate::reply::Reply;
use crate::serve::Client;
use crate::source::SourceState;
use crate::stream::{Downstream, Stream};
use crate::ticket::Ticket;
use crate::view::{Side, View};

/// What outlier detection takes a connection for that could be made.
const CONNECTED: Seen = Seen::Status(200);

/// Passes a connection on; `read` is what was read of it already.
pub(crate) async fn pass(
    client: &Client,
    view: &Rc<View>,
    passage: &Passage<'_>,
    asked: &Connection<'_>,
    downstream: Downstream,
    read: Vec<u8>,
) {
    let front = &*client.front;
    let shared = &front.shared;
    let side = view.connection_side(passage, &front.source, shared);
    let mut ticket = Ticket::connection(side.counter(None, shared), &client.activity);
    if let Some(delay) = passage.delay {
        ticket.flag(Flags::DELAY);
        tokio::time::sleep(delay).await;
    }
    if passage.reset {
        ticket.flag(Flags::ABORT);
        client.activity.reset();
        return;
    }
    relay(client, &side, asked, ticket, (downstream, read)).await;
}

/// Passes a connection on to where the kernel says that it wanted to go, if the mesh lets strangers be reached.
pub(crate) async fn stranger(
    client: &Client,
    view: &Rc<View>,
    unknown: UnknownHost,
    downstream: Downstream,
    read: Vec<u8>,
) {
    let Some(meant) = client.meant else { return refuse(client, view, "*") };
    if unknown != UnknownHost::Passthrough {
        return refuse(client, view, &meant.to_string());
    }
    let front = &*client.front;
    let upstream = front.source.stranger(&meant.ip().to_string(), meant.port());
    let cluster = cluster::View::stranger(upstream, Limits::outside(&front.shared.config));
    let side = view.unknown_side(&meant.to_string(), &front.source).toward(Rc::new(cluster));
    let ticket = Ticket::connection(side.counter(None, &front.shared), &client.activity);
    relay(client, &side, &Connection::default(), ticket, (downstream, read)).await;
}

/// Connects, and copies until the end.
async fn relay(
    client: &Client,
    side: &Side,
    asked: &Connection<'_>,
    mut ticket: Ticket,
    (mut downstream, read): (Downstream, Vec<u8>),
) {
    let Reached { mut stream, busy: _busy, idle } = match reach(client, side, asked, &mut ticket).await {
        Ok(reached) => reached,
        Err(reply) => return ticket.flag(reply.flags()),
    };
    if !read.is_empty() {
        ticket.moved(read.len() as u64, 0);
        if stream.write_all(&read).await.is_err() {
            return ticket.flag(Flags::UPSTREAM_CLOSED);
        }
    }
    drop(read);
    carry(client, &mut downstream, &mut stream, idle, &mut ticket).await;
}

/// A connection to an upstream; it counts as long as it is there.
pub(crate) struct Reached {
    pub(crate) stream: Stream,
    pub(crate) busy: Busy,
    /// For how long it may stand still.
    pub(crate) idle: Duration,
}

/// Connects to where a destination leads.
pub(crate) async fn reach(
    client: &Client,
    side: &Side,
    asked: &Connection<'_>,
    ticket: &mut Ticket,
) -> Result<Reached, Reply> {
    let shared = &client.front.shared;
    let cluster = side.cluster.clone().filter(|cluster| !cluster.missing).ok_or(Reply::NO_CLUSTER)?;
    // Of an endpoint that the client chooses, what the kernel says is better than what the client says.
    let meant = client.meant.map(|meant| meant.to_string());
    let chosen = meant.as_deref().or(asked.sni).or(asked.host);
    let cluster = SourceState::reached(&cluster, chosen).ok_or(Reply::NO_UPSTREAM)?;
    let hash = cluster.hash.as_ref().and_then(|hash| affinity::of_connection(&hash.key, client.peer));
    let host = shared.with_random(|random| cluster.pick(random, &[], hash)).ok_or(Reply::NO_UPSTREAM)?;
    ticket.count_with(side.counter(Some(cluster.hosts[host].version), shared));
    let upstream = &cluster.hosts[host].upstream;
    match upstream.connect(&cluster.limits, |at| shared.is_own(at)).await {
        Ok((stream, busy)) => {
            cluster.observe(host, CONNECTED);
            Ok(Reached { stream, busy, idle: cluster.limits.idle })
        }
        Err(LeaseError::Overflow) => Err(Reply::OVERFLOW),
        Err(LeaseError::Connect(error)) => {
            tracing::debug!(%error, "no connection to an upstream");
            cluster.observe(host, Seen::Failure);
            Err(Reply::CONNECT_FAILURE)
        }
    }
}

/// Copies until the end. What breaks on one side is broken off on the other: an end in order would say that all has come.
pub(crate) async fn carry(
    client: &Client,
    downstream: &mut Downstream,
    upstream: &mut Stream,
    idle: Duration,
    ticket: &mut Ticket,
) {
    let copied = copy(downstream, &mut *upstream, idle, |sent, received| ticket.moved(sent, received)).await;
    if let Err(error) = copied {
        tracing::debug!(%error, "a connection broke");
        client.activity.reset();
        if let Some(tcp) = upstream.tcp() {
            // Where it cannot be set the connection is closed in order.
            let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
        }
    }
}

/// No route takes the connection: it is closed.
pub(crate) fn refuse(client: &Client, view: &View, name: &str) {
    let front = &*client.front;
    let side = view.unknown_side(name, &front.source);
    let mut ticket = Ticket::connection(side.counter(None, &front.shared), &client.activity);
    ticket.flag(Flags::NO_ROUTE);
}
