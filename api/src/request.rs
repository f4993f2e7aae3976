//! Bodies of requests and of their answers. All paths are under `/api/v1`.

use mesh::explain::ExplainRequest;
use mesh::{Diagnostic, Edit, Source, Sources};
use serde::{Deserialize, Serialize};

use crate::revision::RevisionInfo;

/// `POST revisions`: edits on top of a base. 201 with [`NewRevision`]; 409 ([`crate::Problem`] with `head`) when
/// `base` is not the head; 422 with `diagnostics` when the result has errors that the base does not have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PostRevision {
    /// The revision that the edits were made on.
    pub base: u64,
    /// Who makes them; `anonymous` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The edits, applied in order, all or none.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub edits: Vec<Edit>,
    /// Whole resources as YAML (many documents), each replaced where it exists and added where not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<String>,
}

/// `GET revisions?before=N&limit=M`: query parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema, utoipa::IntoParams))]
pub struct HistoryQuery {
    /// Only revisions with a smaller number; from the head unless given.
    pub before: Option<u64>,
    /// How many at most, 1 to 200; 50 unless given.
    pub limit: Option<u32>,
}

/// The answer to `GET revisions`: a page of history, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct History {
    /// The revisions.
    pub revisions: Vec<RevisionInfo>,
    /// `before` of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// `POST proposal/accept`: makes a revision of what the folder on disk proposes. Answers as `POST revisions` does; 404
/// when nothing is proposed. `POST proposal/dismiss` has no body: the proposal is forgotten until the files change again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PostAccept {
    /// The head as the caller knows it.
    pub base: u64,
    /// Who does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// The answer: the revision is on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewRevision {
    /// Its description.
    pub revision: RevisionInfo,
    /// What is worth knowing about it.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub diagnostics: Vec<Diagnostic>,
}

/// `POST revisions/N/revert`: a new revision that takes N back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PostRevert {
    /// The head as the caller knows it.
    pub base: u64,
    /// Who does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// `GET revisions/N`: a revision with its files and its difference from the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevisionDetail {
    /// Its description.
    pub info: RevisionInfo,
    /// Its files.
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, String>))]
    pub sources: Sources,
    /// Unified diff against the revision before.
    pub diff: String,
}

/// `POST validate`: what would be said of these files, or of the head with these edits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PostValidate {
    /// Files; the head's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<std::collections::BTreeMap<String, String>>))]
    pub sources: Option<Sources>,
    /// Edits to apply first.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub edits: Vec<Edit>,
}

/// The answer to [`PostValidate`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Validation {
    /// All findings.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub diagnostics: Vec<Diagnostic>,
}

/// `PUT load`: turns the load generator.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PutLoad {
    /// Requests a second, 0 to 5,000; 0 is off.
    pub rate: f64,
}

/// `GET export?format=yaml|zip&revision=N&kind=K&namespace=NS&name=NAME`: query parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema, utoipa::IntoParams))]
pub struct ExportQuery {
    /// `yaml` (one file, the default) or `zip` (a folder with a kustomization).
    #[serde(default)]
    pub format: ExportFormat,
    /// The head unless given.
    pub revision: Option<u64>,
    /// One resource alone: its kind,
    pub kind: Option<String>,
    /// its namespace
    pub namespace: Option<String>,
    /// and its name.
    pub name: Option<String>,
}

/// Forms of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// One file, documents parted by `---`.
    #[default]
    Yaml,
    /// A folder with a kustomization.
    Zip,
}

/// `POST explain`: where one request would go, on the head or on the head with these edits. Answered with
/// [`mesh::explain::Explanation`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PostExplain {
    /// Whose request it is.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub source: Source,
    /// The request.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub request: ExplainRequest,
    /// Edits of a draft, applied first.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub edits: Vec<Edit>,
}
