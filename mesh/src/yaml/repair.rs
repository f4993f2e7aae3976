//! Repairs of text that is not YAML but whose meaning is plain. Each is told of.

use granit_parser::{ErrorKind, ScanError};

use crate::Severity;
use crate::limits::PROBLEMS;

use super::path::Path;
use super::problem::{Problem, Remedy};
use super::tree::{Tree, Unreadable};

/// Stars of one document that are put in quotes.
const MOST_STARS: usize = 50;

/// A text that could be read after repairs.
pub(crate) struct Repaired {
    /// The text that offsets refer to. Placeholders still stand in it.
    pub(crate) text: String,
    /// Its nodes.
    pub(crate) tree: Tree,
    /// The repairs.
    pub(crate) problems: Vec<Problem>,
}

/// Tries what makes a text readable that is not; `None` where nothing does.
pub(crate) fn repair(text: &str) -> Option<Repaired> {
    let tabs = text.lines().any(|line| leading(line).contains('\t'));
    // One width of a tab after the other; without tabs the text once, as it is.
    let widths: &[usize] = if tabs { &[2, 4, 8] } else { &[0] };
    widths.iter().find_map(|width| {
        let mut problems = Vec::new();
        let expanded = if tabs { expand(text, *width, &mut problems) } else { text.to_owned() };
        parse(expanded, problems)
    })
}

/// Parses a text with its placeholders blanked and its bare stars quoted.
fn parse(mut text: String, mut problems: Vec<Problem>) -> Option<Repaired> {
    // Each turn quotes one star, and reads the text again.
    for _ in 0..MOST_STARS {
        match Tree::parse(&blanked(&text)) {
            Ok(tree) => {
                placeholders(&text, &mut problems);
                return Some(Repaired { text, tree, problems });
            }
            Err(Unreadable::Syntax(error)) => quote_star(&mut text, &error, &mut problems)?,
            Err(Unreadable::Deep | Unreadable::Large) => return None,
        }
    }
    None
}

fn leading(line: &str) -> &str {
    line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()).unwrap_or_default()
}

fn expand(text: &str, width: usize, problems: &mut Vec<Problem>) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.split_inclusive('\n') {
        let indent = leading(line);
        if indent.contains('\t') && problems.is_empty() {
            problems.push(Problem {
                code: "MW0012",
                severity: Severity::Warning,
                path: Path::default(),
                offset: out.len(),
                message: format!(
                    "YAML must not be indented with tabs, and kubectl rejects this; each tab is read as {width} spaces."
                )
                .into(),
                fix: Some(("Replace the tabs with spaces".into(), Remedy::Repaired)),
            });
        }
        out.push_str(&indent.replace('\t', &" ".repeat(width)));
        out.push_str(line.get(indent.len()..).unwrap_or_default());
    }
    out
}

/// The text with `...` on indented lines of their own overwritten by blanks: as long as it was.
fn blanked(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| if is_placeholder(line) { line.replace('.', " ") } else { line.to_owned() })
        .collect()
}

fn is_placeholder(line: &str) -> bool {
    line.starts_with([' ', '\t']) && line.trim() == "..."
}

fn placeholders(text: &str, problems: &mut Vec<Problem>) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if is_placeholder(line) && problems.len() < PROBLEMS {
            problems.push(placeholder(at + leading(line).len(), Path::default()));
        }
        at += line.len();
    }
}

/// What is said of a `...`.
pub(crate) fn placeholder(offset: usize, path: Path) -> Problem {
    Problem {
        code: "MW0011",
        severity: Severity::Warning,
        path,
        offset,
        message: "`...` is a placeholder for something left out; it is ignored here, but kubectl rejects it."
            .into(),
        fix: Some(("Remove the placeholder".into(), Remedy::Text(offset..offset + 3, String::new()))),
    }
}

/// `*` alone is not even an alias. Quotes the scalar that the parser stopped at.
fn quote_star(text: &mut String, error: &ScanError, problems: &mut Vec<Problem>) -> Option<()> {
    if !matches!(error.kind(), ErrorKind::MissingAnchorOrAliasName) {
        return None;
    }
    let start = error.marker().byte_offset()?;
    let rest = text.get(start..).filter(|rest| rest.starts_with('*'))?;
    let length = rest.find([' ', '\t', '\n', '\r', ',', ']', '}']).unwrap_or(rest.len());
    let quoted = format!("\"{}\"", rest.get(..length)?);
    text.replace_range(start..start + length, &quoted);
    problems.push(Problem {
        code: "MW0010",
        severity: Severity::Warning,
        path: Path::default(),
        offset: start,
        message: format!(
            "A `*` without quotes begins a YAML alias, and kubectl rejects this; it is read as text here. Write {quoted}."
        )
        .into(),
        fix: Some((format!("Write {quoted}").into(), Remedy::Repaired)),
    });
    Some(())
}
