//! Bodies of requests and of their answers. All paths are under `/api/v1`.

use mesh::{Diagnostic, Edit, Sources};
use serde::{Deserialize, Serialize};

use crate::revision::RevisionInfo;

/// `POST revisions`: edits on top of a base. 201 with [`NewRevision`]; 409 ([`crate::Problem`] with `head`) when
/// `base` is not the head; 422 with `diagnostics` when the result has errors that the base does not have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PostRevision {
    /// The revision that the edits were made on.
    pub base: u64,
    /// Who makes them; `anonymous` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The edits, applied in order, all or none.
    #[serde(default)]
    pub edits: Vec<Edit>,
    /// Whole resources as YAML (many documents), each replaced where it exists and added where not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<String>,
}

/// The answer: the revision is on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewRevision {
    /// Its description.
    pub revision: RevisionInfo,
    /// What is worth knowing about it.
    pub diagnostics: Vec<Diagnostic>,
}

/// `POST revisions/N/revert`: a new revision that takes N back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PostRevert {
    /// The head as the caller knows it.
    pub base: u64,
    /// Who does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// `GET revisions/N`: a revision with its files and its difference from the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RevisionDetail {
    /// Its description.
    pub info: RevisionInfo,
    /// Its files.
    pub sources: Sources,
    /// Unified diff against the revision before.
    pub diff: String,
}

/// `POST validate`: what would be said of these files, or of the head with these edits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PostValidate {
    /// Files; the head's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Sources>,
    /// Edits to apply first.
    #[serde(default)]
    pub edits: Vec<Edit>,
}

/// The answer to [`PostValidate`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// All findings.
    pub diagnostics: Vec<Diagnostic>,
}

/// `PUT load`: turns the load generator.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PutLoad {
    /// Requests a second, 0 to 5,000; 0 is off.
    pub rate: f64,
}

/// `GET export?format=yaml|zip&revision=N&kind=K&namespace=NS&name=NAME`: query parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// One file, documents parted by `---`.
    #[default]
    Yaml,
    /// A folder with a kustomization.
    Zip,
}
