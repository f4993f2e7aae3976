//! The text of a mesh: what a revision stores and what people read in Git.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::{Exceeded, FILE_BYTES, FILES, MESH_BYTES, within};

/// All files of a mesh by their path relative to its folder (`/` between parts), with their whole text.
///
/// The text is the truth and everything else is derived from it, so what no edit touched comes out byte for byte.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources(pub BTreeMap<String, String>);

impl Sources {
    /// Sources of one file, for tests and pasted text.
    pub fn single(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self(BTreeMap::from([(path.into(), text.into())]))
    }

    /// Refuses files that are too many or too large.
    pub fn fits(&self) -> Result<(), Exceeded> {
        within("a mesh", "files", FILES, self.0.len())?;
        for text in self.0.values() {
            within("a file", "bytes", FILE_BYTES, text.len())?;
        }
        within("a mesh", "bytes", MESH_BYTES, self.0.values().map(String::len).sum())
    }

    /// Sets files, and takes out those without a text. What they had before is returned, last first: setting that takes it back,
    /// also where a file was named twice.
    pub fn patch(
        &mut self,
        files: impl IntoIterator<Item = (String, Option<String>)>,
    ) -> Vec<(String, Option<String>)> {
        let set = |(file, text): (String, Option<String>)| {
            let before = match text {
                Some(text) => self.0.insert(file.clone(), text),
                None => self.0.remove(&file),
            };
            (file, before)
        };
        let mut before: Vec<_> = files.into_iter().map(set).collect();
        before.reverse();
        before
    }
}

impl<P: Into<String>, T: Into<String>> FromIterator<(P, T)> for Sources {
    fn from_iter<I: IntoIterator<Item = (P, T)>>(files: I) -> Self {
        Self(files.into_iter().map(|(path, text)| (path.into(), text.into())).collect())
    }
}

/// A file that should be among a mesh's sources and is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Its path, as in [`Sources`].
    pub file: String,
    /// Why.
    pub why: Why,
}

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It begins like UTF-16.
    #[error("it is UTF-16; save it as UTF-8")]
    Utf16,
    /// It is no UTF-8 from somewhere on.
    #[error("it is not valid UTF-8 at line {line}, column {column}; save it as UTF-8")]
    NotUtf8 {
        /// Line of the first byte that is none, from 1.
        line: usize,
        /// Its column in characters, from 1.
        column: usize,
    },
    /// A pipe, a socket or a device.
    #[error("{0}")]
    Irregular(String),
    /// It is longer than files may be.
    #[error("{0}")]
    TooLong(String),
    /// The system says no, in its words.
    #[error("{0}")]
    Failed(String),
}

impl Why {
    /// The text of a file, or why its bytes are none.
    ///
    /// # Errors
    /// When they are not UTF-8.
    pub fn text(bytes: Vec<u8>) -> Result<String, Self> {
        String::from_utf8(bytes).map_err(|error| {
            let bytes = error.as_bytes();
            if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
                return Self::Utf16;
            }
            let good = bytes.get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let good = std::str::from_utf8(good).unwrap_or_default();
            let last = good.rsplit(['\n', '\r']).next().unwrap_or_default();
            Self::NotUtf8 { line: good.matches('\n').count() + 1, column: last.chars().count() + 1 }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Unread, Why};

    #[test]
    fn what_is_no_text_says_where() {
        let utf16 = "a: 1\n".encode_utf16().flat_map(u16::to_le_bytes);
        let cases: [(Vec<u8>, Result<&str, Why>); 5] = [
            ("a: \u{fc}\n".into(), Ok("a: \u{fc}\n")),
            // A byte order mark is of the text.
            ("\u{feff}a: 1\n".into(), Ok("\u{feff}a: 1\n")),
            ([0xff, 0xfe].into_iter().chain(utf16).collect(), Err(Why::Utf16)),
            (vec![0xfe, 0xff, 0, b'a'], Err(Why::Utf16)),
            (b"a: 1\n\xc3\xbc: \xff\n".to_vec(), Err(Why::NotUtf8 { line: 2, column: 4 })),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Why::text(bytes.clone()), expected.map(str::to_owned), "{bytes:?}");
        }
        let unread = Unread { file: "a/b.yaml".to_owned(), why: Why::NotUtf8 { line: 2, column: 4 } };
        let said = unread.diagnostic();
        assert_eq!(
            (said.code.as_ref(), said.message.as_str()),
            ("MW0015", "The file is left out: it is not valid UTF-8 at line 2, column 4; save it as UTF-8.")
        );
        let place = said.place.unwrap();
        assert_eq!((place.file.as_str(), place.line, place.column), ("a/b.yaml", 2, 4));
    }
}
