//! Differences between texts, line by line: for the review of a draft, and as text.

mod blocks;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use self::blocks::{Block, blocks};
use crate::Sources;

/// Lines that are shown around a change.
const CONTEXT: usize = 3;

/// What a line of a diff is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// In both.
    Same,
    /// In the old text only.
    Removed,
    /// In the new text only.
    Added,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffLine {
    /// What it is.
    pub kind: LineKind,
    /// Its number in the old text, from 1.
    pub old_line: Option<usize>,
    /// Its number in the new text, from 1.
    pub new_line: Option<usize>,
    /// Its text, without the line feed.
    pub text: String,
    /// The text ends with it, without a line feed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open_end: bool,
}

/// Changes that are close together, with the lines around them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hunk {
    /// Its lines.
    pub lines: Vec<DiffLine>,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its text changed.
    Changed,
}

/// The diff of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDiff {
    /// Its path.
    pub file: String,
    /// What happened to it.
    pub change: FileChange,
    /// Where.
    pub hunks: Vec<Hunk>,
}

/// The hunks that lead from one text to another; none when they are the same.
pub fn text(old: &str, new: &str) -> Vec<Hunk> {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let blocks = blocks(&old, &new);
    let near = |before: &Block, after: &Block| after.old.start - before.old.end <= 2 * CONTEXT;
    blocks.chunk_by(near).map(|blocks| Hunk { lines: lines(blocks, &old, &new) }).collect()
}

/// The lines of blocks that are close together, and those around them.
fn lines(blocks: &[Block], old: &[&str], new: &[&str]) -> Vec<DiffLine> {
    let mut lines = Vec::new();
    let mut add = |kind, old_line: Option<usize>, new_line: Option<usize>, text: &str| {
        lines.push(DiffLine {
            kind,
            old_line: old_line.map(|at| at + 1),
            new_line: new_line.map(|at| at + 1),
            text: text.trim_end_matches('\n').trim_end_matches('\r').to_owned(),
            open_end: !text.ends_with('\n'),
        });
    };
    for (index, block) in blocks.iter().enumerate() {
        let before = if index == 0 { CONTEXT } else { block.old.start - blocks[index - 1].old.end };
        for back in (1..=before.min(block.old.start)).rev() {
            let (at, new_at) = (block.old.start - back, block.new.start - back);
            add(LineKind::Same, Some(at), Some(new_at), old[at]);
        }
        for at in block.old.clone() {
            add(LineKind::Removed, Some(at), None, old[at]);
        }
        for at in block.new.clone() {
            add(LineKind::Added, None, Some(at), new[at]);
        }
    }
    if let Some(last) = blocks.last() {
        for ahead in 0..CONTEXT.min(old.len() - last.old.end) {
            let (at, new_at) = (last.old.end + ahead, last.new.end + ahead);
            add(LineKind::Same, Some(at), Some(new_at), old[at]);
        }
    }
    lines
}

/// The files that differ, by path.
pub fn sources(old: &Sources, new: &Sources) -> Vec<FileDiff> {
    let files = old.0.keys().chain(new.0.keys()).collect::<BTreeSet<_>>();
    let diff = |file: &String| {
        let (before, after) = (old.0.get(file), new.0.get(file));
        let change = match (before, after) {
            (None, _) => FileChange::Added,
            (_, None) => FileChange::Removed,
            (before, after) if before == after => return None,
            _ => FileChange::Changed,
        };
        let text_of = |text: Option<&String>| text.map(String::as_str).unwrap_or_default().to_owned();
        Some(FileDiff { file: file.clone(), change, hunks: text(&text_of(before), &text_of(after)) })
    };
    files.into_iter().filter_map(diff).collect()
}

/// The files that differ from one text to another, with their new text; `None`: removed. By path.
pub fn files(from: &Sources, to: &Sources) -> Vec<(String, Option<String>)> {
    let all = from.0.keys().chain(to.0.keys()).collect::<BTreeSet<_>>();
    let changed = all.into_iter().filter(|path| from.0.get(*path) != to.0.get(*path));
    changed.map(|path| (path.clone(), to.0.get(path).cloned())).collect()
}

