//! How much of everything a mesh, an edit and a question may have: the one table of bounds.
//!
//! What others send is held against it before anything that recurses or copies sees it ([`crate::Sources::fits`],
//! [`crate::edit::fits`], [`crate::explain::fits`]): by the server, by the commands and by the draft in the browser alike.
//! Most functions of this crate recurse over values, so the bound on depth is what keeps them within a thread's stack.

use serde_json::Value;

/// Levels of a document with its aliases in place; of an edit's path and the value that it puts there, together.
///
/// A resource of Istio has some 15, a large CustomResourceDefinition some 40. serde_json reads 128, a few of which are around
/// an edit in a request and in the log.
pub const DEPTH: usize = 100;
/// Files of a mesh.
pub const FILES: usize = 10_000;
/// Bytes of one file.
pub const FILE_BYTES: usize = 8 << 20;
/// Bytes of all files of a mesh.
pub const MESH_BYTES: usize = 32 << 20;
/// Bytes of a file's name with its folders.
pub const FILE_NAME_BYTES: usize = 200;
/// Documents of a mesh, entries of lists counted.
pub const DOCUMENTS: usize = 50_000;
/// Keys, values and collections of one document, as they are written.
pub const NODES: usize = 500_000;
/// What the aliases of one document may add to its nodes. The largest object that Kubernetes stores has a tenth.
pub const ALIASED_NODES: usize = 200_000;
/// Bytes of text that the aliases of one document may add. Kubernetes stores no object of more than 1.5 MiB.
pub const ALIASED_BYTES: usize = 2 << 20;
/// Nodes of all documents of a mesh, with what aliases add.
pub const MESH_NODES: usize = 2_000_000;
/// Bytes of text that aliases add to all documents of a mesh.
pub const MESH_ALIASED_BYTES: usize = 16 << 20;
/// Bytes that the plans of all sources may take, roughly.
pub const PLAN_BYTES: usize = 1 << 30;
/// Bytes of a key of a mapping. YAML itself ends a plain key there.
pub const KEY_BYTES: usize = 1024;
/// Findings about one document that are told one by one.
pub const PROBLEMS: usize = 200;
/// Bytes of text within the edits that findings of reading are offered to be mended with.
pub const FIX_BYTES: usize = 16 << 20;
/// Findings of the rules that are told one by one.
pub const FINDINGS: usize = 20_000;
/// Edits of one request.
pub const EDITS: usize = 1000;
/// Fields of one edit, and destinations of a split.
pub const FIELDS: usize = 1000;
/// Bytes of a name in an edit or a question: of a resource, a host, a subset, a header.
pub const NAME_BYTES: usize = 1024;
/// Bytes of a path of fields, of a header's value, of a condition.
pub const TEXT_BYTES: usize = 8 << 10;
/// Bytes of text that are read again while the edits of one request are made.
pub const EDIT_WORK: usize = 256 << 20;
/// Headers of a question.
pub const HEADERS: usize = 200;
/// Bytes of a question's path, and of all of its headers.
pub const QUESTION_BYTES: usize = 64 << 10;

/// Something is more than it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} may have {most} {unit} at most, and {found} were given")]
pub struct Exceeded {
    /// What.
    pub what: &'static str,
    /// How many it may have.
    pub most: usize,
    /// Of what.
    pub unit: &'static str,
    /// How many it has.
    pub found: usize,
}

/// Refuses what is more than it may be.
pub fn within(what: &'static str, unit: &'static str, most: usize, found: usize) -> Result<(), Exceeded> {
    if found <= most { Ok(()) } else { Err(Exceeded { what, most, unit, found }) }
}

/// Refuses a name that is too long.
pub fn name(name: &str) -> Result<(), Exceeded> {
    within("a name", "bytes", NAME_BYTES, name.len())
}

/// Levels of a value. It does not recurse: what it looks at may be as deep as it likes.
pub fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    let mut open = vec![(value, 1)];
    while let Some((value, level)) = open.pop() {
        deepest = deepest.max(level);
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, level + 1))),
            Value::Object(map) => open.extend(map.values().map(|item| (item, level + 1))),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests;
