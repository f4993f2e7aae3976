//! Errors as problem details (RFC 9457), every one of them.

use std::any::Any;

use api::Problem;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::analysis::EditError;
use crate::control::Refusal;
use crate::load::LoadError;
use crate::store::StoreError;
use crate::work::WorkError;

/// The media type.
const MEDIA_TYPE: &str = "application/problem+json";
/// Longest text of a library's error that is taken over, in bytes.
const DETAIL: usize = 4096;

/// A problem as an answer.
#[derive(Debug)]
pub(super) struct Failure(Box<Problem>);

impl Failure {
    /// A problem that its status says all of.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::named("about:blank", status, status.canonical_reason().unwrap_or("Error"), detail)
    }

    fn named(kind: &str, status: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem {
            kind: kind.to_owned(),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: Some(detail.into()).filter(|detail| !detail.is_empty()),
            head: None,
            diagnostics: Vec::new(),
        }))
    }

    /// Something that the caller cannot help. The cause goes to the log.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))], body).into_response()
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        use mesh::revert::RevertError;
        let detail = refusal.to_string();
        match refusal {
            Refusal::Stale { head, .. } => {
                let title = "The base is not the newest revision";
                let mut failure = Self::named("/problems/stale-base", StatusCode::CONFLICT, title, detail);
                failure.0.head = Some(head);
                failure
            }
            Refusal::Invalid(diagnostics) => {
                let title = "The result has new errors";
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                let mut failure = Self::named("/problems/invalid", status, title, detail);
                failure.0.diagnostics = diagnostics;
                failure
            }
            Refusal::Refused(diagnostics) => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                let mut failure = Self::named("/problems/refused", status, "The cluster refuses it", detail);
                failure.0.diagnostics = diagnostics;
                failure
            }
            Refusal::Conflict(_) => {
                let title = "The cluster has another state";
                Self::named("/problems/conflict", StatusCode::CONFLICT, title, detail)
            }
            Refusal::Limit(_) | Refusal::Edit(EditError::Limit(_)) => {
                let title = "It is more than it may be";
                Self::named("/problems/limit", StatusCode::PAYLOAD_TOO_LARGE, title, detail)
            }
            Refusal::Edit(EditError::Unfit(_)) => {
                let title = "An edit does not fit the mesh";
                Self::named("/problems/edit", StatusCode::UNPROCESSABLE_ENTITY, title, detail)
            }
            Refusal::Revert(RevertError::First | RevertError::ChangedSince { .. }) => {
                let title = "The revision cannot be taken back";
                Self::named("/problems/revert", StatusCode::CONFLICT, title, detail)
            }
            Refusal::NoRevision(_) | Refusal::NoProposal => Self::new(StatusCode::NOT_FOUND, detail),
            Refusal::Store(error) => error.into(),
            Refusal::Work(WorkError::Panicked(_)) => {
                tracing::error!(error = detail, "internal error");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
            }
            Refusal::TooLong => Self::new(StatusCode::GATEWAY_TIMEOUT, detail),
            Refusal::Work(WorkError::Busy | WorkError::Down) | Refusal::Unreachable(_) | Refusal::Down => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if let StoreError::Full(_) = &error {
            tracing::error!(error = &error as &dyn std::error::Error, "request failed");
            let detail = "the revision log cannot grow, so nothing was changed; free space on the disk that holds the data folder, \
                          then apply again";
            return Self::named(
                "/problems/disk-full",
                StatusCode::INSUFFICIENT_STORAGE,
                "The disk is full",
                detail,
            );
        }
        Self::internal(&error)
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let status = match error {
            LoadError::Rate => StatusCode::BAD_REQUEST,
            LoadError::NoGateway => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}

/// The answer after a panic, which is logged.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the server has a bug; its log says where")
        .into_response()
}

/// Makes problems of the errors that libraries answer with: methods, limits, timeouts, cross-site requests.
pub(super) async fn describe(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let told = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == MEDIA_TYPE);
    if told || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, DETAIL).await.unwrap_or_default();
    let detail = if text.is_empty() { explain(status).into() } else { String::from_utf8_lossy(&text) };
    let problem = Failure::new(status, detail);
    for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING] {
        parts.headers.remove(name);
    }
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Response::from_parts(parts, Body::from(serde_json::to_vec(&problem.0).unwrap_or_default()))
}

fn explain(status: StatusCode) -> &'static str {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => "the header `allow` says which methods there are here",
        StatusCode::PAYLOAD_TOO_LARGE => "a request may have 16 MiB at most",
        StatusCode::GATEWAY_TIMEOUT => "it took longer than 30 s",
        StatusCode::FORBIDDEN => "another site's page may not change the mesh",
        _ => "",
    }
}
