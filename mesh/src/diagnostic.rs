//! What parsing and validation say about a mesh: a list, never only the first problem.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ResourceKey;
use crate::change::Edit;

/// How bad it is. Ordered from the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The resource is not applied as it stands.
    Error,
    /// It is applied, and will surprise.
    Warning,
    /// Worth knowing.
    Info,
}

/// Where a diagnostic points in a file. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file's path, as in [`crate::Sources`].
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// An edit that mends what a diagnostic tells of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// What the button says, as an order: «Quote the host».
    pub title: String,
    /// The edit.
    pub edit: Edit,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Stable code, `MW` and four digits.
    pub code: Cow<'static, str>,
    /// How bad it is.
    pub severity: Severity,
    /// The resource that it is about, where the document could be read that far.
    pub resource: Option<ResourceKey>,
    /// Path of the field within the document: `spec.http[0].route[1].weight`; empty for the whole document.
    pub path: String,
    /// Its place in the file.
    pub place: Option<Place>,
    /// One sentence that says what will happen.
    pub message: String,
    /// The messages of istioctl that say the same: `IST0101`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corresponds_to: Vec<Cow<'static, str>>,
    /// An edit that mends it. Not read back: the page finds what can be mended by itself.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}
