//! `/healthz`, `/readyz` and `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use mesh::plan::ClusterKey;

use super::App;
use super::problem::Failure;

/// Liveness and readiness, for everyone.
pub(super) fn probes() -> Router<App> {
    Router::new().route("/healthz", get(|| async { "ok" })).route("/readyz", get(ready))
}

/// Metrics, for those who have the token.
pub(super) fn metrics() -> Router<App> {
    Router::new().route("/metrics", get(text))
}

/// Ready is who runs a revision: the proxy has its plans.
async fn ready(State(app): State<App>) -> Response {
    use api::state::TargetState::{Applied, Pending};
    let snapshot = app.hub.snapshot();
    let runs = |status: &api::TargetStatus| matches!(status.state, Applied { .. } | Pending { .. });
    if snapshot.targets.iter().any(runs) && !app.stop.is_cancelled() {
        "ready".into_response()
    } else {
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the proxy does not run a revision").into_response()
    }
}

async fn text(State(app): State<App>) -> Result<impl IntoResponse, Failure> {
    let head = app.control.head();
    let services = head.world.registry.services().iter();
    let ports = services.flat_map(|service| service.ports.iter().map(move |port| (service, port)));
    let clusters: Vec<_> = ports
        .map(|(service, port)| {
            let host = service.host.clone();
            (ClusterKey { host, subset: None, port: port.number }, &port.endpoints)
        })
        .collect();
    app.metrics.know(clusters.iter().flat_map(|(key, all)| all.iter().map(move |endpoint| (key, endpoint))));
    let text = app.metrics.text(head.info.number);
    let text = text.map_err(|error| Failure::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}
