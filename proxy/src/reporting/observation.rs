//! Observations: what really happened to each request, counted per thread without locks and handed over in batches.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mesh::plan::{ClusterKey, Endpoint};
use mesh::{RouteKey, Source};

use crate::reporting::distribution::Answers;
use crate::reporting::names::Name;
use crate::reporting::reason::Reason;

/// Significant digits of latencies: each is told within 1 %.
const DIGITS: u8 = 2;

/// What observations are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObservationKey {
    /// The caller.
    pub source: Arc<Source>,
    /// Revision of the plan that routed it.
    pub revision: u64,
    /// The route; `None` for default routes and for requests that no route took.
    pub route: Option<RouteKey>,
    /// Destination service's fully qualified host; where no virtual host has it, what [`crate::Names`] makes of the authority.
    pub host: Name,
    /// Subset that the route named.
    pub subset: Option<String>,
    /// Label `version` of the instance that the last try went to; the subset where there was none.
    pub version: String,
}

/// Counts of one key.
#[derive(Debug, Clone)]
pub struct Stats {
    /// Requests that were sent this way, counted when an instance was picked for their first try (at their end where none
    /// was). Shares are counted by this: by their ends, those of a slow version would seem too few. Copies of requests are not
    /// among them.
    pub chosen: u64,
    /// Requests that ended.
    pub requests: u64,
    /// By status; 0 stands for no response.
    pub codes: HashMap<u16, u64>,
    /// By status and flags.
    pub answers: Answers,
    /// By response flag (`DI`, `FI`, `UH`, `UF`, `UO`, `UC`, `UT`, `NR`, `NC`, `URX`, `DC`, `UR`, `UPE`, `SI`).
    pub flags: HashMap<&'static str, u64>,
    /// Time from the request's head to the end of the response, in microseconds.
    pub latency: Histogram<u32>,
    /// Connections to endpoints that could not be made, and clients with whom TLS was not agreed on, by why.
    pub failures: HashMap<Reason, u64>,
    /// Bytes of request bodies.
    pub bytes_sent: u64,
    /// Bytes of response bodies.
    pub bytes_received: u64,
    /// Tries beyond the first.
    pub retries: u64,
    /// Connections that were passed on as bytes (plain TCP, TLS that is not opened). They are no requests; their bytes are
    /// counted with those of bodies.
    pub connections_opened: u64,
    /// Of those, the ones that have ended.
    pub connections_closed: u64,
}

impl Stats {
    /// Adds what others counted under the same key.
    pub fn merge(&mut self, other: &Self) {
        self.chosen += other.chosen;
        self.requests += other.requests;
        for (&code, count) in &other.codes {
            *self.codes.entry(code).or_default() += count;
        }
        self.answers.merge(&other.answers);
        for (&flag, count) in &other.flags {
            *self.flags.entry(flag).or_default() += count;
        }
        for (&reason, count) in &other.failures {
            *self.failures.entry(reason).or_default() += count;
        }
        // It grows as it needs to, so there is no value that it cannot take.
        let _ = self.latency.add(&other.latency);
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.retries += other.retries;
        self.connections_opened += other.connections_opened;
        self.connections_closed += other.connections_closed;
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            chosen: 0,
            requests: 0,
            codes: HashMap::new(),
            answers: Answers::default(),
            flags: HashMap::new(),
            failures: HashMap::new(),
            latency: latencies(),
            bytes_sent: 0,
            bytes_received: 0,
            retries: 0,
            connections_opened: 0,
            connections_closed: 0,
        }
    }
}

/// An empty histogram of latencies; it grows with its values.
#[expect(clippy::expect_used, reason = "only more than five digits are refused")]
pub(crate) fn latencies() -> Histogram<u32> {
    Histogram::new(DIGITS).expect("two digits are allowed")
}

/// An endpoint of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Its service's host.
    pub host: String,
    /// Its address.
    pub address: String,
    /// Its port.
    pub port: u16,
}

impl Place {
    /// An endpoint of a cluster.
    pub fn of(cluster: &ClusterKey, endpoint: &Endpoint) -> Self {
        let Endpoint { address, port, .. } = endpoint;
        Self { host: cluster.host.clone(), address: address.clone(), port: *port }
    }
}

