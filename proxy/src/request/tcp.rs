//! Connections whose bytes are passed on as they come: plain TCP, and TLS that is not opened.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mesh::plan::{UnknownHost, split_authority};
use mesh::route::Passage;
use tokio::io::AsyncWriteExt;

use crate::net::copy::{Timeouts, copy};
use crate::net::downstream::Downstream;
use crate::net::stream::Stream;
use crate::reporting::flags::Flags;
use crate::reporting::reason::{self, Reason};
use crate::request::affinity;
use crate::request::client::Client;
use crate::request::reply::Reply;
use crate::request::tracker::Tracker;
use crate::state::plan::{ActivePlan, RouteEntry};
use crate::state::source::SourceState;
use crate::upstream::cluster;
use crate::upstream::outlier::TryResult;
use crate::upstream::pool::{ActiveConnection, LeaseError, Limits};

/// What outlier detection takes a connection for that could be made.
const CONNECTED: TryResult = TryResult::Status(200);

/// For what an upstream takes at once unless it is stuck.
const PROMPT: Duration = Duration::from_secs(10);

/// A connection on its way: where it goes is decided. It holds no plan, since it may outlast many.
pub(crate) struct Transfer {
    entry: Rc<RouteEntry>,
    tracker: Tracker,
    /// The name that the client asked for.
    name: Option<String>,
    delay: Option<Duration>,
    reset: bool,
    downstream: Downstream,
    /// What was read of it already.
    read: Vec<u8>,
}

impl Transfer {
    /// To where its route leads.
    pub(crate) fn new(
        client: &Client,
        active: &ActivePlan,
        passage: &Passage<'_>,
        name: Option<&str>,
        (downstream, read): (Downstream, Vec<u8>),
    ) -> Self {
        let shared = &client.front.shared;
        shared.routed_by(active.plan.revision, Instant::now());
        let entry = active.connection_entry(passage, &client.front.source.state, shared);
        let tracker = Tracker::connection(entry.counter(None, shared), &client.activity);
        let (delay, reset) = (passage.delay, passage.reset);
        Self { entry, tracker, name: name.map(str::to_owned), delay, reset, downstream, read }
    }

    /// To where the kernel says that it wanted to go, if the mesh lets hosts outside it be reached.
    pub(crate) fn passthrough(
        client: &Client,
        active: &ActivePlan,
        unknown: UnknownHost,
        (downstream, read): (Downstream, Vec<u8>),
    ) -> Option<Self> {
        let original_dst = client.original_dst.map(|original_dst| original_dst.to_string());
        let Some(original_dst) = original_dst.filter(|_| unknown == UnknownHost::Passthrough) else {
            refuse(client, active, "*");
            return None;
        };
        let front = &*client.front;
        let (host, port) = split_authority(&original_dst);
        let upstream = front.source.state.passthrough(host, port.unwrap_or_default());
        let cluster = cluster::LocalCluster::passthrough(upstream, Limits::outside(&front.shared.config));
        let entry =
            Rc::new(active.unknown_entry(&original_dst, &front.source.state).toward(Rc::new(cluster)));
        let tracker = Tracker::connection(entry.counter(None, &front.shared), &client.activity);
        Some(Self { entry, tracker, name: None, delay: None, reset: false, downstream, read })
    }

    /// Connects, and copies until the end.
    pub(crate) async fn run(self, client: &Client) {
        let Self { entry, mut tracker, name, delay, reset, mut downstream, read } = self;
        if let Some(delay) = delay {
            tracker.flag(Flags::DELAY);
            tokio::time::sleep(delay).await;
        }
        if reset {
            tracker.flag(Flags::ABORT);
            client.activity.reset();
            return;
        }
        let reached = reach(client, &entry, name.as_deref(), &mut tracker).await;
        drop(entry);
        let UpstreamConnection { mut stream, busy: _busy, timeouts } = match reached {
            Ok(reached) => reached,
            Err(reply) => {
                // As Envoy writes it down: a connection is tried once.
                if reply == Reply::CONNECT_FAILURE {
                    tracker.flag(Flags::RETRIES_EXHAUSTED);
                }
                return tracker.flag(reply.flags());
            }
        };
        if !read.is_empty() {
            tracker.moved(read.len() as u64, 0);
            // A new connection takes so few bytes at once.
            let written = tokio::time::timeout(PROMPT, stream.write_all(&read)).await;
            if !matches!(written, Ok(Ok(()))) {
                return tracker.flag(Flags::UPSTREAM_CLOSED);
            }
        }
        drop(read);
        carry(client, &mut downstream, &mut stream, timeouts, &mut tracker).await;
    }
}

