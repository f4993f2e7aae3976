//! What the apps of the sample have in common: what they answer with, and what they need for it.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use super::client::Client;
use super::pace::Pace;

/// What an app needs to answer.
pub(super) struct Context {
    /// The workload's name.
    pub(super) name: &'static str,
    pub(super) client: Client,
    pub(super) pace: Pace,
}

/// An answer of the sample.
pub(super) type Answer = Response<Full<Bytes>>;

/// The part of a request's path after `prefix`, when it is one segment.
pub(super) fn id_after<'r>(request: &'r Parts, prefix: &str) -> Option<&'r str> {
    request.uri.path().strip_prefix(prefix).filter(|id| !id.is_empty() && !id.contains('/'))
}

/// 200 with JSON.
pub(super) fn json(body: &serde_json::Value) -> Answer {
    with_type(StatusCode::OK, "application/json", body.to_string())
}

/// An error as JSON.
pub(super) fn error(status: StatusCode, message: &str) -> Answer {
    with_type(status, "application/json", serde_json::json!({ "error": message }).to_string())
}

/// A body with its media type.
pub(super) fn with_type(status: StatusCode, media_type: &'static str, body: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