/// What two people made of one text, together: both changes where they are of different lines, `None` where they meet.
///
/// ```
/// use mesh::diff::merge;
///
/// let base = "a\nb\nc\n";
/// assert_eq!(merge(base, "A\nb\nc\n", "a\nb\nC\n").as_deref(), Some("A\nb\nC\n"));
/// assert_eq!(merge(base, "A\nb\nc\n", "aa\nb\nc\n"), None);
/// ```
pub fn merge(base: &str, one: &str, other: &str) -> Option<String> {
    let [base, one, other] = [base, one, other].map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
    let mut all: Vec<(Block, &[&str])> = blocks(&base, &one).into_iter().map(|it| (it, &one[..])).collect();
    all.extend(blocks(&base, &other).into_iter().map(|it| (it, &other[..])));
    all.sort_by(|(a, _), (b, _)| {
        (a.old.start, a.old.end, a.new.len()).cmp(&(b.old.start, b.old.end, b.new.len()))
    });
    let mut merged = String::new();
    let mut at = 0;
    let mut last: Option<(std::ops::Range<usize>, &[&str])> = None;
    for (Block { old, new }, of) in all {
        let lines = &of[new];
        if let Some((before, written)) = &last {
            // The same change, made twice.
            if *before == old && *written == lines {
                continue;
            }
            // Changes that touch cannot be told apart from one of the same lines.
            if old.start <= before.end {
                return None;
            }
        }
        base[at..old.start].iter().chain(lines).for_each(|line| merged.push_str(line));
        at = old.end;
        last = Some((old, lines));
    }
    base[at..].iter().for_each(|line| merged.push_str(line));
    Some(merged)
}

/// Diffs in the unified format, as `git apply` and `patch -p1` read it.
///
/// ```
/// use mesh::Sources;
/// use mesh::diff;
///
/// let old = Sources::single("mesh.yaml", "weight: 100\n");
/// let new = Sources::single("mesh.yaml", "weight: 90\n");
/// let text = diff::unified(&diff::sources(&old, &new));
/// assert!(text.ends_with("-weight: 100\n+weight: 90\n"));
/// ```
pub fn unified(files: &[FileDiff]) -> String {
    let mut out = String::new();
    for FileDiff { file, change, hunks } in files {
        let old = if *change == FileChange::Added { "/dev/null".to_owned() } else { format!("a/{file}") };
        let new = if *change == FileChange::Removed { "/dev/null".to_owned() } else { format!("b/{file}") };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "--- {old}\n+++ {new}");
        for hunk in hunks {
            let old = range(hunk.lines.iter().filter_map(|line| line.old_line));
            let new = range(hunk.lines.iter().filter_map(|line| line.new_line));
            let _ = writeln!(out, "@@ -{old} +{new} @@");
            for line in &hunk.lines {
                let sign = match line.kind {
                    LineKind::Same => ' ',
                    LineKind::Removed => '-',
                    LineKind::Added => '+',
                };
                let _ = writeln!(out, "{sign}{}", line.text);
                if line.open_end {
                    out.push_str("\\ No newline at end of file\n");
                }
            }
        }
    }
    out
}

