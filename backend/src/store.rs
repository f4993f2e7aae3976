//! The revision log, in one redb file: every revision with its description, the inverse of its edits and its files.
//!
//! Texts are stored once by the hash of their content, so a revision costs what it changed. [`Store::append`] returns after
//! the revision is on disk (redb's commits are durable and atomic), so a `kill -9` at any moment loses nothing that was
//! acknowledged. There is one writer, the control loop; readers never wait for it.

mod record;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::RevisionInfo;
use mesh::{Edit, Sources};
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};

use record::{Hash, Record};

/// Name of the log within its folder.
const FILE: &str = "revisions.redb";

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const REVISIONS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("revisions");
/// What a mesh's folder had when its content was last taken or dismissed: paths and hashes.
const FOLDER: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("folder");
const TEXTS: TableDefinition<'_, &[u8], &str> = TableDefinition::new("texts");

/// The form of the tables; a newer one is refused instead of misread.
const FORMAT: u64 = 1;

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
    #[error("revision {0} does not read back: {1}")]
    Corrupt(u64, String),
    /// The database.
    #[error("the revision log failed")]
    Database(#[from] redb::Error),
}

macro_rules! from_redb {
    ($($kind:ident),*) => {$(
        impl From<redb::$kind> for StoreError {
            fn from(error: redb::$kind) -> Self {
                Self::Database(error.into())
            }
        }
    )*};
}
from_redb!(TransactionError, TableError, StorageError, CommitError);

/// A whole revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// Its description.
    pub info: RevisionInfo,
    /// What takes it back; empty for the first.
    pub inverse: Vec<Edit>,
    /// Its files.
    pub sources: Sources,
}

/// The log. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    database: Arc<Database>,
}

impl Store {
    /// Whether there is a log in a folder.
    pub fn exists(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// Opens the log in a folder, which is made when it is missing.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| StoreError::Folder { path: folder.to_owned(), source })?;
        let path = folder.join(FILE);
        let database = match Database::create(&path) {
            Ok(database) => database,
            Err(DatabaseError::DatabaseAlreadyOpen) => return Err(StoreError::InUse(path)),
            Err(error) => return Err(StoreError::Database(error.into())),
        };
        let write = database.begin_write()?;
        {
            let mut meta = write.open_table(META)?;
            let format = meta.get("format")?.map_or(FORMAT, |value| value.value());
            if format > FORMAT {
                return Err(StoreError::Newer(format));
            }
            meta.insert("format", FORMAT)?;
            write.open_table(REVISIONS)?;
            write.open_table(TEXTS)?;
            write.open_table(FOLDER)?;
        }
        write.commit()?;
        Ok(Self { database: Arc::new(database) })
    }

    /// Appends a revision. When this returns `Ok` it is on disk.
    pub fn append(&self, revision: &Revision) -> Result<(), StoreError> {
        let number = revision.info.number;
        let write = self.database.begin_write()?;
        {
            let mut revisions = write.open_table(REVISIONS)?;
            let newest = revisions.last()?.map_or(0, |(number, _)| number.value());
            if number != newest + 1 {
                return Err(StoreError::OutOfOrder { newest, given: number });
            }
            let mut texts = write.open_table(TEXTS)?;
            let mut files = BTreeMap::new();
            for (path, text) in &revision.sources.0 {
                let hash = Hash::of(text);
                if texts.get(hash.bytes())?.is_none() {
                    texts.insert(hash.bytes(), text.as_str())?;
                }
                files.insert(path.clone(), hash);
            }
            let record = Record { info: revision.info.clone(), inverse: revision.inverse.clone(), files };
            revisions.insert(number, record.encode(number)?.as_slice())?;
        }
        write.commit()?;
        Ok(())
    }

    /// The newest revision; `None` in a new log.
    pub fn head(&self) -> Result<Option<Revision>, StoreError> {
        let read = self.database.begin_read()?;
        let revisions = read.open_table(REVISIONS)?;
        let Some((number, _)) = revisions.last()? else { return Ok(None) };
        self.get(number.value())
    }

    /// One revision, whole.
    pub fn get(&self, number: u64) -> Result<Option<Revision>, StoreError> {
        let read = self.database.begin_read()?;
        let Some(bytes) = read.open_table(REVISIONS)?.get(number)?.map(|value| value.value().to_vec()) else {
            return Ok(None);
        };
        let record = Record::decode(number, &bytes)?;
        let texts = read.open_table(TEXTS)?;
        let mut sources = Sources::default();
        for (path, hash) in record.files {
            let text = texts
                .get(hash.bytes())?
                .ok_or_else(|| StoreError::Corrupt(number, format!("the text of {path} is missing")))?;
            sources.0.insert(path, text.value().to_owned());
        }
        Ok(Some(Revision { info: record.info, inverse: record.inverse, sources }))
    }

    /// Keeps what the mesh's folder had when its content was last taken or dismissed.
    pub fn set_folder(&self, sources: &Sources) -> Result<(), StoreError> {
        let write = self.database.begin_write()?;
        {
            let mut folder = write.open_table(FOLDER)?;
            folder.retain(|path, _| sources.0.contains_key(path))?;
            let mut texts = write.open_table(TEXTS)?;
            for (path, text) in &sources.0 {
                let hash = Hash::of(text);
                texts.insert(hash.bytes(), text.as_str())?;
                folder.insert(path.as_str(), hash.bytes())?;
            }
        }
        write.commit()?;
        Ok(())
    }

    /// What [`Store::set_folder`] kept.
    pub fn folder(&self) -> Result<Sources, StoreError> {
        let read = self.database.begin_read()?;
        let texts = read.open_table(TEXTS)?;
        let mut sources = Sources::default();
        for entry in read.open_table(FOLDER)?.iter()? {
            let (path, hash) = entry?;
            if let Some(text) = texts.get(hash.value())? {
                sources.0.insert(path.value().to_owned(), text.value().to_owned());
            }
        }
        Ok(sources)
    }

    /// Descriptions of revisions before a number (from the newest where it is `None`), newest first.
    pub fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<RevisionInfo>, StoreError> {
        let read = self.database.begin_read()?;
        let revisions = read.open_table(REVISIONS)?;
        let mut page = Vec::new();
        for entry in revisions.range(..before.unwrap_or(u64::MAX))?.rev().take(limit) {
            let (number, bytes) = entry?;
            page.push(Record::decode(number.value(), bytes.value())?.info);
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests;
