//! The OpenAPI document, made from the routes themselves.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use http::header;
use utoipa::OpenApi;

use super::App;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "meshwright",
        description = "Edits, observes and explains a service mesh. Errors are problem details (RFC 9457)."
    ),
    servers((url = "/api/v1")),
    // Those that the routes name only by way of others.
    components(schemas(api::observed::Totals, api::request::ExportFormat))
)]
struct Head;

/// The document without paths.
pub(super) fn head() -> utoipa::openapi::OpenApi {
    Head::openapi()
}

/// Serves the document.
pub(super) fn serve(document: &utoipa::openapi::OpenApi) -> Router<App> {
    let json: Bytes = document.to_json().unwrap_or_default().into();
    let answer = move || {
        let json = json.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], json).into_response() }
    };
    Router::new().route("/openapi.json", get(answer))
}