/// How tries on an endpoint ended, each retry counted by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    /// Without a response; with a status below 300, 400 and 500; with any other.
    pub by_class: [u32; 5],
}

impl Tries {
    /// One more; 0 is no response.
    pub fn add(&mut self, status: u16) {
        let class = match status {
            0 => 0,
            1..300 => 1,
            300..400 => 2,
            400..500 => 3,
            500.. => 4,
        };
        self.by_class[class] = self.by_class[class].saturating_add(1);
    }

    /// Adds what others counted.
    pub fn merge(&mut self, other: &Self) {
        self.by_class.iter_mut().zip(other.by_class).for_each(|(own, more)| *own = own.saturating_add(more));
    }
}

/// What one thread counted since its last batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// Counts by key.
    pub stats: HashMap<ObservationKey, Stats>,
    /// Tries by endpoint, as far as the mesh names it.
    pub tries: HashMap<Place, Tries>,
}

impl Batch {
    /// Nothing was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.stats.is_empty() && self.tries.is_empty()
    }
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Open connections.
    Connections,
    /// Requests that wait for a connection.
    Pending,
    /// Active requests.
    Requests,
    /// Active retries.
    Retries,
}

impl Limit {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Connections, Self::Pending, Self::Requests, Self::Retries];
}

/// What an endpoint was ejected for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EjectedFor {
    /// Errors in a row.
    Errors,
    /// Gateway errors in a row.
    GatewayErrors,
    /// Failures without a response in a row.
    LocalFailures,
}

/// What threads tell at once.
#[derive(Debug, Clone)]
pub enum Notice {
    /// An endpoint failed so often that a source's cluster does not use it for a while.
    Ejected {
        /// The source.
        source: Arc<Source>,
        /// Its cluster.
        cluster: ClusterKey,
        /// The endpoint's address.
        address: String,
        /// The endpoint's port.
        port: u16,
        /// What for.
        why: EjectedFor,
        /// How often in a row.
        times: u32,
        /// For how long at least.
        length: Duration,
        /// When.
        at: Instant,
    },
    /// An endpoint that was ejected is used again.
    Returned {
        /// The source.
        source: Arc<Source>,
        /// Its cluster.
        cluster: ClusterKey,
        /// The endpoint's address.
        address: String,
        /// The endpoint's port.
        port: u16,
        /// When.
        at: Instant,
    },
    /// An endpoint could not be connected to. It is still asked.
    Unreachable {
        /// The source.
        source: Arc<Source>,
        /// Its cluster.
        cluster: ClusterKey,
        /// The endpoint's address.
        address: String,
        /// The endpoint's port.
        port: u16,
        /// Why.
        why: Reason,
        /// When.
        at: Instant,
    },
    /// An endpoint that could not be connected to was.
    Reachable {
        /// The source.
        source: Arc<Source>,
        /// Its cluster.
        cluster: ClusterKey,
        /// The endpoint's address.
        address: String,
        /// The endpoint's port.
        port: u16,
        /// When.
        at: Instant,
    },
    /// Health checks say that an endpoint is not well: no source uses it.
    Unhealthy {
        /// The service's host.
        host: String,
        /// The endpoint's address.
        address: String,
        /// The endpoint's port.
        port: u16,
        /// What the check saw.
        why: String,
        /// When.
        at: Instant,
    },
    /// Health checks say that an endpoint is well.
    Healthy {
        /// The service's host.
        host: String,
        /// The endpoint's address.
        address: String,
        /// The endpoint's port.
        port: u16,
        /// When.
        at: Instant,
    },
    /// A source's cluster has reached a limit, or nothing was beyond it for a second.
    Breaker {
        /// The source.
        source: Arc<Source>,
        /// Its cluster.
        cluster: ClusterKey,
        /// Which limit.
        limit: Limit,
        /// Whether it is reached.
        open: bool,
        /// When.
        at: Instant,
    },
    /// The first request of a thread under a revision was routed.
    FirstRequest {
        /// The revision.
        revision: u64,
        /// When.
        at: Instant,
    },
}
