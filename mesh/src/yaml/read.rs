//! Reading the text of one document.

use serde_json::Value;

use crate::Severity;

use super::path::Path;
use super::problem::Problem;
use super::tree::Tree;
use super::value;

/// A document as it was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Text {
    /// Its nodes; without a root where it could not be read.
    pub tree: Tree,
    /// Its value; null where it could not be read.
    pub value: Value,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// Reads the text of one document.
pub fn read(text: &str) -> Text {
    let mut problems = Vec::new();
    let tree = match Tree::parse(text) {
        Ok(tree) => tree,
        Err(error) => {
            problems.push(Problem {
                code: "MW0001",
                severity: Severity::Error,
                path: Path::default(),
                offset: error.marker().byte_offset().unwrap_or(0),
                message: format!("This is not YAML: {}.", error.info()).into(),
                fix: None,
            });
            Tree::default()
        }
    };
    let value = value::value(&tree, &mut problems);
    Text { tree, value, problems }
}
