//! Observations: what really happened to each request, counted per thread without locks and handed over in batches.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use mesh::{RouteKey, Source};

/// What observations are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObservationKey {
    /// The caller.
    pub source: Arc<Source>,
    /// Revision of the plan that routed it.
    pub revision: u64,
    /// The route; `None` for default routes and for requests that no route took.
    pub route: Option<RouteKey>,
    /// Destination service's fully qualified host, or the authority where no virtual host has it.
    pub host: String,
    /// Subset that the route named.
    pub subset: Option<String>,
    /// Label `version` of the instance that was reached; the subset where none was.
    pub version: String,
}

/// Counts of one key.
#[derive(Debug, Clone)]
pub struct Stats {
    /// Requests that ended.
    pub requests: u64,
    /// By status; 0 stands for no response.
    pub codes: HashMap<u16, u64>,
    /// By response flag (`DI`, `FI`, `UH`, `UF`, `UO`, `UC`, `UT`, `NR`, `NC`, `URX`, `DC`).
    pub flags: HashMap<&'static str, u64>,
    /// Time from the request's head to the end of the response, in microseconds.
    pub latency: hdrhistogram::Histogram<u32>,
    /// Bytes of request bodies.
    pub bytes_sent: u64,
    /// Bytes of response bodies.
    pub bytes_received: u64,
    /// Tries beyond the first.
    pub retries: u64,
}

/// What one thread counted since its last batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// Counts by key.
    pub stats: HashMap<ObservationKey, Stats>,
}

/// What threads tell at once.
#[derive(Debug, Clone)]
pub enum Notice {
    /// The first request of a thread under a revision was routed.
    FirstRequest {
        /// The revision.
        revision: u64,
        /// When.
        at: Instant,
    },
}
