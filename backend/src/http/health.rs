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

/// Ready is who runs a revision and can take another: the proxy has its plans, and the control loop is there. It costs nothing, so
/// that it can be asked as often as anybody likes.
async fn ready(State(app): State<App>) -> Response {
    let not = if app.stop.is_cancelled() {
        "the program is ending"
    } else if !app.control.runs() {
        "the control loop has ended by a fault: nothing can be changed any more, and the program ends"
    } else if !app.hub.ready() {
        "the proxy does not run a revision"
    } else {
        let aside = app.set_aside.as_ref().map(|aside| format!("; {aside}")).unwrap_or_default();
        return format!("ready{aside}").into_response();
    };
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, not).into_response()
}

async fn text(State(app): State<App>) -> Result<impl IntoResponse, Failure> {
    let head = app.control.head();
    let services = head.analysis.registry.services().iter();
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
