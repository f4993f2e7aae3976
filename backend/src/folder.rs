//! A mesh's folder on disk: what it proposes, and the task that looks for changes.
//!
//! The folder is only ever read. What was changed in the browser gets into it by export or by hand; what was changed in it gets into
//! the mesh when a person takes the proposal.

use std::path::PathBuf;

use api::state::Proposal;
use mesh::sources::{Unread, Why};
use mesh::{Diagnostic, Sources, diff};
use tokio::sync::mpsc;

use crate::control::Command;
use crate::files::{self, Found};
use crate::watch::Watch;

/// What is known of the folder.
#[derive(Debug)]
pub struct Watched {
    /// What it had when its content was last taken or dismissed.
    baseline: Sources,
    found: Sources,
    unread: Vec<Unread>,
    at: i64,
    told: Option<Proposal>,
}

impl Watched {
    /// A folder whose content is `found` now and was `baseline` when it was last taken.
    pub fn new(baseline: Sources, found: Found, at: i64) -> Self {
        let mut watched = Self { found: baseline.clone(), baseline, unread: Vec::new(), at, told: None };
        watched.found(Ok(found), at);
        watched
    }

    /// The folder was looked at; true where other files cannot be read than before. What cannot be read is as it was: that is no
    /// change, and least of all a removal.
    pub fn found(&mut self, found: Result<Found, files::Error>, at: i64) -> bool {
        let Found { mut sources, unread } = found.unwrap_or_else(|error| {
            let why = Why::Failed(format!("{:#}", anyhow::Error::new(error)));
            Found { sources: self.found.clone(), unread: vec![Unread { file: ".".to_owned(), why }] }
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
            tracing::warn!(file, %why, "a file of the folder is left out");
        }
        let news = self.unread != unread;
        self.unread = unread;
        news
    }

    /// What is to be said of files that cannot be read.
    pub fn unread(&self) -> Vec<Diagnostic> {
        self.unread.iter().map(Unread::diagnostic).collect()
    }

    /// What it proposes on top of the newest revision: the files that changed on disk since its content was last taken, as far
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

/// Tells of changes in a folder until the control loop is gone.
pub(crate) async fn follow(root: PathBuf, mut watch: Watch, commands: mpsc::Sender<Command>) {
    loop {
        tokio::select! {
            () = commands.closed() => return,
            () = watch.changed() => {}
        }
        let folder = root.clone();
        let Ok(found) = tokio::task::spawn_blocking(move || files::folder(&folder)).await else { return };
        if commands.send(Command::Folder(found)).await.is_err() {
            return;
        }
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
        let mut watched = Watched::new(sources(base), disk.clone(), 5);
        let head = sources(base);
        assert_eq!(watched.proposal(&head).unwrap().files, [("b".to_owned(), Some("2".to_owned()))]);
        let said: Vec<_> = watched.unread().into_iter().map(|one| one.place.unwrap().file).collect();
        assert_eq!(said, ["a"]);
        assert!(!watched.found(Ok(disk), 6), "no news");
        // A file that was not there before has nothing that could go on.
        assert!(watched.found(Ok(Found { unread: vec![unread("c")], ..found(base) }), 7));
        assert_eq!(watched.proposal(&head), None);
        // The folder itself.
        let failed = files::Error::Empty("x".into());
        assert!(watched.found(Err(failed), 8));
        assert_eq!((watched.proposal(&head), watched.unread().len()), (None, 1));
        assert!(watched.found(Ok(found(base)), 9));
        assert_eq!((watched.proposal(&head), watched.unread()), (None, Vec::new()));
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
            let watched = Watched::new(sources(base), found(disk), 5);
            let proposal = watched.proposal(&sources(head));
            let files: Vec<_> = proposal.iter().flat_map(|proposal| &proposal.files).collect();
            let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_deref())).collect();
            assert_eq!(files, expected, "disk {disk:?}, head {head:?}");
        }
    }

    #[test]
    fn a_settled_folder_proposes_again_only_when_it_changes() {
        let mut watched = Watched::new(sources(&[("a", "1")]), found(&[("a", "2")]), 5);
        let head = sources(&[("a", "1")]);
        assert!(watched.proposal(&head).is_some());
        watched.settle();
        assert!(watched.proposal(&head).is_none());
        assert!(!watched.found(Ok(found(&[("a", "3")])), 9));
        assert_eq!(watched.proposal(&head).map(|proposal| proposal.at), Some(9));
    }
}
