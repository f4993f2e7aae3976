//! What is about to be written to a cluster: `POST cluster/preview`, whose body is that of `POST revisions`.

use mesh::{Diagnostic, ResourceKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answer: the writes that edits come to, in their order. Nothing has been stored or written. 404 where the mesh is no cluster's;
/// 409 and 422 as `POST revisions` does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Preview {
    /// The writes.
    pub writes: Vec<Write>,
    /// Where the second stage begins: these wait until sidecars have what was written before. As many as there are where there is none.
    pub last_from: usize,
    /// What the cluster itself says against it; then nothing would be written.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub refused: Vec<Diagnostic>,
}

/// One write of one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Write {
    /// Which object.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub key: ResourceKey,
    /// How.
    pub call: Call,
    /// The JSON patch (RFC 6902); none of other calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub operations: Vec<Value>,
    /// The object as it is, as YAML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// As it will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What is taken from its owners.
    pub taken: Vec<Taken>,
    /// The application or release that the object is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub belongs_to: Option<BelongsTo>,
}

/// The calls of a cluster's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// A server-side apply of a new object.
    Apply,
    /// A JSON patch of what changes, with a test of what was there.
    Patch,
    /// A deletion of the object as it is known.
    Delete,
}

/// A field that is taken from its owners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Taken {
    /// The field, `spec.http`; empty for the whole object.
    pub field: String,
    /// From whom.
    pub from: Vec<Owner>,
    /// The worst that their next writes do to it.
    pub next_write: NextWrite,
    /// The same in words.
    pub sentence: String,
}

/// Who owns a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Owner {
    /// The field manager, as the cluster keeps it.
    pub manager: String,
    /// The tool, `kubectl_server_side`; `other` where it is none that is known.
    pub tool: String,
    /// What people call the tool.
    pub name: String,
    /// Whether it declares what it wants (server-side apply), or wrote once.
    pub applies: bool,
}

/// What an owner's next write does to a field that was taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NextWrite {
    /// It does not write by itself.
    Nothing,
    /// It is not known.
    Unknown,
    /// It is refused with a conflict.
    Conflicts,
    /// It overwrites the change without a word.
    Overwrites,
    /// It steers the field all the time.
    Steers,
}

/// An application or a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BelongsTo {
    /// What people call its tool: `Argo CD`.
    pub tool: String,
    /// Its name.
    pub name: String,
}
