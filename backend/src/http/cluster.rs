//! `POST cluster/preview`: what edits would write to the cluster, and from whom they take what.

use std::sync::Arc;

use api::Problem;
use api::cluster::Preview;
use api::request::PostRevision;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mesh::Severity;

use super::App;
use super::extract::Body;
use super::problem::Failure;
use crate::analysis;
use crate::control::Refusal;

/// What edits would write to the cluster
///
/// The writes in their order, what each takes from whom, and what that owner's next write will do; nothing is stored or written. The
/// cluster is asked whether it would take them.
#[utoipa::path(
    post, path = "/cluster/preview", tag = "cluster", request_body = PostRevision,
    responses(
        (status = 200, body = Preview),
        (status = 404, description = "The mesh is not a cluster's", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`base` is not the newest revision, or the cluster has another state", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The result would have new errors, or an edit does not fit", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The cluster does not answer", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn preview(
    State(app): State<App>,
    Body(request): Body<PostRevision>,
) -> Result<Json<Preview>, Failure> {
    let Some(cluster) = app.cluster else {
        return Err(Failure::new(StatusCode::NOT_FOUND, "this mesh is not a cluster's"));
    };
    let head = app.control.head();
    head.expect(request.base)?;
    let before = Arc::clone(&head.analysis);
    let changed = app.work.run(move || {
        let mut edits = request.edits;
        if let Some(resources) = &request.resources {
            edits.extend(analysis::replace_resources(&head.analysis.mesh, resources)?);
        }
        let after = analysis::apply(&head.analysis, &edits)?.analysis;
        let errors = after.new_problems(&head.analysis).filter(|it| it.severity == Severity::Error);
        let errors: Vec<_> = errors.cloned().collect();
        if errors.is_empty() { Ok(after) } else { Err(Refusal::Invalid(errors)) }
    });
    let after = changed.await.map_err(Refusal::from)??;
    let preview = cluster.preview(&before.mesh, &after.mesh).await;
    Ok(Json(preview.map_err(Refusal::from)?))
}
