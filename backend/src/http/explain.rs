//! `POST explain`: where one request would go, and why.

use api::Problem;
use api::request::PostExplain;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mesh::explain::{self, Explanation};

use super::App;
use super::extract::Body;
use super::problem::Failure;
use crate::analysis;
use crate::control::Refusal;

/// Where a request would go, rule by rule
///
/// On the newest revision, or on it with edits. Answers with an explanation: `status`, `virtual_service`, `route`,
/// `destinations`, `timeout`, `retries`, `fault`, `mirror` and `steps`; `certain` where every request gets the same answer whatever
/// the rule says, `delegated_by` where a root's rule leads to the one that decides.
#[utoipa::path(
    post, path = "/explain", tag = "model", request_body = PostExplain,
    responses(
        (status = 200, body = Object),
        (status = 400, description = "What is asked can be no request", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "An edit does not fit", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn explain(
    State(app): State<App>,
    Body(request): Body<PostExplain>,
) -> Result<Json<Explanation>, Failure> {
    explain::fits(&request.source, &request.request).map_err(Refusal::from)?;
    request.request.check().map_err(|error| Failure::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let head = app.control.head();
    let settings = app.settings;
    let explained = app.work.run(move || {
        let analysis = analysis::apply(&head.analysis, &request.edits)?.analysis;
        analysis.fits.clone()?;
        let (mesh, registry) = (&analysis.mesh, &analysis.registry);
        let number = head.info.number;
        let asked = &request.request;
        Ok::<_, Refusal>(explain::explain(mesh, registry, &settings, &request.source, number, asked))
    });
    Ok(Json(explained.await.map_err(Refusal::from)??))
}
