//! Answers that the proxy gives itself, with Envoy's words.

use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Response, StatusCode};
use mesh::plan::{AbortWith, Direct};

use crate::headers::{GRPC_STATUS, OVERLOADED};
use crate::reporting::flags::Flags;
use crate::request::body::ClientBody;
use crate::request::tracker::Tracker;

/// An answer: status, flag and body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    status: StatusCode,
    flag: Option<Flags>,
    body: &'static str,
    /// What the access log says of it.
    details: &'static str,
}

impl Reply {
    /// No route takes the request, or nobody knows its host.
    pub(crate) const NO_ROUTE: Self =
        Self::new(StatusCode::NOT_FOUND, Some(Flags::NO_ROUTE), "", "route_not_found");
    /// The host is outside the mesh, and the mesh forbids that.
    pub(crate) const FORBIDDEN_HOST: Self = Self::new(StatusCode::BAD_GATEWAY, None, "", "direct_response");
    /// The route leads to a cluster that does not exist.
    pub(crate) const NO_CLUSTER: Self =
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Some(Flags::NO_CLUSTER), "", "cluster_not_found");
    /// The cluster has no endpoint.
    pub(crate) const NO_UPSTREAM: Self = Self::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Some(Flags::NO_UPSTREAM),
        "no healthy upstream",
        "no_healthy_upstream",
    );
    /// The request's time, or its last try's, was up.
    pub(crate) const TIMEOUT: Self = Self::new(
        StatusCode::GATEWAY_TIMEOUT,
        Some(Flags::TIMEOUT),
        "upstream request timeout",
        "response_timeout",
    );
    /// No connection.
    pub(crate) const CONNECT_FAILURE: Self = Self::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Some(Flags::CONNECT_FAILURE),
        "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
        "upstream_reset_before_response_started{remote_connection_failure}",
    );
    /// No connection in time.
    pub(crate) const CONNECT_TIMEOUT: Self = Self::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Some(Flags::CONNECT_FAILURE),
        "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
        "upstream_reset_before_response_started{connection_timeout}",
    );
    /// A limit of the cluster is reached.
    pub(crate) const OVERFLOW: Self = Self::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Some(Flags::OVERFLOW),
        "upstream connect error or disconnect/reset before headers. reset reason: overflow",
        "upstream_reset_before_response_started{overflow}",
    );
    /// The connection ended before the response.
    pub(crate) const CONNECTION_CLOSED: Self = Self::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Some(Flags::UPSTREAM_CLOSED),
        "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
        "upstream_reset_before_response_started{connection_termination}",
    );
    /// The upstream reset the stream.
    pub(crate) const STREAM_RESET: Self = Self::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Some(Flags::UPSTREAM_RESET),
        "upstream connect error or disconnect/reset before headers. reset reason: remote reset",
        "upstream_reset_before_response_started{remote_reset}",
    );
    /// The upstream refused the stream.
    pub(crate) const STREAM_REFUSED: Self = Self::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Some(Flags::UPSTREAM_RESET),
        "upstream connect error or disconnect/reset before headers. reset reason: remote refused stream reset",
        "upstream_reset_before_response_started{remote_refused_stream_reset}",
    );
    /// What came from the upstream is not HTTP.
    pub(crate) const PROTOCOL_ERROR: Self = Self::new(
        StatusCode::BAD_GATEWAY,
        Some(Flags::UPSTREAM_PROTOCOL),
        "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
        "upstream_reset_before_response_started{protocol_error}",
    );
    /// The request leads back to this proxy.
    pub(crate) const LOOP: Self =
        Self::new(StatusCode::LOOP_DETECTED, Some(Flags::NO_ROUTE), "", "loop_detected");
    /// The client broke off: nobody will read this.
    pub(crate) const CLIENT_GONE: Self =
        Self::new(StatusCode::BAD_REQUEST, Some(Flags::CLIENT_GONE), "", "downstream_remote_disconnect");
    /// The request asks for what this connection is not for.
    pub(crate) const FORBIDDEN: Self = Self::new(StatusCode::FORBIDDEN, None, "", "upgrade_failed");
    /// The request cannot be understood.
    pub(crate) const BAD_REQUEST: Self = Self::new(StatusCode::BAD_REQUEST, None, "", "bad_request");

    const fn new(status: StatusCode, flag: Option<Flags>, body: &'static str, details: &'static str) -> Self {
        Self { status, flag, body, details }
    }

    /// What went wrong.
    pub(crate) fn flags(self) -> Flags {
        self.flag.unwrap_or_default()
    }

    /// The answer; the tracker ends with it.
    pub(crate) fn answer(self, mut tracker: Tracker) -> Response<ClientBody> {
        if let Some(flag) = self.flag {
            tracker.flag(flag);
        }
        tracker.tell(|line| line.details = Some(self.details));
        let mut response = answer(self.status, Bytes::from_static(self.body.as_bytes()), tracker);
        if self == Self::OVERFLOW {
            response.headers_mut().insert(OVERLOADED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// What a fault says.
const ABORTED: &[u8] = b"fault filter abort";

/// The answer to a request that a fault aborts.
pub(crate) fn aborted(with: AbortWith, is_grpc: bool, mut tracker: Tracker) -> Response<ClientBody> {
    tracker.flag(Flags::ABORT);
    tracker.tell(|line| line.details = Some("fault_filter_abort"));
    match with {
        AbortWith::Http(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            answer(status, Bytes::from_static(ABORTED), tracker)
        }
        // A status of gRPC says nothing to who has made no call of it.
        AbortWith::Grpc(_) if !is_grpc => answer(StatusCode::OK, Bytes::from_static(ABORTED), tracker),
        // A reset has no answer; who asks for one anyway gets none of the upstream's.
        AbortWith::Reset => answer(StatusCode::SERVICE_UNAVAILABLE, Bytes::new(), tracker),
        AbortWith::Grpc(code) => {
            let mut response = answer(StatusCode::OK, Bytes::new(), tracker);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(GRPC_STATUS, HeaderValue::from(code));
            headers.insert("grpc-message", HeaderValue::from_static("fault filter abort"));
            response
        }
    }
}

/// A direct response. Where its status wants a location it is that of the request itself, as Envoy has it.
pub(crate) fn direct(
    direct: &Direct,
    location: Option<HeaderValue>,
    mut tracker: Tracker,
) -> Response<ClientBody> {
    tracker.tell(|line| line.details = Some("direct_response"));
    let status = StatusCode::from_u16(direct.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer(status, Bytes::copy_from_slice(&direct.body), tracker);
    if let Some(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// Any answer; the tracker ends with it.
pub(crate) fn answer(status: StatusCode, body: Bytes, mut tracker: Tracker) -> Response<ClientBody> {
    tracker.status(status.as_u16());
    tracker.received(body.len());
    tracker.complete(Instant::now());
    let text = !body.is_empty();
    let mut response = Response::new(ClientBody::own(body));
    *response.status_mut() = status;
    if text {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    response
}
