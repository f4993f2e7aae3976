//! A mesh's folder on disk: what it proposes, and the task that looks for changes.
//!
//! The folder is only ever read. What was changed in the browser gets into it by export or by hand; what was changed in it gets into
//! the mesh when a person takes the proposal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use api::state::Proposal;
use mesh::Sources;
use tokio::sync::mpsc;

use crate::control::Command;
use crate::files;
use crate::world::differences;

/// How often the folder is looked at. A change is taken once two looks agree, so that half of a `git checkout` is not.
const LOOK: Duration = Duration::from_millis(300);

/// What is known of the folder.
#[derive(Debug)]
pub struct Watched {
    /// What it had when its content was last taken or dismissed.
    baseline: Sources,
    found: Sources,
    at: i64,
    told: Option<Proposal>,
}

impl Watched {
    /// A folder whose content is `found` now and was `baseline` when it was last taken.
    pub fn new(baseline: Sources, found: Sources, at: i64) -> Self {
        Self { baseline, found, at, told: None }
    }

    /// The folder was looked at.
    pub fn found(&mut self, found: Sources, at: i64) {
        if found != self.found {
            (self.found, self.at) = (found, at);
        }
    }

    /// What it proposes on top of the newest revision: the files that changed on disk since its content was last taken, as far
    /// as the revision does not have them so already. Files that only the browser changed are left alone.
    pub fn proposal(&self, head: &Sources) -> Option<Proposal> {
        let mut files = differences(&self.baseline, &self.found);
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

/// Looks at a folder until the control loop is gone. It polls: that works on every file system, network mounts and containers
/// included, and a mesh has a few hundred files.
pub(crate) async fn watch(root: PathBuf, commands: mpsc::Sender<Command>) {
    let mut taken = None;
    let mut last = None;
    let mut interval = tokio::time::interval(LOOK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !commands.is_closed() {
        interval.tick().await;
        let folder = root.clone();
        let look = tokio::task::spawn_blocking(move || look(&folder)).await;
        let Ok(Some(seen)) = look else { continue };
        let settled = last.as_ref() == Some(&seen);
        if settled && taken.as_ref() != Some(&seen) {
            let folder = root.clone();
            match tokio::task::spawn_blocking(move || files::folder(&folder)).await {
                Ok(Ok(sources)) => {
                    if commands.send(Command::Folder(sources)).await.is_err() {
                        return;
                    }
                    taken = Some(seen.clone());
                }
                Ok(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "folder not read"),
                Err(_) => return,
            }
        }
        last = Some(seen);
    }
}

type Look = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// Names, times and lengths of the folder's files. `None` while it cannot be read: that is no change.
fn look(root: &Path) -> Option<Look> {
    let paths = files::yaml_below(root).ok()?;
    paths
        .into_iter()
        .map(|path| {
            let metadata = path.metadata().ok()?;
            Some((path, (metadata.modified().ok(), metadata.len())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> Sources {
        files.iter().copied().collect()
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
            let watched = Watched::new(sources(base), sources(disk), 5);
            let proposal = watched.proposal(&sources(head));
            let files: Vec<_> = proposal.iter().flat_map(|proposal| &proposal.files).collect();
            let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_deref())).collect();
            assert_eq!(files, expected, "disk {disk:?}, head {head:?}");
        }
    }

    #[test]
    fn a_settled_folder_proposes_again_only_when_it_changes() {
        let mut watched = Watched::new(sources(&[("a", "1")]), sources(&[("a", "2")]), 5);
        let head = sources(&[("a", "1")]);
        assert!(watched.proposal(&head).is_some());
        watched.settle();
        assert!(watched.proposal(&head).is_none());
        watched.found(sources(&[("a", "3")]), 9);
        assert_eq!(watched.proposal(&head).map(|proposal| proposal.at), Some(9));
    }
}
