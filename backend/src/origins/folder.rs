//! A mesh's folder on disk. What was changed in the browser gets into it by export or by hand.

use std::panic::resume_unwind;
use std::path::PathBuf;

use super::Origin;
use crate::files::{self, Found};
use crate::watch::Watch;

/// A folder, watched.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    watch: Watch,
}

impl Folder {
    /// Watches a folder: what changes from now on is seen.
    pub fn new(root: PathBuf) -> Self {
        Self { watch: Watch::new(vec![root.clone()]), root }
    }
}

impl Origin for Folder {
    type Error = files::Error;

    fn name(&self) -> &'static str {
        "the folder"
    }

    async fn read(&self) -> Result<Found, files::Error> {
        let root = self.root.clone();
        match tokio::task::spawn_blocking(move || files::folder(&root)).await {
            Ok(found) => found,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The program ends.
                Err(_cancelled) => std::future::pending().await,
            },
        }
    }

    async fn changed(&mut self) {
        self.watch.changed().await;
    }
}
