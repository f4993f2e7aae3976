//! What an origin had when it was last taken or dismissed, beside what it has now: the difference is what it proposes.

use api::state::Proposal;
use mesh::sources::{Unread, Why};
use mesh::{Diagnostic, Sources, diff};

use super::Finding;
use crate::files::Found;

/// What is known of an origin.
#[derive(Debug)]
pub struct Baseline {
    /// What the origin is called in sentences.
    pub name: &'static str,
    /// What it had when its content was last taken or dismissed.
    baseline: Sources,
    found: Sources,
    unread: Vec<Unread>,
    at: i64,
    told: Option<Proposal>,
}

impl Baseline {
    /// An origin whose content is `found` now and was `baseline` when it was last taken.
    pub fn new(name: &'static str, baseline: Sources, found: Found, at: i64) -> Self {
        let mut known = Self { name, found: baseline.clone(), baseline, unread: Vec::new(), at, told: None };
        known.found(Ok(found), at);
        known
    }

    /// The origin was read; true where other files cannot be read than before. What cannot be read is as it was: that is no
    /// change, and least of all a removal.
    pub fn found(&mut self, found: Finding, at: i64) -> bool {
        let Found { mut sources, unread } = found.unwrap_or_else(|error| {
            let unread = vec![Unread { file: ".".to_owned(), why: Why::Failed(error) }];
            Found { sources: self.found.clone(), unread }
        });
        for Unread { file, .. } in &unread {
            if let Some(text) = self.found.0.get(file) {
                sources.0.insert(file.clone(), text.clone());
            }
        }
        if sources != self.found {
            (self.found, self.at) = (sources, at);
        }
        for Unread { file, why } in unread.iter().filter(|one| !self.unread.contains(one)) {
            tracing::warn!(file, %why, "file ignored");
        }
        let news = self.unread != unread;
        self.unread = unread;
        news
    }

    /// What is to be said of files that cannot be read.
    pub fn unread(&self) -> Vec<Diagnostic> {
        self.unread.iter().map(Unread::diagnostic).collect()
    }

    /// What it proposes on top of the newest revision: the files that changed there since its content was last taken, as far
    /// as the revision does not have them so already. Files that only the browser changed are left alone.
    pub fn proposal(&self, head: &Sources) -> Option<Proposal> {
        let mut files = diff::files(&self.baseline, &self.found);
        files.retain(|(path, text)| head.0.get(path) != text.as_ref());
        (!files.is_empty()).then_some(Proposal { at: self.at, files })
    }

    /// Whether its files are those that it proposed this for.
    pub fn proposes(&self, proposal: &Proposal) -> bool {
        self.at == proposal.at
    }

    /// What it has now is taken or dismissed.
    pub fn settle(&mut self) -> Sources {
        self.baseline = self.found.clone();
        self.baseline.clone()
    }

    /// Whether this proposal is news.
    pub fn tell(&mut self, proposal: &Option<Proposal>) -> bool {
        let news = self.told != *proposal;
        self.told.clone_from(proposal);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> Sources {
        files.iter().copied().collect()
    }

    fn found(files: &[(&str, &str)]) -> Found {
        Found { sources: sources(files), unread: Vec::new() }
    }

    #[test]
    fn what_cannot_be_read_is_said_and_proposes_nothing() {
        let base: &[(&str, &str)] = &[("a", "1"), ("b", "1")];
        let unread = |file: &str| Unread { file: file.to_owned(), why: Why::Utf16 };
        // At the start, with a change of another file.
        let disk = Found { unread: vec![unread("a")], ..found(&[("b", "2")]) };
        let mut known = Baseline::new("the folder", sources(base), disk.clone(), 5);
        let head = sources(base);
        assert_eq!(known.proposal(&head).unwrap().files, [("b".to_owned(), Some("2".to_owned()))]);
        let said: Vec<_> = known.unread().into_iter().map(|one| one.place.unwrap().file).collect();
        assert_eq!(said, ["a"]);
        assert!(!known.found(Ok(disk), 6), "no news");
        // A file that was not there before has nothing that could go on.
        assert!(known.found(Ok(Found { unread: vec![unread("c")], ..found(base) }), 7));
        assert_eq!(known.proposal(&head), None);
        // The folder itself.
        assert!(known.found(Err("it is gone".to_owned()), 8));
        assert_eq!((known.proposal(&head), known.unread().len()), (None, 1));
        assert!(known.found(Ok(found(base)), 9));
        assert_eq!((known.proposal(&head), known.unread()), (None, Vec::new()));
    }

    #[test]
    fn what_changed_on_disk_is_proposed_and_nothing_else() {
        let base: &[(&str, &str)] = &[("a", "1"), ("b", "1")];
        let cases: [(&[(&str, &str)], &[(&str, &str)], &[(&str, Option<&str>)]); 5] = [
            (base, base, &[]),
            // Edited in the browser alone.
            (base, &[("a", "2"), ("b", "1")], &[]),
            // Edited on disk, removed on disk.
            (&[("a", "3")], base, &[("a", Some("3")), ("b", None)]),
            // Exported into the folder: the same on both sides.
            (&[("a", "2"), ("b", "1")], &[("a", "2"), ("b", "1")], &[]),
            // One on each side.
            (&[("a", "1"), ("b", "4")], &[("a", "2"), ("b", "1")], &[("b", Some("4"))]),
        ];
        for (disk, head, expected) in cases {
            let known = Baseline::new("the folder", sources(base), found(disk), 5);
            let proposal = known.proposal(&sources(head));
            let files: Vec<_> = proposal.iter().flat_map(|proposal| &proposal.files).collect();
            let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_deref())).collect();
            assert_eq!(files, expected, "disk {disk:?}, head {head:?}");
        }
    }

    #[test]
    fn a_settled_folder_proposes_again_only_when_it_changes() {
        let mut known = Baseline::new("the folder", sources(&[("a", "1")]), found(&[("a", "2")]), 5);
        let head = sources(&[("a", "1")]);
        assert!(known.proposal(&head).is_some());
        known.settle();
        assert!(known.proposal(&head).is_none());
        assert!(!known.found(Ok(found(&[("a", "3")])), 9));
        assert_eq!(known.proposal(&head).map(|proposal| proposal.at), Some(9));
    }
}
