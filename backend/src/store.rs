//! The revision log, in one redb file: every revision with its description, the inverse of its edits and its files.
//!
//! Texts are stored once by the hash of their content, so a revision costs what it changed. [`Store::append`] returns after
//! the revision is on disk (redb's commits are durable and atomic), so a `kill -9` at any moment loses nothing that was
//! acknowledged. There is one writer, the control loop; readers never wait for it.
//!
//! redb keeps to an error of the disk once it has met one; then the file is opened anew for whoever comes next.

mod error;
mod private;
mod record;
mod salvage;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use api::RevisionInfo;
use mesh::{Edit, Sources};
use redb::{Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, TableDefinition};

pub use error::StoreError;
use record::{Hash, Record};
pub use salvage::Salvage;

/// Name of the log within its folder.
const FILE: &str = "revisions.redb";

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const REVISIONS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("revisions");
/// What the mesh's origin had when it was last taken or dismissed: paths and hashes. The first origin was a folder.
const BASELINE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("folder");
/// What was borrowed of a cluster's objects, by their names.
const CLAIMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("claims");
const TEXTS: TableDefinition<'_, &[u8], &str> = TableDefinition::new("texts");

/// The form of the tables; a newer one is refused instead of misread.
const FORMAT: u64 = 1;

/// A whole revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// Its description.
    pub info: RevisionInfo,
    /// What takes it back; empty for the first.
    pub inverse: Vec<Edit>,
    /// Its files.
    pub sources: Arc<Sources>,
}

/// The log. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    open: Box<dyn Fn() -> Result<Database, StoreError> + Send + Sync>,
    /// None after an error of the disk, until it is opened anew.
    database: RwLock<Option<Database>>,
    /// The revision whose commit failed; it may be on disk all the same. 0 for none.
    refused: AtomicU64,
    /// The files of the revision that was appended last: the next has most of them, too.
    last: Mutex<Option<Files>>,
}

/// Files whose texts are in the log.
struct Files {
    sources: Arc<Sources>,
    hashes: BTreeMap<String, Hash>,
}

