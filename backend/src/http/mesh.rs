//! `GET mesh`: everything as it is.

use api::Snapshot;
use axum::Json;
use axum::extract::State;

use super::App;

/// The whole state
///
/// What the stream of events starts with.
#[utoipa::path(get, path = "/mesh", tag = "state", responses((status = 200, body = Snapshot)))]
pub(super) async fn get_mesh(State(app): State<App>) -> Json<Snapshot> {
    Json(app.hub.snapshot())
}
