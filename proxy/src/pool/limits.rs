//! How connections to an endpoint are made and kept, and how many.

use std::time::Duration;

use mesh::plan::{ClusterPolicy, Keepalive};

use crate::breaker::{Ceilings, Limit};
use crate::config::Config;
use crate::stream::Stream;

/// How connections to an endpoint are made and kept.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// For a new connection.
    pub(crate) connect: Duration,
    /// Idle connections that are kept.
    pub(crate) max_idle: usize,
    /// HTTP/2, with prior knowledge.
    pub(crate) http2: bool,
    /// Requests that one connection carries.
    pub(crate) requests_per_connection: u32,
    /// Requests that one connection of HTTP/2 carries at once.
    pub(crate) streams: usize,
    /// How old a connection may become.
    pub(crate) lasts: Option<Duration>,
    /// How much of what the cluster may have.
    pub(crate) ceilings: Ceilings,
    /// Whether requests are counted, and those that wait.
    pub(crate) counts: (bool, bool),
    /// For how long bytes may stand still that are no HTTP.
    pub(crate) idle: Duration,
    keepalive: Option<Keepalive>,
}

impl Limits {
    pub(crate) fn new(policy: &ClusterPolicy, config: &Config) -> Self {
        let ceilings = Ceilings::new(&policy.bounds);
        Self {
            connect: policy.connect_timeout.unwrap_or(config.connect_timeout),
            max_idle: config.max_idle_per_endpoint,
            http2: policy.http2,
            requests_per_connection: policy.bounds.requests_per_connection.unwrap_or(u32::MAX),
            streams: policy.bounds.streams_per_connection.map_or(usize::MAX, |it| it as usize),
            lasts: policy.bounds.connection_duration,
            counts: (ceilings.counts(Limit::Requests), ceilings.counts(Limit::Pending)),
            ceilings,
            idle: policy.bounds.idle_timeout.unwrap_or(config.idle_timeout),
            keepalive: policy.bounds.keepalive,
        }
    }

    /// Of what no policy governs.
    pub(crate) fn outside(config: &Config) -> Self {
        Self::new(&ClusterPolicy::default(), config)
    }

    /// Sets up a new connection.
    pub(super) fn prepare(&self, stream: &Stream) {
        if let Some(keepalive) = &self.keepalive
            && let Err(error) = stream.keep_alive(keepalive)
        {
            // It works without.
            tracing::debug!(%error, "a connection is not kept alive");
        }
    }
}
