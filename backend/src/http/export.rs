//! `GET export`: the YAML, to take away.

use std::sync::Arc;

use api::Problem;
use api::request::{ExportFormat, ExportQuery};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use mesh::{Kind, Mesh, ResourceKey, limits};

use super::App;
use super::extract::Parameters;
use super::problem::Failure;
use super::revisions::read;
use crate::control::Refusal;
use crate::export;

/// A revision's YAML
///
/// One file, a folder as zip with a kustomization, or one resource alone. The text is what the revision has, comments and all.
#[utoipa::path(
    get, path = "/export", tag = "model", params(ExportQuery),
    responses(
        (status = 200, content((String = "application/yaml"), (Vec<u8> = "application/zip"))),
        (status = 404, description = "No such revision or resource", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn export(
    State(app): State<App>,
    Parameters(query): Parameters<ExportQuery>,
) -> Result<Response, Failure> {
    let names = [query.kind.as_deref(), query.namespace.as_deref(), query.name.as_deref()];
    names.into_iter().flatten().try_for_each(limits::name).map_err(Refusal::from)?;
    let head = app.control.head();
    let (sources, number) = match query.revision.filter(|&number| number != head.info.number) {
        None => (head.analysis.sources.clone(), head.info.number),
        Some(number) => {
            let revision = read(app.store, move |store| store.get(number)).await?;
            (revision.ok_or(Refusal::NoRevision(number))?.sources, number)
        }
    };
    let folder = &app.hub.name();
    if let (Some(kind), Some(name)) = (&query.kind, &query.name) {
        let namespace = query.namespace.as_deref().unwrap_or("default");
        let key = ResourceKey::new(Kind::from(kind.clone()), namespace, name);
        let (of, head) = (key.clone(), Arc::clone(&head));
        let found = app
            .work
            .run(move || mesh::export::document(&Mesh::parse_after(&sources, &head.analysis.mesh).mesh, &of));
        let text = found
            .await
            .map_err(Refusal::from)?
            .ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, format!("revision {number} has no {key}")))?;
        return Ok(file("application/yaml", &format!("{name}-{}.yaml", kind.to_lowercase()), text));
    }
    match query.format {
        ExportFormat::Yaml => {
            Ok(file("application/yaml", &format!("{folder}-{number}.yaml"), export::one_file(&sources)))
        }
        ExportFormat::Zip => {
            let zip = app.work.run(move || export::zip(&sources)).await.map_err(Refusal::from)?;
            let zip = zip.map_err(|error| Failure::internal(&error))?;
            Ok(file("application/zip", &format!("{folder}-{number}.zip"), zip))
        }
    }
}

/// A file to save.
fn file(media_type: &'static str, name: &str, body: impl IntoResponse) -> Response {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' }).collect();
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)], body)
        .into_response()
}
