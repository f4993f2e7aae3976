//! What reading a text has to say about it, in offsets of that text.

use std::borrow::Cow;
use std::ops::Range;

use crate::Severity;

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
    /// How to mend it.
    pub fix: Option<TextFix>,
}

/// Replacements of text that mend a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFix {
    /// What the button says.
    pub title: Cow<'static, str>,
    /// Byte ranges and what takes their place, in ascending order.
    pub replacements: Vec<(Range<usize>, String)>,
}

impl TextFix {
    /// The text with the replacements made.
    pub fn apply(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for (range, with) in &self.replacements {
            out.push_str(text.get(from..range.start).unwrap_or_default());
            out.push_str(with);
            from = range.end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        out
    }
}
