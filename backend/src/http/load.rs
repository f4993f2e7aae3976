//! `PUT load`: turns the load generator.

use api::Problem;
use api::request::PutLoad;
use api::state::LoadSettings;
use axum::Json;
use axum::extract::State;

use super::App;
use super::extract::Body;
use super::problem::Failure;

/// Sets the rate of the load generator
#[utoipa::path(
    put, path = "/load", tag = "load", request_body = PutLoad,
    responses(
        (status = 200, body = LoadSettings),
        (status = 400, description = "The rate is out of range", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The mesh has no gateway", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(
    State(app): State<App>,
    Body(request): Body<PutLoad>,
) -> Result<Json<LoadSettings>, Failure> {
    Ok(Json(app.load.set_rate(request.rate)?))
}
