//! What the operator may turn: threads, limits and timeouts. What the mesh decides is in its plans.

use std::path::PathBuf;
use std::time::Duration;

use crate::reporting::access_log::AccessLog;
use crate::reporting::trace::Tracing;

/// As many header fields as hyper has room for without allocating.
pub(crate) const USUAL_HEADERS: usize = 100;

/// Settings of a [`crate::Proxy`]. The defaults run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What paths of certificates that are not absolute begin at; empty is the folder that the program runs in.
    pub folder: PathBuf,
    /// Connections to a workload's listener may have been redirected to it by the kernel (Linux): where they were meant to go
    /// chooses the port, and is where hosts outside the mesh are.
    pub intercepts: bool,
    /// Where requests are written down; nowhere unless it is given.
    pub access_log: Option<AccessLog>,
    /// How requests are traced; unless it is given they are not, and headers of traces pass as others do.
    pub tracing: Option<Tracing>,
    /// Threads; 0 is one per core.
    pub threads: usize,
    /// How often each thread hands over its observations.
    pub flush_interval: Duration,
    /// For a request's head, and for how long a connection may be idle between two requests; watched to the second.
    pub header_read_timeout: Duration,
    /// For how long nothing of a request, its response or an upgraded connection may move, either way: then it is ended, and its
    /// connection to the endpoint is free. 0 is no limit; watched to the second. Envoy's default.
    pub stream_idle_timeout: Duration,
    /// Header fields of a request head, at most.
    pub max_headers: usize,
    /// Bytes of a request head, at most.
    pub max_head_bytes: usize,
    /// Open client connections per thread, at most; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Streams that an HTTP/2 client may have open on one connection.
    pub max_streams: u32,
    /// Bytes of a request's body that are kept to send them again; a longer one is not retried.
    pub replay_bytes: usize,
    /// To connect to an endpoint, where its cluster says nothing. Istio's default.
    pub connect_timeout: Duration,
    /// For how long an idle connection to an endpoint is kept. Istio's default.
    pub idle_timeout: Duration,
    /// Idle connections kept per endpoint and thread.
    pub max_idle_per_endpoint: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            folder: PathBuf::new(),
            access_log: None,
            tracing: None,
            intercepts: false,
            threads: 0,
            flush_interval: Duration::from_millis(250),
            header_read_timeout: Duration::from_secs(60),
            stream_idle_timeout: Duration::from_secs(300),
            max_headers: USUAL_HEADERS,
            max_head_bytes: 60 * 1024,
            max_connections: 20_000,
            max_streams: 256,
            replay_bytes: 1024 * 1024,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(3600),
            max_idle_per_endpoint: 1024,
        }
    }
}

impl Config {
    /// For how long nothing of a request may move; `None`: for ever.
    pub(crate) fn stream_idle(&self) -> Option<Duration> {
        Some(self.stream_idle_timeout).filter(|idle| !idle.is_zero())
    }

    /// The number of threads that this asks for on this machine.
    pub(crate) fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        }
    }
}
