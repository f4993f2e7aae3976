//! The API and the UI over HTTP. JSON is known here and in `api` alone; what is asked for is done by the control loop.

mod assets;
mod cluster;
mod events;
mod explain;
mod export;
mod extract;
mod guard;
mod headers;
mod health;
mod load;
mod mesh;
mod openapi;
mod problem;
mod proposal;
mod revisions;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use ::mesh::Settings;
use api::state::SetAside;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use http::{StatusCode, header};
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::ServiceBuilderExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::csrf::CsrfLayer;
use tower_http::request_id::{MakeRequestUuid, RequestId};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::control::Control;
use crate::events::Hub;
use crate::load::Load;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::targets::cluster::DryRun;
use crate::work::Work;

pub use guard::Guard;
pub(crate) use guard::{allowed as allowed_in_token, host as known_host};

/// Largest body of a request: a mesh of thousands of resources.
const BODY: usize = 16 * 1024 * 1024;
/// For a request that is no stream.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the handlers work with.
#[derive(Debug, Clone)]
pub struct App {
    /// The stream of events and the state.
    pub hub: Arc<Hub>,
    /// The control loop.
    pub control: Control,
    /// The revision log, to read.
    pub store: Store,
    /// The load generator.
    pub load: Load,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The cluster, to ask what a change would write there; `None` where the mesh is not a cluster's.
    pub cluster: Option<Arc<DryRun>>,
    /// Mesh settings.
    pub settings: Settings,
    /// For questions about the model, which do not hold up changes.
    pub work: Work,
    /// A revision that could not be run at the start.
    pub set_aside: Option<Arc<SetAside>>,
    /// Told when the program ends.
    pub stop: CancellationToken,
}

/// The whole service.
pub fn router(app: App, guard: Arc<Guard>) -> Router {
    let (calls, document) = calls().split_for_parts();
    let (stream, of_stream) = stream().split_for_parts();
    let document = openapi::serve(&document.merge_from(of_stream));
    let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, TIMEOUT);
    let api = calls.layer(timeout).merge(stream).merge(document);
    let ui = assets::Ui::load();
    let security = headers::Security::new(&ui.inline_scripts());
    let open = Router::new().merge(health::probes());
    let guarded = Router::new()
        .nest("/api/v1", api)
        .merge(health::metrics())
        .layer(from_fn_with_state(Arc::clone(&guard), guard::token));
    open.merge(guarded)
        .fallback(move |request| ui.serve(request))
        // The page's program is compressed in the binary; from disk it goes to a browser on this machine.
        .layer(
            CompressionLayer::new()
                .compress_when(DefaultPredicate::new().and(NotForContentType::const_new("application/wasm"))),
        )
        .layer(DefaultBodyLimit::max(BODY))
        .layer(CsrfLayer::new())
        .layer(from_fn_with_state(Arc::clone(&guard), guard::ticket))
        .layer(from_fn_with_state(guard, guard::host))
        .layer(from_fn(problem::describe))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(from_fn_with_state(Arc::new(security), headers::secure))
        .layer(
            ServiceBuilder::new()
                .layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION, header::COOKIE]))
                .set_x_request_id(MakeRequestUuid)
                .layer(TraceLayer::new_for_http().make_span_with(span))
                .propagate_x_request_id(),
        )
        .with_state(app)
}

/// The routes of `/api/v1`, without the stream. The OpenAPI document is made of them.
fn calls() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(mesh::get_mesh))
        .routes(routes!(revisions::history, revisions::post))
        .routes(routes!(revisions::get))
        .routes(routes!(revisions::revert))
        .routes(routes!(proposal::accept))
        .routes(routes!(proposal::dismiss))
        .routes(routes!(validate::validate))
        .routes(routes!(explain::explain))
        .routes(routes!(cluster::preview))
        .routes(routes!(export::export))
        .routes(routes!(load::put))
}

/// The stream of events, which has no timeout.
fn stream() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(events::events))
}

fn span(request: &Request) -> tracing::Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    // Without the query: it may carry the token.
    tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id)
}
