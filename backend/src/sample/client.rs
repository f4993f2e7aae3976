//! How an instance calls others: through its own workload's outbound listener, with connections kept alive.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderName};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Gives the address of a workload's outbound listener.
pub(super) type Outbound = dyn Fn(&str) -> Option<SocketAddr> + Send + Sync;

/// Headers that a call passes on, so that traces and rules see one request all the way.
const PASSED_ON: [&str; 11] = [
    "x-request-id",
    "traceparent",
    "tracestate",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-ot-span-context",
    "end-user",
];

/// No answer of the sample is longer.
const BODY_LIMIT: usize = 256 * 1024;

/// Why a call brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// It was answered with this status, which is no success.
    Status(StatusCode),
    /// No answer in time.
    TimedOut,
    /// Nobody answered.
    Unreachable,
}

impl Failure {
    /// The status to pass on to one's own caller.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Status(status) => status,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// In words, for the page.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Status(status) => format!("answered {}", status.as_u16()),
            Self::TimedOut => "did not answer in time".to_owned(),
            Self::Unreachable => "could not be reached".to_owned(),
        }
    }
}

/// The outgoing side of one instance.
#[derive(Clone)]
pub(super) struct Client {
    workload: &'static str,
    outbound: Arc<Outbound>,
    pool: Pool<HttpConnector, Empty<Bytes>>,
}

impl Client {
    pub(super) fn new(workload: &'static str, outbound: Arc<Outbound>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .build(connector);
        Self { workload, outbound, pool }
    }

    /// `GET http://host/path` with the headers of `incoming` that are passed on.
    pub(super) async fn get(
        &self,
        host: &str,
        path: &str,
        incoming: &HeaderMap,
        timeout: Duration,
    ) -> Result<serde_json::Value, Failure> {
        tokio::time::timeout(timeout, self.call(host, path, incoming)).await.unwrap_or(Err(Failure::TimedOut))
    }

    async fn call(&self, host: &str, path: &str, incoming: &HeaderMap) -> Result<serde_json::Value, Failure> {
        let address = (self.outbound)(self.workload).ok_or(Failure::Unreachable)?;
        let mut request = Request::get(format!("http://{address}{path}")).header(HOST, host);
        for name in PASSED_ON {
            for value in incoming.get_all(name) {
                request = request.header(HeaderName::from_static(name), value);
            }
        }
        let request = request.body(Empty::new()).map_err(|_| Failure::Unreachable)?;
        let response = self.pool.request(request).await.map_err(|_| Failure::Unreachable)?;
        let (parts, body) = response.into_parts();
        let body =
            Limited::new(body, BODY_LIMIT).collect().await.map_err(|_| Failure::Unreachable)?.to_bytes();
        if !parts.status.is_success() {
            return Err(Failure::Status(parts.status));
        }
        serde_json::from_slice(&body).map_err(|_| Failure::Status(StatusCode::BAD_GATEWAY))
    }
}