/// `start,count` of a hunk's side.
fn range(lines: impl Iterator<Item = usize>) -> String {
    let lines: Vec<usize> = lines.collect();
    match lines.as_slice() {
        [] => "0,0".to_owned(),
        [only] => only.to_string(),
        [first, ..] => format!("{first},{}", lines.len()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FileChange, LineKind, files, merge, sources, text, unified};
    use crate::Sources;

    #[test]
    fn what_two_people_changed_is_put_together() {
        let base = lines(1..9);
        let one = base.replace("line 2\n", "line two\nline 2b\n");
        let other = base.replace("line 6\n", "");
        let both = one.replace("line 6\n", "");
        let cases = [
            (&one, &other, Some(&both)),
            (&other, &one, Some(&both)),
            (&one, &one, Some(&one)),
            (&base, &other, Some(&other)),
            (&one, &base, Some(&one)),
        ];
        for (a, b, expected) in cases {
            assert_eq!(merge(&base, a, b).as_ref(), expected);
        }
        for theirs in ["line 2 else\n", "", "line 2\nline 2c\n"] {
            let theirs = base.replace("line 2\n", theirs);
            assert_eq!(merge(&base, &one, &theirs), None, "{theirs}");
        }
        // Next to each other.
        assert_eq!(merge(&base, &one, &base.replace("line 3\n", "line three\n")), None);
        assert_eq!(merge("", "a\n", "b\n"), None);
        assert_eq!(merge("a", "a\nb", "a").as_deref(), Some("a\nb"));
    }

    fn few_lines() -> impl Strategy<Value = String> {
        prop::collection::vec("[abc]{0,1}", 0..9).prop_map(|lines| lines.join("\n"))
    }

    proptest! {
        /// Who changed nothing gets what the other made of it, and it does not matter who comes first.
        #[test]
        fn a_merge_takes_no_side(base in few_lines(), one in few_lines(), other in few_lines()) {
            prop_assert_eq!(merge(&base, &base, &other), Some(other.clone()));
            prop_assert_eq!(merge(&base, &one, &base), Some(one.clone()));
            prop_assert_eq!(merge(&base, &one, &one), Some(one.clone()));
            prop_assert_eq!(merge(&base, &one, &other), merge(&base, &other, &one));
        }
    }

    #[test]
    fn files_that_differ() {
        let of = |files: &[(&str, &str)]| {
            Sources(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
        };
        let (from, to) =
            (of(&[("a", "1"), ("b", "1"), ("c", "1")]), of(&[("a", "1"), ("c", "2"), ("d", "1")]));
        let some = |text: &str| Some(text.to_owned());
        let expected = [("b".to_owned(), None), ("c".to_owned(), some("2")), ("d".to_owned(), some("1"))];
        assert_eq!(files(&from, &to), expected);
    }

    fn lines(numbers: std::ops::Range<u32>) -> String {
        numbers.map(|number| format!("line {number}\n")).collect()
    }

    #[test]
    fn hunks_with_numbers() {
        let old = lines(1..30);
        let new = old.replace("line 5\n", "line five\nline 5b\n").replace("line 25\n", "");
        let hunks = text(&old, &new);
        assert_eq!(hunks.len(), 2);
        let changed: Vec<_> = hunks
            .iter()
            .flat_map(|hunk| &hunk.lines)
            .filter(|line| line.kind != LineKind::Same)
            .map(|line| (line.kind, line.old_line, line.new_line, line.text.as_str()))
            .collect();
        assert_eq!(
            changed,
            [
                (LineKind::Removed, Some(5), None, "line 5"),
                (LineKind::Added, None, Some(5), "line five"),
                (LineKind::Added, None, Some(6), "line 5b"),
                (LineKind::Removed, Some(25), None, "line 25"),
            ]
        );
        assert_eq!(hunks[0].lines.len(), 3 + 3 + 3);
        assert!(text(&old, &old).is_empty());
    }

    #[test]
    fn unified_text() {
        let old =
            Sources::from_iter([("a.yaml", "a: 1\nb: 2\n"), ("b.yaml", "x: 1\n"), ("same.yaml", "y\n")]);
        let new = Sources::from_iter([("a.yaml", "a: 1\nb: 3"), ("c.yaml", "z: 1\n"), ("same.yaml", "y\n")]);
        let diff = sources(&old, &new);
        let changes: Vec<_> = diff.iter().map(|file| (file.file.as_str(), file.change)).collect();
        assert_eq!(
            changes,
            [("a.yaml", FileChange::Changed), ("b.yaml", FileChange::Removed), ("c.yaml", FileChange::Added)]
        );
        let expected = "\
--- a/a.yaml
+++ b/a.yaml
@@ -1,2 +1,2 @@
 a: 1
-b: 2
+b: 3
\\ No newline at end of file
--- a/b.yaml
+++ /dev/null
@@ -1 +0,0 @@
-x: 1
--- /dev/null
+++ b/c.yaml
@@ -0,0 +1 @@
+z: 1
";
        assert_eq!(unified(&diff), expected);
    }
}
