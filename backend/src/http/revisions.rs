//! `revisions`: history, single revisions, new ones, and taking one back.

use std::time::Instant;

use std::sync::Arc;

use api::Problem;
use api::request::{History, HistoryQuery, NewRevision, PostRevert, PostRevision, RevisionDetail};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mesh::diff;

use super::App;
use super::extract::{Body, Number, Parameters};
use super::problem::Failure;
use crate::control::Refusal;
use crate::store::{Store, StoreError};

/// Revisions of a page unless asked otherwise.
const PAGE: u32 = 50;
/// Revisions of a page at most.
const LARGEST_PAGE: u32 = 200;

/// History, newest first
#[utoipa::path(
    get, path = "/revisions", tag = "revisions", params(HistoryQuery),
    responses((status = 200, body = History), (status = 400, body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn history(
    State(app): State<App>,
    Parameters(query): Parameters<HistoryQuery>,
) -> Result<Json<History>, Failure> {
    let limit = query.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE) as usize;
    let revisions = read(app.store, move |store| store.history(query.before, limit)).await?;
    let next = revisions.last().map(|info| info.number).filter(|&last| last > 1 && revisions.len() == limit);
    Ok(Json(History { revisions, next }))
}

/// A new revision
///
/// Answers when it is on disk. Edits that change nothing make no revision: the answer is 200 with the newest one.
#[utoipa::path(
    post, path = "/revisions", tag = "revisions", request_body = PostRevision,
    responses(
        (status = 201, body = NewRevision),
        (status = 200, description = "Nothing changed", body = NewRevision),
        (status = 409, description = "`base` is not the newest revision", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The result would have new errors, or an edit does not fit", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn post(
    State(app): State<App>,
    Body(request): Body<PostRevision>,
) -> Result<(StatusCode, Json<NewRevision>), Failure> {
    let (received, base) = (Instant::now(), request.base);
    let new = app.control.edit(request, received).await?;
    Ok((created(base, &new), Json(new)))
}

/// A revision with its files and its difference from the one before
#[utoipa::path(
    get, path = "/revisions/{number}", tag = "revisions", params(("number" = u64, Path)),
    responses((status = 200, body = RevisionDetail), (status = 404, body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn get(
    State(app): State<App>,
    Number(number): Number,
) -> Result<Json<RevisionDetail>, Failure> {
    let store = app.store;
    let told = app.work.run(move || {
        let revision = store.get(number)?.ok_or(Refusal::NoRevision(number))?;
        let before = store.get(number.saturating_sub(1))?.map(|before| before.sources).unwrap_or_default();
        let diff = diff::unified(&diff::sources(&before, &revision.sources));
        Ok::<_, Refusal>(RevisionDetail {
            info: revision.info,
            sources: Arc::unwrap_or_clone(revision.sources),
            diff,
        })
    });
    Ok(Json(told.await.map_err(Refusal::from)??))
}

/// A new revision that takes another back
#[utoipa::path(
    post, path = "/revisions/{number}/revert", tag = "revisions", params(("number" = u64, Path)), request_body = PostRevert,
    responses(
        (status = 201, body = NewRevision),
        (status = 200, description = "It is taken back already", body = NewRevision),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`base` is not the newest revision, or what it touched has changed since", body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn revert(
    State(app): State<App>,
    Number(number): Number,
    Body(request): Body<PostRevert>,
) -> Result<(StatusCode, Json<NewRevision>), Failure> {
    let (received, base) = (Instant::now(), request.base);
    let new = app.control.revert(number, request, received).await?;
    Ok((created(base, &new), Json(new)))
}

/// 201, or 200 when the newest revision is still the one that the request was made on.
pub(super) fn created(base: u64, new: &NewRevision) -> StatusCode {
    if new.revision.number == base { StatusCode::OK } else { StatusCode::CREATED }
}

/// Reads the log away from the threads that serve.
pub(super) async fn read<T: Send + 'static>(
    store: Store,
    read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(move || read(&store)).await;
    Ok(done.map_err(|error| Failure::internal(&error))??)
}
