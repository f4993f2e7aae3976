//! Reading the text of one document.

use std::sync::OnceLock;

use granit_parser::ScanError;
use serde_json::Value;

use crate::limits::NODES;

use super::problem::{More, Problem, deep, left_out};
use super::repair::{Repaired, repair};
use super::tree::{Tree, Unreadable};
use super::value::{self, Cost};

/// A document as it was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Text {
    /// The text that offsets refer to, where repairs made it another than the one that was given.
    pub repaired: Option<String>,
    /// Its nodes; without a root where it could not be read.
    pub tree: Tree,
    /// Its value; null where it could not be read.
    pub value: Value,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// What else is wrong with it.
    pub more: More,
    /// What it takes of the mesh's budget.
    pub(crate) cost: Cost,
    lines: OnceLock<Lines>,
}

/// The lines of a text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lines {
    /// Where they begin, but the first.
    pub starts: Vec<usize>,
    /// Every character is one byte.
    pub ascii: bool,
}

impl Text {
    /// The lines of the text that offsets refer to. A document is asked for as many places as there are findings about it, so
    /// they are looked for once. `given` is the text that was read.
    pub fn lines(&self, given: &str) -> &Lines {
        self.lines.get_or_init(|| {
            let text = self.repaired.as_deref().unwrap_or(given);
            let bytes = text.as_bytes();
            // LF, and CR alone.
            let ends =
                |at: usize| bytes[at] == b'\n' || bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
            let starts = (0..bytes.len()).filter(|at| ends(*at)).map(|at| at + 1).collect();
            Lines { starts, ascii: text.is_ascii() }
        })
    }
}

/// Reads the text of one document. What is not YAML but plain in its meaning is repaired, which the problems tell.
pub fn read(text: &str) -> Text {
    let mut read = Text::default();
    match Tree::parse(text) {
        Ok(tree) => read.tree = tree,
        Err(Unreadable::Syntax(error)) => match repair(text) {
            Some(Repaired { text: repaired, tree, problems }) => {
                read.repaired = (repaired != text).then_some(repaired);
                (read.tree, read.problems) = (tree, problems);
            }
            None => read.problems.push(not_yaml(&error)),
        },
        Err(Unreadable::Deep) => read.problems.push(deep()),
        Err(Unreadable::Large) => read.problems.push(large()),
    }
    (read.value, read.cost) = value::value(&read.tree, &mut read.problems, &mut read.more);
    read
}

fn not_yaml(error: &ScanError) -> Problem {
    let message = format!("This is not YAML, and the document is left out: {}.", error.info());
    left_out("MW0001", error.marker().byte_offset().unwrap_or(0), message)
}

fn large() -> Problem {
    let message = format!("The document has more than {NODES} keys and values, and is left out: split it.");
    left_out("MW0007", 0, message)
}