impl Files {
    fn hash(&self, path: &str, text: &str) -> Option<Hash> {
        let known = self.sources.0.get(path).is_some_and(|known| known == text);
        known.then(|| self.hashes.get(path).copied()).flatten()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl Store {
    /// Whether there is a log in a folder.
    pub fn exists(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// Opens the log in a folder, which is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made, is in use, or is damaged: its newest revision does not read back.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        private::folder(folder, FILE)
            .map_err(|source| StoreError::Folder { path: folder.to_owned(), source })?;
        let path = folder.join(FILE);
        let damaged = |why| {
            let saved = Salvage::of(folder).map(|salvage| salvage.numbers().collect()).unwrap_or_default();
            StoreError::Damaged { path: path.clone(), why, saved }
        };
        let file = path.clone();
        let store = Self::opened_by(move || {
            private::file(&file).map_err(|source| StoreError::Folder { path: file.clone(), source })?;
            // The checks cost a look at every page once, and find what would end the program later.
            redb::Builder::new().set_check_integrity_on_open(true).create(&file).map_err(
                |error| match error {
                    DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(file.clone()),
                    error => redb::Error::from(error).into(),
                },
            )
        });
        // Of a damaged file redb may panic.
        let store = catch_unwind(AssertUnwindSafe(|| {
            let store = store?;
            store.head()?;
            Ok(store)
        }))
        .unwrap_or_else(|_| Err(damaged("it cannot be read".to_owned())));
        store.map_err(|error| match error {
            StoreError::Corrupt(..) => damaged(error.to_string()),
            StoreError::Database(redb::Error::Corrupted(why)) => damaged(why),
            StoreError::Database(
                error @ (redb::Error::RepairAborted | redb::Error::TableTypeMismatch { .. }),
            ) => damaged(error.to_string()),
            StoreError::Database(redb::Error::Io(error))
                if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
            {
                damaged(error.to_string())
            }
            error => error,
        })
    }

    /// A log in a database that is opened so, now and after errors.
    fn opened_by(
        open: impl Fn() -> Result<Database, StoreError> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let shared = Shared {
            open: Box::new(open),
            database: RwLock::default(),
            refused: AtomicU64::new(0),
            last: Mutex::default(),
        };
        let store = Self { shared: Arc::new(shared) };
        store.reopen()?;
        Ok(store)
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut database = self.shared.database.write().unwrap_or_else(PoisonError::into_inner);
        // The file is locked as long as it is there.
        *database = None;
        let opened = (self.shared.open)()?;
        prepare(&opened)?;
        *database = Some(opened);
        Ok(())
    }

    /// Works on the database. After an error that it would keep to it is opened anew: by the next one, or at once where the error
    /// is from before.
    fn with<T>(&self, work: impl Fn(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        for again in [true, false] {
            let done = {
                let database = self.shared.database.read().unwrap_or_else(PoisonError::into_inner);
                database.as_ref().map(&work)
            };
            let from_before = match done {
                Some(Err(error)) if error.stays() => {
                    let before = matches!(error, StoreError::Database(redb::Error::PreviousIo));
                    *self.shared.database.write().unwrap_or_else(PoisonError::into_inner) = None;
                    (!before || !again).then_some(error)
                }
                Some(done) => return done,
                None => None,
            };
            match from_before {
                Some(error) => return Err(error),
                None => self.reopen()?,
            }
        }
        Err(StoreError::Database(redb::Error::PreviousIo))
    }

    /// Appends a revision. When this returns `Ok` it is on disk.
    pub fn append(&self, revision: &Revision) -> Result<(), StoreError> {
        let refused = self.shared.refused.load(Relaxed);
        let mut last = self.shared.last.lock().unwrap_or_else(PoisonError::into_inner);
        let appended = self.with(|database| Self::put(database, revision, refused, last.as_ref()));
        let number = if appended.as_ref().is_err_and(StoreError::stays) { revision.info.number } else { 0 };
        self.shared.refused.store(number.max(if appended.is_ok() { 0 } else { refused }), Relaxed);
        let hashes = appended?;
        *last = Some(Files { sources: Arc::clone(&revision.sources), hashes });
        Ok(())
    }

    /// The hashes of its files.
    fn put(
        database: &Database,
        revision: &Revision,
        refused: u64,
        last: Option<&Files>,
    ) -> Result<BTreeMap<String, Hash>, StoreError> {
        let number = revision.info.number;
        let write = database.begin_write()?;
        let files = {
            let mut revisions = write.open_table(REVISIONS)?;
            let mut newest = revisions.last()?.map_or(0, |(number, _)| number.value());
            if newest == refused && refused > 0 {
                // It was refused when its commit failed, and nobody knows of it.
                revisions.remove(newest)?;
                newest -= 1;
            }
            if number != newest + 1 {
                return Err(StoreError::OutOfOrder { newest, given: number });
            }
            let mut texts = write.open_table(TEXTS)?;
            let mut files = BTreeMap::new();
            for (path, text) in &revision.sources.0 {
                let known = last.and_then(|last| last.hash(path, text));
                let hash = known.unwrap_or_else(|| Hash::of(text));
                if known.is_none() && texts.get(hash.bytes())?.is_none() {
                    texts.insert(hash.bytes(), text.as_str())?;
                }
                files.insert(path.clone(), hash);
            }
            let record = Record { info: revision.info.clone(), inverse: revision.inverse.clone(), files };
            revisions.insert(number, record.encode(number)?.as_slice())?;
            record.files
        };
        write.commit()?;
        Ok(files)
    }

    /// The newest revision; `None` in a new log.
    pub fn head(&self) -> Result<Option<Revision>, StoreError> {
        let newest = self.with(|database| {
            let revisions = database.begin_read()?.open_table(REVISIONS)?;
            Ok(revisions.last()?.map(|(number, _)| number.value()))
        })?;
        newest.map_or(Ok(None), |number| self.get(number))
    }

    /// One revision, whole.
    pub fn get(&self, number: u64) -> Result<Option<Revision>, StoreError> {
        self.with(|database| Self::take(database, number))
    }

    fn take(database: &Database, number: u64) -> Result<Option<Revision>, StoreError> {
        let read = database.begin_read()?;
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
            if Hash::of(text.value()) != hash {
                return Err(StoreError::Corrupt(
                    number,
                    format!("the text of {path} is not the one that was stored"),
                ));
            }
            sources.0.insert(path, text.value().to_owned());
        }
        Ok(Some(Revision { info: record.info, inverse: record.inverse, sources: Arc::new(sources) }))
    }

    /// Keeps what the mesh's origin had when it was last taken or dismissed.
    pub fn set_baseline(&self, sources: &Sources) -> Result<(), StoreError> {
        self.with(|database| {
            let write = database.begin_write()?;
            {
                let mut baseline = write.open_table(BASELINE)?;
                baseline.retain(|path, _| sources.0.contains_key(path))?;
                let mut texts = write.open_table(TEXTS)?;
                for (path, text) in &sources.0 {
                    let hash = Hash::of(text);
                    texts.insert(hash.bytes(), text.as_str())?;
                    baseline.insert(path.as_str(), hash.bytes())?;
                }
            }
            write.commit()?;
            Ok(())
        })
    }

    /// Keeps what was borrowed of an object of a cluster, or that nothing is. It is on disk with what is written next, so that no edit
    /// waits for it: without it a field keeps its owner, and no more is lost.
    pub fn set_claim(&self, object: &str, claim: Option<&[u8]>) -> Result<(), StoreError> {
        self.with(|database| {
            let mut write = database.begin_write()?;
            write.set_durability(Durability::None).map_err(redb::Error::from)?;
            {
                let mut claims = write.open_table(CLAIMS)?;
                match claim {
                    Some(claim) => drop(claims.insert(object, claim)?),
                    None => drop(claims.remove(object)?),
                }
            }
            write.commit()?;
            Ok(())
        })
    }

    /// All that was borrowed, by the objects' names.
    pub fn claims(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.with(|database| {
            let read = database.begin_read()?;
            let mut all = Vec::new();
            for entry in read.open_table(CLAIMS)?.iter()? {
                let (object, claim) = entry?;
                all.push((object.value().to_owned(), claim.value().to_vec()));
            }
            Ok(all)
        })
    }

    /// Keeps that a cluster has a revision.
    pub fn set_applied(&self, revision: u64) -> Result<(), StoreError> {
        self.with(|database| {
            let write = database.begin_write()?;
            write.open_table(META)?.insert("applied", revision)?;
            write.commit()?;
            Ok(())
        })
    }

    /// The revision that a cluster had last, as far as is known.
    pub fn applied(&self) -> Result<Option<u64>, StoreError> {
        self.with(|database| {
            let read = database.begin_read()?;
            Ok(read.open_table(META)?.get("applied")?.map(|value| value.value()))
        })
    }

    /// What [`Store::set_baseline`] kept.
    pub fn baseline(&self) -> Result<Sources, StoreError> {
        self.with(|database| {
            let read = database.begin_read()?;
            let texts = read.open_table(TEXTS)?;
            let mut sources = Sources::default();
            for entry in read.open_table(BASELINE)?.iter()? {
                let (path, hash) = entry?;
                if let Some(text) = texts.get(hash.value())? {
                    sources.0.insert(path.value().to_owned(), text.value().to_owned());
                }
            }
            Ok(sources)
        })
    }

    /// Descriptions of revisions before a number (from the newest where it is `None`), newest first.
    pub fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<RevisionInfo>, StoreError> {
        self.with(|database| {
            let revisions = database.begin_read()?.open_table(REVISIONS)?;
            let mut page = Vec::new();
            for entry in revisions.range(..before.unwrap_or(u64::MAX))?.rev().take(limit) {
                let (number, bytes) = entry?;
                page.push(Record::decode(number.value(), bytes.value())?.info);
            }
            Ok(page)
        })
    }
}

/// Makes the tables of a new log.
fn prepare(database: &Database) -> Result<(), StoreError> {
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
        write.open_table(BASELINE)?;
        write.open_table(CLAIMS)?;
    }
    write.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
