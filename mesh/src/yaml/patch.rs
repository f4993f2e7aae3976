//! Changing a text so that it says another value, with as little changed as can be.
//!
//! The old value and the new one are compared; where they differ the text is spliced at the spans of the nodes, and all
//! else stays: comments, order, quotes, indentation. The result is read again and must be the new value. Where a splice
//! cannot do it (a changed anchor, a merge key, a doubled key) the next larger node is written anew.

mod align;
mod differ;
mod site;

use std::ops::Range;

use serde_json::Value;

use super::read::{Text, read};
use differ::Differ;

/// Why a text could not be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// It cannot be read.
    #[error("the document cannot be read as YAML: {0}")]
    Unreadable(String),
    /// No text that says the value was found; never seen, and checked nevertheless.
    #[error("the change cannot be written into the document")]
    Unwritable,
}

/// A piece of text that takes the place of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Splice {
    range: Range<usize>,
    text: String,
}

/// Levels down to which splices are tried one after the other.
const DEEPEST: usize = 24;

/// The text, changed to say `new`.
pub fn update(text: &str, new: &Value) -> Result<String, PatchError> {
    // Lines that end in CR alone, as of old: changed as others are.
    if text.contains('\r') && !text.contains('\n') {
        return update(&text.replace('\r', "\n"), new).map(|changed| changed.replace('\n', "\r"));
    }
    let read = read(text);
    if read.tree.root().is_none() {
        let why = read
            .problems
            .first()
            .map_or_else(|| "it is empty".to_owned(), |p| p.message.clone().into_owned());
        return Err(PatchError::Unreadable(why));
    }
    if same(&read.value, new) {
        return Ok(text.to_owned());
    }
    // What was repaired to be read is changed as it was repaired.
    let text = read.repaired.as_deref().unwrap_or(text);
    (0..=DEEPEST).rev().find_map(|depth| attempt(text, &read, new, depth)).ok_or(PatchError::Unwritable)
}

fn attempt(text: &str, old: &Text, new: &Value, depth: usize) -> Option<String> {
    let splices = Differ::splices(text, &old.tree, &old.value, new, depth)?;
    let changed = spliced(text, splices)?;
    let understood = read(&changed);
    (understood.tree.root().is_some() && same(&understood.value, new)).then_some(changed)
}

/// The text with splices made; `None` where they overlap.
fn spliced(text: &str, mut splices: Vec<Splice>) -> Option<String> {
    // Stable: what is inserted at one place stays in order, and before what is replaced from there on.
    splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
    let crlf = text.contains("\r\n");
    let mut out = String::with_capacity(text.len() + 256);
    let mut at = 0;
    for Splice { range, text: with } in splices {
        out.push_str(text.get(at..range.start)?);
        out.push_str(&if crlf { with.replace('\n', "\r\n") } else { with });
        at = range.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

/// Whether two values are the same; `10` is `10.0`.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || (a.is_f64() != b.is_f64() && a.as_f64() == b.as_f64())
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests;
