//! Spans: what is recorded of a request, and how it gets off the thread that served it. Nothing waits for whoever reads
//! them: spans that find no room are counted as lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use mesh::Source;
use mesh::plan::ClusterKey;
use tokio::sync::mpsc;

use super::{Context, Duration, SystemTime};
use crate::reporting::names::Name;

/// Spans that may wait.
const WAITING: usize = 8_192;

/// A request as a trace shows it.
#[derive(Debug, Clone)]
pub struct Span {
    /// The trace.
    pub trace: u128,
    /// The span.
    pub id: u64,
    /// The span of the client.
    pub parent: Option<u64>,
    /// Whose traffic it is.
    pub source: Arc<Source>,
    /// When its head had come.
    pub started: SystemTime,
    /// Until the end of its response.
    pub took: Duration,
    /// `GET` and so on.
    pub method: String,
    /// `http` or `https`, as the client spoke.
    pub scheme: &'static str,
    /// The host that was asked for.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
    /// The client's own word for itself.
    pub user_agent: Option<String>,
    /// `x-request-id`.
    pub request_id: Option<String>,
    /// The client's address.
    pub peer: std::net::IpAddr,
    /// 0 without a response.
    pub status: u16,
    /// As in Envoy's access log: `UF,URX`, or `-`.
    pub flags: String,
    /// Where the request was sent.
    pub cluster: Option<ClusterKey>,
    /// What it is counted under: the cluster's host, or the one that was asked for.
    pub host: Name,
    /// The address of the last try.
    pub upstream: Option<String>,
    /// Tries beyond the first.
    pub retries: u32,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the response's.
    pub sent: u64,
}

/// Where spans come out.
#[derive(Debug)]
pub struct Spans {
    spans: mpsc::Receiver<Span>,
    lost: Arc<AtomicU64>,
}

impl Spans {
    /// Waits for spans and appends them, `most` at once; how many they are. 0: there will be no more.
    pub async fn next(&mut self, into: &mut Vec<Span>, most: usize) -> usize {
        self.spans.recv_many(into, most).await
    }

    /// Spans that found no room since this was last asked.
    pub fn lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

/// What takes spans from a thread of the proxy.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    spans: mpsc::Sender<Span>,
    lost: Arc<AtomicU64>,
}

/// What is known of a request that is recorded, beside what the access log would say.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) sink: Sink,
    pub(crate) context: Context,
    pub(crate) source: Arc<Source>,
    pub(crate) scheme: &'static str,
    pub(crate) peer: std::net::IpAddr,
    pub(crate) cluster: Option<ClusterKey>,
    /// What the request is counted under.
    pub(crate) host: Name,
}

impl Sink {
    pub(crate) fn open() -> (Self, Spans) {
        let (sender, spans) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        (Self { spans: sender, lost: Arc::clone(&lost) }, Spans { spans, lost })
    }

    pub(crate) fn put(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A header as text.
pub(crate) fn text(value: Option<&HeaderValue>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The beginning of a text, at most so many bytes.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
