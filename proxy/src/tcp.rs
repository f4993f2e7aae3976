//! Connections whose bytes are passed on as they come: plain TCP, and TLS that is not opened.

use std::rc::Rc;
use std::time::Duration;

use mesh::route::{Connection, Passage};
use tokio::io::AsyncWriteExt;

use crate::copy::copy;
use crate::flags::Flags;
use crate::outlier::Seen;
use crate::pool::LeaseError;
use crate::serve::Client;
use crate::source::SourceState;
use crate::stream::{Downstream, Stream};
use crate::ticket::Ticket;
use crate::view::View;

/// What outlier detection takes a connection for that could be made.
const CONNECTED: Seen = Seen::Status(200);

/// Passes a connection on; `read` is what was read of it already.
pub(crate) async fn pass(
    client: &Client,
    view: &Rc<View>,
    passage: &Passage<'_>,
    asked: &Connection<'_>,
    mut downstream: Downstream,
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
    let Some(cluster) = side.cluster.clone().filter(|cluster| !cluster.missing) else {
        return ticket.flag(Flags::NO_CLUSTER);
    };
    let Some(cluster) = SourceState::reached(&cluster, asked.sni.or(asked.host)) else {
        return ticket.flag(Flags::NO_UPSTREAM);
    };
    let Some(host) = shared.with_random(|random| cluster.pick(random, &[], None)) else {
        return ticket.flag(Flags::NO_UPSTREAM);
    };
    ticket.count_with(side.counter(Some(cluster.hosts[host].version), shared));
    let upstream = &cluster.hosts[host].upstream;
    let (mut stream, _busy) = match upstream.connect(&cluster.limits, |at| shared.is_own(at)).await {
        Ok(connected) => connected,
        Err(error) => {
            tracing::debug!(%error, "no connection to an upstream");
            if matches!(error, LeaseError::Overflow) {
                return ticket.flag(Flags::OVERFLOW);
            }
            cluster.observe(host, Seen::Failure);
            return ticket.flag(Flags::CONNECT_FAILURE);
        }
    };
    cluster.observe(host, CONNECTED);
    if !read.is_empty() {
        ticket.moved(read.len() as u64, 0);
        if stream.write_all(&read).await.is_err() {
            return ticket.flag(Flags::UPSTREAM_CLOSED);
        }
    }
    drop(read);
    let idle = cluster.limits.idle;
    carry(client, &mut downstream, &mut stream, idle, &mut ticket).await;
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
