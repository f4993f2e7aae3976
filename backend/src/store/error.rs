//! What can go wrong with the log, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong with the log.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file open.
    #[error(
        "{0} is in use: another meshwright runs on this data folder. End it, or choose another with --data"
    )]
    InUse(PathBuf),
    /// The data folder cannot be made.
    #[error("cannot make the data folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file was written by a newer program.
    #[error("the revision log has format {0}, which this version cannot read; use a newer meshwright")]
    Newer(u64),
    /// A revision must follow the newest one.
    #[error("revision {given} cannot follow revision {newest}")]
    OutOfOrder {
        /// The newest in the log; 0 when it is empty.
        newest: u64,
        /// The one to append.
        given: u64,
    },
    /// A record does not read back.
    #[error("revision {0} cannot be read back: {1}")]
    Corrupt(u64, String),
    /// There is no room.
    #[error("the disk that holds the revision log is full; free some space and try again")]
    Full(#[source] io::Error),
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("the revision log {path} is damaged ({why}). {}", saving(.path, .saved))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
        /// Revisions that are whole.
        saved: Vec<u64>,
    },
    /// The database.
    #[error("the revision log failed")]
    Database(#[source] redb::Error),
}

/// What to do about a damaged log.
fn saving(path: &Path, saved: &[u64]) -> String {
    let folder = path.parent().unwrap_or(path).display();
    let away = format!("then move {} away: the next start makes a new one", path.display());
    match saved {
        [] => format!("Nothing in it can be read any more. Keep a copy if you need its history, {away}"),
        [.., newest] => format!(
            "{} of its revisions can be read, {newest} is the newest of them. Save it with `meshwright export --data {folder} --output mesh.yaml` \
             (older ones with --revision), {away}",
            saved.len()
        ),
    }
}

impl StoreError {
    /// Whether redb keeps to it until the file is opened anew.
    pub(super) fn stays(&self) -> bool {
        use redb::Error::{DatabaseClosed, Io, LockPoisoned, PreviousIo};
        matches!(self, Self::Full(_) | Self::Database(Io(_) | PreviousIo | DatabaseClosed | LockPoisoned(_)))
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull, WriteZero};
        match error {
            redb::Error::Io(error)
                if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | WriteZero) =>
            {
                Self::Full(error)
            }
            error => Self::Database(error),
        }
    }
}

macro_rules! from_redb {
    ($($kind:ident),*) => {$(
        impl From<redb::$kind> for StoreError {
            fn from(error: redb::$kind) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}
from_redb!(TransactionError, TableError, StorageError, CommitError);
