//! Telling when files change: by the system's notifications, and by looking where there are none.
//!
//! Some file systems have none and do not say so (network mounts, some containers), so it is looked now and then in any case.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use proxy::regular;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::files::{self, Stamps, Walk};

/// How often it is looked without notifications. A change is taken once two looks agree, so that half of a `git checkout` is not.
const LOOK: Duration = Duration::from_millis(300);
/// How often it is looked in spite of notifications.
const SELDOM: Duration = Duration::from_secs(2);
/// How long nothing may be told for a change to be whole: a `git checkout` writes one file after the other.
const QUIET: Duration = Duration::from_millis(25);
/// As long as a file is open that was written to.
const WRITING: Duration = Duration::from_millis(300);
/// After so long a change is taken although more is told.
const LONGEST: Duration = Duration::from_secs(2);
/// Most folders that the system is asked to watch; it has a limit of its own.
const FOLDERS: usize = 4096;
/// Files that may be open for writing before they are no longer counted.
const OPEN: usize = 1024;

/// Watches files and folders.
#[derive(Debug)]
pub(crate) struct Watch {
    paths: Vec<PathBuf>,
    taken: Option<Stamps>,
    heard: Arc<Heard>,
    /// None where the system has no notifications, or no more of them.
    watcher: Option<RecommendedWatcher>,
    /// What the watcher watches, and which folder that was: another one may take its name.
    watched: BTreeMap<PathBuf, u64>,
}

impl Watch {
    /// What is there now is known.
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        let heard = Arc::new(Heard::default());
        let told = Arc::clone(&heard);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| told.event(event));
        let watcher = watcher.inspect_err(no_notifications).ok();
        let mut watch = Self { paths, taken: None, heard, watcher, watched: BTreeMap::new() };
        // Watched before it is looked at: what changes in between is told.
        if let Some((_, walk)) = files::stamps(&watch.paths) {
            watch.follow(&walk);
        }
        watch.taken = files::stamps(&watch.paths).map(|(stamp, _)| stamp);
        watch
    }

    /// Returns when the files are others than they were and have been left alone for a moment. May be given up and asked again.
    pub(crate) async fn changed(&mut self) {
        loop {
            let seldom = if self.watcher.is_some() { SELDOM } else { LOOK };
            let told = timeout(seldom, self.heard.news.notified()).await.is_ok();
            if told {
                self.settle().await;
            }
            // What cannot be looked at is a change, too, which whoever reads it will say.
            let mut now = self.look().await;
            if now == self.taken {
                continue;
            }
            // Nobody said whether it is whole.
            let mut whole = told;
            while !whole {
                sleep(LOOK).await;
                let next = self.look().await;
                whole = next == now;
                now = next;
            }
            self.taken = now;
            return;
        }
    }

    /// Waits until nothing more is told.
    async fn settle(&self) {
        let start = Instant::now();
        loop {
            let quiet = if self.heard.open().is_empty() { QUIET } else { WRITING };
            if timeout(quiet, self.heard.news.notified()).await.is_err() || start.elapsed() > LONGEST {
                break;
            }
        }
        self.heard.open().clear();
    }

    async fn look(&mut self) -> Option<Stamps> {
        let paths = self.paths.clone();
        let (stamp, walk) = tokio::task::spawn_blocking(move || files::stamps(&paths)).await.ok()??;
        self.follow(&walk);
        Some(stamp)
    }

    /// Watches the folders that there are now.
    fn follow(&mut self, walk: &Walk) {
        let Some(watcher) = &mut self.watcher else { return };
        let now: BTreeMap<PathBuf, u64> =
            walk.folders.iter().take(FOLDERS).map(|folder| (folder.clone(), identity(folder))).collect();
        for folder in
            self.watched.iter().filter(|(folder, id)| now.get(*folder) != Some(id)).map(|(folder, _)| folder)
        {
            // It may be gone, and the watch with it.
            let _ = watcher.unwatch(folder);
        }
        let mut failed = walk.folders.len() > FOLDERS;
        for folder in
            now.iter().filter(|(folder, id)| self.watched.get(*folder) != Some(id)).map(|(folder, _)| folder)
        {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                failed |= folder.exists();
                no_notifications(&error);
            }
        }
        self.watched = now;
        if failed {
            self.watcher = None;
            self.watched.clear();
        }
    }
}

fn no_notifications(error: &notify::Error) {
    tracing::info!(%error, "checking files every {} ms: the system does not report changes", LOOK.as_millis());
}

fn identity(folder: &Path) -> u64 {
    regular::stamp(folder).map_or(0, |stamp| stamp.identity)
}

/// What the system told.
#[derive(Debug, Default)]
struct Heard {
    news: Notify,
    /// Files that were written to and not closed since.
    open: Mutex<HashSet<PathBuf>>,
}

impl Heard {
    fn open(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, event: notify::Result<Event>) {
        let Ok(Event { kind, paths, .. }) = event else {
            // Too much to tell, most likely.
            return self.news.notify_one();
        };
        let mut open = self.open();
        match kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                open.retain(|path| !paths.contains(path));
            }
            // Reading, by this program too, is no change.
            EventKind::Access(_) => return,
            // Only Linux says when a file is closed.
            EventKind::Create(CreateKind::File) | EventKind::Modify(ModifyKind::Data(_))
                if cfg!(target_os = "linux") =>
            {
                if open.len() < OPEN {
                    open.extend(paths);
                }
            }
            _ => open.retain(|path| !paths.contains(path)),
        }
        drop(open);
        self.news.notify_one();
    }
}

#[cfg(test)]
mod tests;
