//! What can be read of a damaged log: each page of the file by itself, whatever leads to it or no longer does.
//!
//! Leaves of redb's trees begin at pages (its `docs/design.md`, «Leaf page»). What is found is believed where it proves itself: a text by
//! its hash, a revision by its number and its form. Pages that were given up may still have both, which is welcome here.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use mesh::Sources;
use proxy::regular;

use super::record::{Hash, Record};
use super::{FILE, Revision, StoreError};

/// redb's pages.
const PAGE: usize = 4096;
/// What a leaf begins with.
const LEAF: u8 = 1;
/// Longest log that is read.
const LONGEST: u64 = 4 << 30;

/// What was found.
#[derive(Debug, Default)]
pub struct Salvage {
    records: BTreeMap<u64, Record>,
    texts: HashMap<Vec<u8>, String>,
}

impl Salvage {
    /// Looks through the log in a folder.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub fn of(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let bytes =
            regular::read(&path, LONGEST).map_err(|source| StoreError::Unreadable { path, source })?;
        Ok(Self::find(&bytes))
    }

    fn find(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        for at in (0..bytes.len()).step_by(PAGE) {
            let page = bytes.get(at..).unwrap_or_default();
            if page.first() == Some(&LEAF) {
                found.texts(page);
                found.records(page);
            }
        }
        found
    }

    /// Numbers of the revisions that are whole.
    pub fn numbers(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.records.keys().copied().filter(|number| self.revision(*number).is_some())
    }

    /// A revision, if it is whole.
    pub fn revision(&self, number: u64) -> Option<Revision> {
        let Record { info, inverse, files } = self.records.get(&number)?.clone();
        let texts = files.into_iter().map(|(path, hash)| Some((path, self.texts.get(hash.bytes())?.clone())));
        Some(Revision { info, inverse, sources: Arc::new(Sources(texts.collect::<Option<_>>()?)) })
    }

    /// A leaf of the table of texts: where keys end, where values end, keys, values.
    fn texts(&mut self, page: &[u8]) -> Option<()> {
        let count = count(page)?;
        let mut key = 4 + count * 8;
        let mut value = end(page, 4, count - 1)?;
        for at in 0..count {
            let (key_end, value_end) = (end(page, 4, at)?, end(page, 4 + count * 4, at)?);
            let (hash, text) = (page.get(key..key_end)?, page.get(value..value_end)?);
            if let Ok(text) = std::str::from_utf8(text)
                && hash == Hash::of(text).bytes()
            {
                self.texts.insert(hash.to_vec(), text.to_owned());
            }
            (key, value) = (key_end, value_end);
        }
        Some(())
    }

    /// A leaf of the table of revisions: where values end, keys of eight bytes, values.
    fn records(&mut self, page: &[u8]) -> Option<()> {
        let count = count(page)?;
        let keys = 4 + count * 4;
        let mut value = keys + count * 8;
        for at in 0..count {
            let value_end = end(page, 4, at)?;
            let number = u64::from_le_bytes(page.get(keys + at * 8..)?.first_chunk().copied()?);
            if let Ok(record) = Record::decode(number, page.get(value..value_end)?)
                && record.info.number == number
            {
                self.records.insert(number, record);
            }
            value = value_end;
        }
        Some(())
    }
}

/// Entries of a leaf.
fn count(page: &[u8]) -> Option<usize> {
    let count = u16::from_le_bytes(page.get(2..)?.first_chunk().copied()?);
    (count > 0).then_some(usize::from(count))
}

/// One of the ends that stand from `table` on, from the start of the page.
fn end(page: &[u8], table: usize, at: usize) -> Option<usize> {
    let bytes = page.get(table + at * 4..)?.first_chunk().copied()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}
