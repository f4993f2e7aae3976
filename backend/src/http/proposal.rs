//! `proposal`: what the folder on disk proposes, taken or dismissed. It is shown in the state.

use std::time::Instant;

use api::Problem;
use api::request::{NewRevision, PostAccept};
use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::App;
use super::extract::Body;
use super::problem::Failure;
use super::revisions::created;

/// Makes a revision of what the folder proposes
#[utoipa::path(
    post, path = "/proposal/accept", tag = "proposal", request_body = PostAccept,
    responses(
        (status = 201, body = NewRevision),
        (status = 404, description = "Nothing is proposed", body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn accept(
    State(app): State<App>,
    Body(request): Body<PostAccept>,
) -> Result<(StatusCode, Json<NewRevision>), Failure> {
    let (received, base) = (Instant::now(), request.base);
    let new = app.control.accept(request, received).await?;
    Ok((created(base, &new), Json(new)))
}

/// Forgets what the folder proposes, until its files change again
#[utoipa::path(
    post, path = "/proposal/dismiss", tag = "proposal",
    responses(
        (status = 204),
        (status = 404, description = "Nothing is proposed", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn dismiss(State(app): State<App>) -> Result<StatusCode, Failure> {
    app.control.dismiss().await?;
    Ok(StatusCode::NO_CONTENT)
}
