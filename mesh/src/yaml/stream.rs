//! Cutting a file into its documents.
//!
//! `---` and `...` at the start of a line end a document wherever they stand, even in a block scalar, so the cut needs
//! no parser and a document that is broken cannot take the others with it.

use std::ops::Range;

/// The text of one document within a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its bytes: all between two markers, without them.
    pub span: Range<usize>,
    /// Line on which it starts, from 1.
    pub line: usize,
    /// Whether nothing but blanks, comments and directives is in it.
    pub empty: bool,
}

/// The documents of a file, empty ones too, in order.
pub fn chunks(text: &str) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let (mut start, mut start_line) = (0, 1);
    let mut empty = true;
    let mut at = 0;
    for (number, line) in lines(text).enumerate() {
        if is_marker(line) {
            chunks.push(Chunk { span: start..at, line: start_line, empty });
            // What follows the three characters on their line is of the next document.
            (start, start_line) = (at + 3, number + 1);
            empty = is_blank(line.get(3..).unwrap_or_default());
        } else {
            // A directive stands before the marker of its document, so alone it makes none.
            empty = empty && (is_blank(line) || line.starts_with('%'));
        }
        at += line.len();
    }
    chunks.push(Chunk { span: start..text.len(), line: start_line, empty });
    chunks
}

/// The lines of a text with their ends: LF, CR LF, or CR alone.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let bytes = rest.as_bytes();
        let end = memchr::memchr2(b'\n', b'\r', bytes).map_or(bytes.len(), |at| {
            at + if bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n') { 2 } else { 1 }
        });
        let (line, others) = rest.split_at_checked(end)?;
        rest = others;
        Some(line)
    })
}

/// Whether a line is a document marker.
pub(crate) fn is_marker(line: &str) -> bool {
    (line.starts_with("---") || line.starts_with("..."))
        && line.get(3..).is_none_or(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
}

fn is_blank(line: &str) -> bool {
    let line = line.trim_start_matches('\u{feff}').trim();
    line.is_empty() || line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::chunks;

    #[test]
    fn cut() {
        let table: &[(&str, &[(&str, usize, bool)])] = &[
            ("", &[("", 1, true)]),
            ("a: 1\n", &[("a: 1\n", 1, false)]),
            ("# c\n---\na: 1\n---\n", &[("# c\n", 1, true), ("\na: 1\n", 2, false), ("\n", 4, true)]),
            ("a: |\n  x\n--- # next\nb: 2", &[("a: |\n  x\n", 1, false), (" # next\nb: 2", 3, false)]),
            ("a: 1\r\n---\r\nb: 2\r\n", &[("a: 1\r\n", 1, false), ("\r\nb: 2\r\n", 2, false)]),
            ("a: 1\r---\rb: 2\r", &[("a: 1\r", 1, false), ("\rb: 2\r", 2, false)]),
            (
                "# c\r---\r\na: 1\n---\rb: 2",
                &[("# c\r", 1, true), ("\r\na: 1\n", 2, false), ("\rb: 2", 4, false)],
            ),
            ("a: 1\n...\nb: 2\n", &[("a: 1\n", 1, false), ("\nb: 2\n", 2, false)]),
            ("%YAML 1.2\n---\na: 1\n", &[("%YAML 1.2\n", 1, true), ("\na: 1\n", 2, false)]),
            ("--- {a: 1}\n", &[("", 1, true), (" {a: 1}\n", 1, false)]),
            ("a: 1\n  ...\n----\n", &[("a: 1\n  ...\n----\n", 1, false)]),
        ];
        for (text, expected) in table {
            let found: Vec<_> = chunks(text).into_iter().map(|c| (&text[c.span], c.line, c.empty)).collect();
            assert_eq!(found, *expected, "{text:?}");
        }
    }
}
