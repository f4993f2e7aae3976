//! How a try ends, in the terms of retry conditions and of answers.

use http::Response;
use hyper::body::Incoming;
use mesh::plan::RetryOn;
use mesh::route::Outcome;

use crate::headers::{GRPC_STATUS, RATE_LIMITED};
use crate::reporting::reason::Reason;
use crate::request::reply::Reply;
use crate::upstream::connect::ConnectError;
use crate::upstream::outlier::TryResult;
use crate::upstream::pool::{LeaseError, SendError};

/// A try without a response.
pub(crate) struct Failed {
    pub(crate) reply: Reply,
    /// `None`: there is no use in another try.
    pub(crate) outcome: Option<Outcome>,
    /// Why there was no connection, in brief and in full.
    pub(crate) why: Option<(Reason, String)>,
}

/// What retry conditions see of a response.
pub(crate) fn outcome(response: &Response<Incoming>) -> Outcome {
    let status = response.status().as_u16();
    Outcome::Response {
        status,
        grpc: grpc_status(response),
        rate_limited: status >= 400 && response.headers().contains_key(RATE_LIMITED),
    }
}

fn grpc_status(response: &Response<Incoming>) -> Option<u32> {
    response.headers().get(GRPC_STATUS)?.to_str().ok()?.parse().ok()
}

/// What outlier detection sees of a response: of a gRPC call that failed at once, its status as one of HTTP.
pub(crate) fn seen(response: &Response<Incoming>) -> TryResult {
    TryResult::Status(match grpc_status(response) {
        None | Some(0) => response.status().as_u16(),
        Some(1) => 499,
        Some(4) => 504,
        Some(12) => 501,
        Some(14) => 503,
        Some(2 | 13 | 15) => 500,
        Some(_) => 400,
    })
}

/// What outlier detection sees of a try without a response: nothing where its endpoint had no part in that.
pub(crate) fn failure(failed: &Failed) -> Option<TryResult> {
    match failed.reply {
        Reply::TIMEOUT | Reply::CONNECT_TIMEOUT => Some(TryResult::Timeout),
        _ => failed.outcome.as_ref().map(|_| TryResult::Failure),
    }
}

/// Whether any condition asks for another try after a request was sent.
pub(crate) fn covers_sent(on: &RetryOn, h2: bool, is_grpc: impl FnOnce() -> bool) -> bool {
    let RetryOn {
        server_error,
        gateway_error,
        reset,
        reset_before_request: _,
        connect_failure: _,
        rate_limited,
        retriable_4xx,
        refused_stream,
        cancelled,
        deadline_exceeded,
        internal,
        resource_exhausted,
        unavailable,
        status_codes,
    } = on;
    *server_error
        || *gateway_error
        || *reset
        || *rate_limited
        || *retriable_4xx
        || !status_codes.is_empty()
        || (*refused_stream && h2)
        || ((*cancelled || *deadline_exceeded || *internal || *resource_exhausted || *unavailable)
            && is_grpc())
}

pub(crate) fn not_connected(error: &LeaseError) -> Failed {
    tracing::debug!(%error, "no connection to an upstream");
    let error = match error {
        LeaseError::Connect(error) => error,
        LeaseError::Overflow => return Failed { reply: Reply::OVERFLOW, outcome: None, why: None },
    };
    let (reply, outcome) = match error {
        ConnectError::Loop => (Reply::LOOP, None),
        ConnectError::Timeout => (Reply::CONNECT_TIMEOUT, Some(Outcome::ConnectFailure)),
        _ => (Reply::CONNECT_FAILURE, Some(Outcome::ConnectFailure)),
    };
    Failed { reply, outcome, why: Some((error.reason(), error.told())) }
}

pub(crate) fn not_answered(failed: &SendError) -> Failed {
    let error = &failed.error;
    tracing::debug!(%error, "no response from an upstream");
    let reset = Outcome::Reset { before_request: failed.unsent };
    let (reply, outcome) = match reset_reason(error) {
        Some(h2::Reason::REFUSED_STREAM) => (Reply::STREAM_REFUSED, Some(Outcome::RefusedStream)),
        Some(_) => (Reply::STREAM_RESET, Some(reset)),
        None if error.is_user() => (Reply::CLIENT_GONE, None),
        None if error.is_parse() => (Reply::PROTOCOL_ERROR, Some(reset)),
        None => (Reply::CONNECTION_CLOSED, Some(reset)),
    };
    Failed { reply, outcome, why: None }
}

/// The code of an HTTP/2 stream's reset.
fn reset_reason(error: &hyper::Error) -> Option<h2::Reason> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<h2::Error>().filter(|error| error.is_reset())?.reason()
}