/// A connection to an upstream; it counts as long as it is there.
pub(crate) struct UpstreamConnection {
    pub(crate) stream: Stream,
    pub(crate) busy: ActiveConnection,
    pub(crate) timeouts: Timeouts,
}

/// Connects to where a destination leads.
pub(crate) async fn reach(
    client: &Client,
    entry: &RouteEntry,
    name: Option<&str>,
    tracker: &mut Tracker,
) -> Result<UpstreamConnection, Reply> {
    let shared = &client.front.shared;
    let cluster = entry.cluster.clone().filter(|cluster| !cluster.missing).ok_or(Reply::NO_CLUSTER)?;
    let cluster = SourceState::reached(&cluster, client.original_dst, name).ok_or(Reply::NO_UPSTREAM)?;
    let hash = cluster.hash.as_ref().and_then(|hash| affinity::of_connection(&hash.key, client.peer.ip()));
    let host = shared.with_random(|random| cluster.pick(random, &[], hash)).ok_or(Reply::NO_UPSTREAM)?;
    tracker.count_with(entry.counter(Some(cluster.hosts[host].version), shared));
    let upstream = &cluster.hosts[host].upstream;
    let limits = cluster.limits.toward(&client.info(false));
    match upstream.connect(&limits, |at| shared.is_own(at)).await {
        Ok((stream, busy)) => {
            cluster.observe(host, CONNECTED);
            cluster.reached(host);
            shared.tried(upstream, 200);
            let Limits { idle, lasts, .. } = cluster.limits;
            Ok(UpstreamConnection { stream, busy, timeouts: Timeouts { idle: Some(idle), lasts } })
        }
        Err(LeaseError::Overflow) => Err(Reply::OVERFLOW),
        Err(LeaseError::Connect(error)) => {
            let (reason, told) = (error.reason(), error.told());
            tracker.unconnected(reason, &told);
            cluster.unreachable(host, reason, &told);
            cluster.observe(host, TryResult::Failure);
            shared.tried(upstream, 0);
            Err(Reply::CONNECT_FAILURE)
        }
    }
}

/// Copies until the end. What breaks on one side is broken off on the other: an end in order would say that all has come.
pub(crate) async fn carry(
    client: &Client,
    downstream: &mut Downstream,
    upstream: &mut Stream,
    timeouts: Timeouts,
    tracker: &mut Tracker,
) {
    let moved = |sent, received| tracker.moved(sent, received);
    let copied = copy(downstream, &mut *upstream, timeouts, moved).await;
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
pub(crate) fn refuse(client: &Client, active: &ActivePlan, name: &str) {
    let front = &*client.front;
    let entry = active.unknown_entry(name, &front.source.state);
    let mut tracker = Tracker::connection(entry.counter(None, &front.shared), &client.activity);
    tracker.flag(Flags::NO_ROUTE);
}

/// TLS with a client was not agreed on.
pub(crate) fn unsecured(client: &Client, active: &ActivePlan, error: &io::Error) {
    let front = &*client.front;
    let reason = Reason::of_io(error);
    active.unknown_entry("*", &front.source.state).counter(None, &front.shared).fail(reason);
    // Who only looks whether somebody listens goes away; and nobody fills the log by making mistakes.
    if reason != Reason::Closed && front.shared.may_tell() {
        let (peer, why) = (client.peer, reason::told(reason, error));
        tracing::warn!(%peer, why, "TLS with a client failed; further failures are counted");
    }
}
