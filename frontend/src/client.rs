//! Asks the server: one function for each call of the API.

pub mod call;

use api::cluster::Preview;
use api::request::{
    History, NewRevision, PostAccept, PostExplain, PostRevert, PostRevision, PutLoad, RevisionDetail,
};
use api::state::LoadSettings;
pub use call::Failure;
use call::{get, send};
use mesh::Edit;
use mesh::explain::Explanation;

/// `POST revisions`.
pub async fn post_revision(
    base: u64,
    author: Option<String>,
    edits: Vec<Edit>,
) -> Result<NewRevision, Failure> {
    send("POST", "/api/v1/revisions", &PostRevision { base, author, edits, resources: None }).await
}

/// `POST cluster/preview`.
pub async fn preview_writes(base: u64, edits: Vec<Edit>) -> Result<Preview, Failure> {
    let body = PostRevision { base, author: None, edits, resources: None };
    send("POST", "/api/v1/cluster/preview", &body).await
}

/// `POST revisions/N/revert`.
pub async fn post_revert(number: u64, base: u64, author: Option<String>) -> Result<NewRevision, Failure> {
    send("POST", &format!("/api/v1/revisions/{number}/revert"), &PostRevert { base, author }).await
}

/// `GET revisions/N`.
pub async fn get_revision(number: u64) -> Result<RevisionDetail, Failure> {
    get(&format!("/api/v1/revisions/{number}")).await
}

/// The first revision of the log.
pub async fn first_revision() -> Result<History, Failure> {
    get("/api/v1/revisions?before=2&limit=1").await
}

/// `POST explain`.
pub async fn explain(question: &PostExplain) -> Result<Explanation, Failure> {
    send("POST", "/api/v1/explain", question).await
}

/// `PUT load`.
pub async fn put_load(rate: f64) -> Result<LoadSettings, Failure> {
    send("PUT", "/api/v1/load", &PutLoad { rate }).await
}

/// `POST proposal/accept`.
pub async fn accept_proposal(base: u64, author: Option<String>) -> Result<NewRevision, Failure> {
    send("POST", "/api/v1/proposal/accept", &PostAccept { base, author }).await
}

/// `POST proposal/dismiss`.
pub async fn dismiss_proposal() -> Result<(), Failure> {
    call::post_empty("/api/v1/proposal/dismiss").await
}

/// `GET export` as text.
pub async fn export_text() -> Result<String, Failure> {
    call::get_text(EXPORT_YAML).await
}

/// Address of the export as one file.
pub const EXPORT_YAML: &str = "/api/v1/export?format=yaml";
/// Address of the export as a folder.
pub const EXPORT_ZIP: &str = "/api/v1/export?format=zip";
