//! What reading a text has to say about it, in offsets of that text.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

use crate::Severity;
use crate::limits::DEPTH;

use super::path::Path;

/// A finding about a text, before it is known which file and resource the text belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Stable code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The field; empty for the whole document.
    pub path: Path,
    /// Byte offset in the text.
    pub offset: usize,
    /// One sentence.
    pub message: Cow<'static, str>,
    /// How to mend it: what the button says, and what to do.
    pub fix: Option<(Cow<'static, str>, Remedy)>,
}

/// Findings that are not told one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct More {
    /// How many.
    pub count: usize,
    /// How bad the worst of them is.
    pub worst: Option<Severity>,
}

impl More {
    /// Counts one.
    pub fn add(&mut self, severity: Severity) {
        self.count += 1;
        // The worst is the least.
        self.worst = Some(self.worst.map_or(severity, |worst| worst.min(severity)));
    }
}

/// What mends a problem.
#[derive(Debug, Clone, PartialEq)]
pub enum Remedy {
    /// Other text in the place of a range.
    Text(Range<usize>, String),
    /// The text as it was repaired to be read.
    Repaired,
    /// Fields with new values; `None` removes one.
    Fields(Vec<(Path, Option<Value>)>),
}

/// The document is nested too deeply.
pub(super) fn deep() -> Problem {
    let message = format!("The document has more than {DEPTH} levels, and is left out.");
    left_out("MW0006", 0, message)
}

/// A document that cannot be read.
pub(super) fn left_out(code: &'static str, offset: usize, message: String) -> Problem {
    Problem {
        code,
        severity: Severity::Error,
        path: Path::default(),
        offset,
        message: message.into(),
        fix: None,
    }
}
