//! Reading the text of one document.

use granit_parser::ScanError;
use serde_json::Value;

use crate::Severity;

use super::path::Path;
use super::problem::Problem;
use super::repair::{Repaired, repair};
use super::tree::Tree;
use super::value;

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
}

/// Reads the text of one document. What is not YAML but plain in its meaning is repaired, which the problems tell.
pub fn read(text: &str) -> Text {
    let mut read = Text::default();
    match Tree::parse(text) {
        Ok(tree) => read.tree = tree,
        Err(error) => match repair(text) {
            Some(Repaired { text: repaired, tree, problems }) => {
                read.repaired = (repaired != text).then_some(repaired);
                (read.tree, read.problems) = (tree, problems);
            }
            None => read.problems.push(not_yaml(&error)),
        },
    }
    read.value = value::value(&read.tree, &mut read.problems);
    read
}

fn not_yaml(error: &ScanError) -> Problem {
    Problem {
        code: "MW0001",
        severity: Severity::Error,
        path: Path::default(),
        offset: error.marker().byte_offset().unwrap_or(0),
        message: format!("This is not YAML, and the document is left out: {}.", error.info()).into(),
        fix: None,
    }
}
