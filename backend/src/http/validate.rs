//! `POST validate`: what would be said of a mesh, without making a revision.

use api::Problem;
use api::request::{PostValidate, Validation};
use axum::Json;
use axum::extract::State;
use mesh::Sources;

use super::App;
use super::extract::Body;
use super::problem::Failure;
use crate::analysis;
use crate::control::Refusal;

/// Diagnostics of a mesh, or of the newest revision with edits
#[utoipa::path(
    post, path = "/validate", tag = "model", request_body = PostValidate,
    responses(
        (status = 200, body = Validation),
        (status = 422, description = "An edit does not fit", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn validate(
    State(app): State<App>,
    Body(request): Body<PostValidate>,
) -> Result<Json<Validation>, Failure> {
    request.sources.as_ref().map_or(Ok(()), Sources::fits).map_err(Refusal::from)?;
    let head = app.control.head();
    let read = app.work.run(move || {
        let other = request.sources.map(|sources| head.analysis.after(sources));
        let analysis = other.as_ref().unwrap_or(&head.analysis);
        Ok::<_, Refusal>(analysis::apply(analysis, &request.edits)?.analysis)
    });
    let analysis = read.await.map_err(Refusal::from)??;
    Ok(Json(Validation { diagnostics: analysis.diagnostics }))
}
