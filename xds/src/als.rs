//! What Envoys say of the requests and connections that they served: access logs over gRPC, as plain values.

mod read;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use envoy_types::pb::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::incoming::Incoming;
use crate::node::Node;

/// The tag by which a log says the cluster that a request was for, as in `%UPSTREAM_CLUSTER_RAW%`: by itself, Envoy names it only where a
/// host was picked.
pub const CLUSTER: &str = "cluster";

/// One request, or one connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When it began.
    pub start: SystemTime,
    /// How long it took until its end, or until now if it has not ended.
    pub duration: Duration,
    /// How long it took until the upstream's first byte.
    pub first_byte: Option<Duration>,
    /// It has not ended: of long connections Envoy speaks more than once.
    pub open: bool,
    /// The route's name.
    pub route: String,
    /// The upstream cluster's name; empty if it came to none, or to none that has a host and the log has no tag [`CLUSTER`].
    pub cluster: String,
    /// The upstream host, as in `127.0.0.1:9080`; empty if it came to none.
    pub upstream: String,
    /// How many times the upstream was tried.
    pub attempts: u32,
    /// What went wrong, as Envoy abbreviates it: `UH`, `UT`, `FI`, …
    pub flags: Vec<&'static str>,
    /// What went wrong in Envoy's words, or how it went right: `via_upstream`.
    pub details: String,
    /// Why the upstream's connection failed.
    pub failure: String,
    /// The name in the client's hello.
    pub sni: String,
    /// Bytes from the client; of a request, those of its body.
    pub received: u64,
    /// Bytes to the client; of a response, those of its body.
    pub sent: u64,
    /// The tags that the configuration adds.
    pub tags: BTreeMap<String, String>,
    /// What a request has more than a connection.
    pub http: Option<Http>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Http {
    /// `HTTP/1.1`, …
    pub protocol: &'static str,
    /// `GET`, …
    pub method: &'static str,
    /// The host that it asked for.
    pub authority: String,
    /// The path that it asked for, before it was rewritten.
    pub path: String,
    /// The response's code; 0 if there was none.
    pub code: u16,
    /// gRPC's status, if the configuration has the response's header or trailer logged.
    pub grpc: Option<u16>,
    /// The request's id.
    pub id: String,
    /// The user agent.
    pub agent: String,
    /// The request's headers that the configuration has logged.
    pub headers: BTreeMap<String, String>,
}

/// What a node said at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The node.
    pub node: Arc<Node>,
    /// The log's name.
    pub log: Arc<str>,
    /// The requests and connections.
    pub entries: Vec<Entry>,
}

/// Where batches go.
#[derive(Debug, Clone)]
pub struct Sink {
    batches: mpsc::Sender<Batch>,
    dropped: Arc<AtomicU64>,
}

/// Where batches come from.
#[derive(Debug)]
pub struct Logs {
    batches: mpsc::Receiver<Batch>,
    dropped: Arc<AtomicU64>,
}

/// A channel that holds so many batches: what does not fit is counted instead of holding anyone up.
pub fn channel(capacity: usize) -> (Sink, Logs) {
    let (sender, receiver) = mpsc::channel(capacity);
    let dropped = Arc::new(AtomicU64::new(0));
    (Sink { batches: sender, dropped: Arc::clone(&dropped) }, Logs { batches: receiver, dropped })
}

impl Sink {
    fn put(&self, batch: Batch) {
        if let Err(TrySendError::Full(batch) | TrySendError::Closed(batch)) = self.batches.try_send(batch) {
            self.dropped.fetch_add(batch.entries.len() as u64, Ordering::Relaxed);
        }
    }
}

impl Logs {
    /// The next batch; nothing when the server has ended.
    pub async fn next(&mut self) -> Option<Batch> {
        self.batches.recv().await
    }

    /// How many entries did not fit.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Hears a node out.
#[tracing::instrument(name = "logs", parent = None, skip_all, fields(node))]
pub(crate) async fn hear(
    mut messages: Incoming<StreamAccessLogsMessage>,
    sink: Sink,
    stop: CancellationToken,
) -> Result<(), Status> {
    let mut who = None;
    loop {
        let message = tokio::select! {
            () = stop.cancelled() => return Err(Status::unavailable("the server ends")),
            message = messages.next() => message?,
        };
        let Some(message) = message else { return Ok(()) };
        if let Some(identifier) = message.identifier {
            let node = Node::read(identifier.node.as_ref());
            let node = node.map_err(|error| Status::invalid_argument(error.to_string()))?;
            tracing::Span::current().record("node", &node.id);
            who = Some((Arc::new(node), Arc::from(identifier.log_name)));
        }
        let Some((node, log)) = &who else {
            return Err(Status::invalid_argument("the first message says which node it comes from"));
        };
        let entries: Vec<Entry> = match message.log_entries {
            Some(LogEntries::HttpLogs(logs)) => logs.log_entry.into_iter().map(read::http).collect(),
            Some(LogEntries::TcpLogs(logs)) => logs.log_entry.into_iter().map(read::tcp).collect(),
            None => Vec::new(),
        };
        if !entries.is_empty() {
            sink.put(Batch { node: Arc::clone(node), log: Arc::clone(log), entries });
        }
    }
}
