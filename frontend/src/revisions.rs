//! Which revision undo and redo take back. Pure.

use api::RevisionInfo;

/// What can be undone and redone, given all revisions (newest first, as the server sends them).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Steps {
    /// The revision that undo takes back.
    pub undo: Option<u64>,
    /// The revision that redo takes back: an undo.
    pub redo: Option<u64>,
}

impl Steps {
    /// Walks the history. An undo is itself a revision, so undoing twice must not bring the first change back.
    pub fn of(history: &[RevisionInfo]) -> Self {
        let (mut undo, mut redo) = (Vec::new(), Vec::new());
        for revision in history.iter().rev() {
            match revision.reverts {
                Some(other) if undo.last() == Some(&other) => {
                    undo.pop();
                    redo.push(revision.number);
                }
                Some(other) if redo.last() == Some(&other) => {
                    redo.pop();
                    undo.push(revision.number);
                }
                // The first revision has nothing before it.
                _ if revision.number == 1 => {}
                _ => {
                    undo.push(revision.number);
                    redo.clear();
                }
            }
        }
        Self { undo: undo.last().copied(), redo: redo.last().copied() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undo_and_redo_walk() {
        for (reverts, undo, redo) in [
            (vec![None], None, None),
            (vec![None, None, None], Some(3), None),
            (vec![None, None, None, Some(3)], Some(2), Some(4)),
            (vec![None, None, None, Some(3), Some(2)], None, Some(5)),
            (vec![None, None, None, Some(3), Some(2), Some(5)], Some(6), Some(4)),
            (vec![None, None, None, Some(3), Some(2), Some(5), Some(4)], Some(7), None),
            (vec![None, None, None, Some(3), None], Some(5), None),
            (vec![None, None, None, None, Some(2)], Some(5), None),
        ] {
            let mut history: Vec<RevisionInfo> = (1..)
                .zip(&reverts)
                .map(|(number, reverts)| RevisionInfo {
                    number,
                    author: String::new(),
                    at: 0,
                    summary: String::new(),
                    edits: api::revision::Edits::default(),
                    reverts: *reverts,
                })
                .collect();
            history.reverse();
            assert_eq!(Steps::of(&history), Steps { undo, redo }, "{reverts:?}");
        }
    }
}
