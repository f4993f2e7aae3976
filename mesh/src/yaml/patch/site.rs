//! Places in a text: lines, columns, colons and dashes.

use std::ops::Range;

use super::super::emit::Layout;
use super::super::tree::{NodeId, NodeKind, Tree};

/// Where a node hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    /// It is the document.
    Root,
    /// Behind a key: the offset after the colon, and the key's column.
    Value { after: usize, column: usize },
    /// Behind a dash: the offset after the dash, and the dash's column.
    Item { after: usize, column: usize },
    /// Within brackets or braces.
    Flow,
}

/// The start of the line of an offset.
pub(super) fn line_start(text: &str, offset: usize) -> usize {
    text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
}

/// The end of the line of an offset, behind its line feed.
pub(super) fn line_end(text: &str, offset: usize) -> usize {
    text.get(offset..).and_then(|after| after.find('\n')).map_or(text.len(), |at| offset + at + 1)
}

/// The column of an offset, from 0. Indentation is of spaces, so bytes will do.
pub(super) fn column(text: &str, offset: usize) -> usize {
    offset - line_start(text, offset)
}

/// Whether nothing but blanks is before an offset on its line.
pub(super) fn leads_line(text: &str, offset: usize) -> bool {
    text.get(line_start(text, offset)..offset).is_some_and(|before| before.trim().is_empty())
}

/// The offset behind the colon of a key that ends at `end`.
pub(super) fn after_colon(text: &str, end: usize) -> Option<usize> {
    let rest = text.get(end..)?;
    let colon = rest.find(|c: char| !c.is_ascii_whitespace())?;
    // On another line it belongs to an explicit key (`? key`), whose layout is its own.
    (rest.get(colon..)?.starts_with(':') && !rest.get(..colon)?.contains('\n')).then_some(end + colon + 1)
}

/// The offsets of the dashes of a list in a block. `from` is where the first is looked for.
pub(super) fn dashes(text: &str, tree: &Tree, items: &[NodeId], from: usize) -> Option<Vec<usize>> {
    let mut from = from;
    let mut dashes = Vec::with_capacity(items.len());
    for item in items {
        let dash = dash(text, from)?;
        dashes.push(dash);
        from = tree.node(*item).span.end.max(dash + 1);
    }
    Some(dashes)
}

/// The first dash from an offset on, past blanks, comments, anchors and tags.
fn dash(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = text.get(at..)?;
        at += match rest.chars().next()? {
            '-' => return Some(at),
            '#' => rest.find('\n')?,
            '&' | '!' => rest.find(|c: char| c.is_ascii_whitespace())?,
            c if c.is_ascii_whitespace() => 1,
            _ => return None,
        };
    }
}

/// The comment on the rest of a line that holds nothing else, with the blanks before it; empty without one.
pub(super) fn comment(text: &str, offset: usize) -> &str {
    let line = text.get(offset..line_end(text, offset)).unwrap_or_default().trim_end();
    if line.trim_start().starts_with('#') { line } else { "" }
}

/// The start of the comment lines right above an offset's line, or of the line itself.
pub(super) fn comments_start(text: &str, offset: usize, not_before: usize) -> usize {
    let mut start = line_start(text, offset);
    while start > not_before {
        let above = line_start(text, start - 1);
        let is_comment = text.get(above..start).is_some_and(|line| line.trim_start().starts_with('#'));
        if !is_comment || above < not_before {
            break;
        }
        start = above;
    }
    start
}

/// The layout of a document: that of its first nested mapping and its first list below a key.
pub(super) fn layout(text: &str, tree: &Tree) -> Layout {
    let (mut step, mut dash_offset) = (None, None);
    for node in tree.nodes() {
        let NodeKind::Mapping { entries, flow: false } = &node.kind else { continue };
        for (key, value) in entries {
            let key_span = &tree.node(*key).span;
            let key_column = column(text, key_span.start);
            match &tree.node(*value).kind {
                NodeKind::Mapping { entries, flow: false } if step.is_none() => {
                    let first = entries.first().map(|(key, _)| column(text, tree.node(*key).span.start));
                    step = first.and_then(|first| first.checked_sub(key_column)).filter(|step| *step > 0);
                }
                NodeKind::Sequence { items, flow: false } if dash_offset.is_none() => {
                    let found =
                        after_colon(text, key_span.end).and_then(|from| dashes(text, tree, items, from));
                    let first = found.and_then(|dashes| dashes.first().map(|dash| column(text, *dash)));
                    dash_offset = first.and_then(|first| first.checked_sub(key_column));
                }
                _ => {}
            }
        }
        if step.is_some() && dash_offset.is_some() {
            break;
        }
    }
    let default = Layout::default();
    Layout { step: step.unwrap_or(default.step), dash: dash_offset.unwrap_or(default.dash), ..default }
}

/// The lines of a range without the last line feed, each moved to the right.
pub(super) fn moved(text: &str, range: Range<usize>, by: usize) -> String {
    let lines = text.get(range).unwrap_or_default().split('\n');
    let pad = " ".repeat(by);
    let moved: Vec<_> = lines
        .map(|line| if line.trim().is_empty() { line.to_owned() } else { format!("{pad}{line}") })
        .collect();
    moved.join("\n")
}
