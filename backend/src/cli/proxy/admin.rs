//! The admin port of a proxy that runs alone: what it counts, whether it is ready, and the plan that it runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use mesh::Plan;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::connections::{self, Limits};
use crate::http::{Guard, known_host};
use crate::metrics::Metrics;

#[derive(Clone)]
struct Admin {
    metrics: Arc<Metrics>,
    plan: Arc<ArcSwap<Plan>>,
}

/// Serves on an address, and says which it is. The proxy has its plan already, so it is ready as long as this answers.
pub(super) async fn serve(
    address: SocketAddr,
    names: &[String],
    metrics: Arc<Metrics>,
    plan: Arc<ArcSwap<Plan>>,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/metrics", get(text))
        .route("/ready", get(async || "ready\n"))
        .route("/plan", get(show))
        // A page of another site whose name was made to lead here reads the plan otherwise.
        .layer(from_fn_with_state(Arc::new(Guard::new(bound, names, None)), known_host))
        .with_state(Admin { metrics, plan });
    // It ends with the program: who scrapes it may want the last counts.
    tokio::spawn(connections::serve(
        listener,
        router,
        Limits::ADMIN,
        CancellationToken::new(),
        Duration::ZERO,
    ));
    Ok(bound)
}

async fn text(State(admin): State<Admin>) -> Response {
    let plan = admin.plan.load();
    let clusters = plan.clusters.iter();
    admin.metrics.know(clusters.flat_map(|one| one.endpoints.iter().map(move |at| (&one.key, at))));
    match admin.metrics.text(plan.revision) {
        Ok(text) => ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn show(State(admin): State<Admin>) -> Response {
    // Header operations may carry secrets of the mesh: nothing on the way should keep them.
    ([(header::CACHE_CONTROL, "no-store")], Json(&**admin.plan.load())).into_response()
}
