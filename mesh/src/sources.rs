//! The text of a mesh: what a revision stores and what people read in Git.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
}

impl<P: Into<String>, T: Into<String>> FromIterator<(P, T)> for Sources {
    fn from_iter<I: IntoIterator<Item = (P, T)>>(files: I) -> Self {
        Self(files.into_iter().map(|(path, text)| (path.into(), text.into())).collect())
    }
}
