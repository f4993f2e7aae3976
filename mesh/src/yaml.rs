//! All YAML goes through here: reading with positions and repairs, changing text in place, and writing.
//!
//! The parser is granit-parser, which serde-saphyr reads with too; it is used directly because edits need the span of
//! every node. Scalars are resolved as serde-saphyr does with `strict_booleans`, `leading_zero_numbers_as_strings` and
//! `underscored_numbers_as_strings`: what readers of YAML 1.1 and 1.2 would read differently is text, and
//! stands in quotes where it is written.

mod emit;
mod patch;
mod path;
mod problem;
mod read;
mod repair;
mod scalar;
mod stream;
mod tree;
mod value;

pub(crate) use emit::number as written;
pub use emit::{document, document_by_name, flow};
pub use patch::{PatchError, same, update};
pub use path::{Path, Segment};
pub use problem::{More, Problem, Remedy};
pub use read::{Text, read};
pub(crate) use scalar::{number, resolve};
pub use stream::{Chunk, chunks};
pub use tree::{Node, NodeId, NodeKind, Tree, Unreadable};

/// Whether a text is JSON, which is YAML that more programs read.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}
