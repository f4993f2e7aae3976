//! How one revision is stored: JSON, with the hash of each file's text in place of the text.

use std::collections::BTreeMap;

use api::RevisionInfo;
use mesh::Edit;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::StoreError;

/// A text's SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hash([u8; 32]);

impl Hash {
    /// The hash of a text.
    pub(super) fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// As a key of the table of texts.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A revision as it lies in the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) info: RevisionInfo,
    pub(super) inverse: Vec<Edit>,
    pub(super) files: BTreeMap<String, Hash>,
}

impl Record {
    pub(super) fn encode(&self, number: u64) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(self).map_err(|error| StoreError::Corrupt(number, error.to_string()))
    }

    pub(super) fn decode(number: u64, bytes: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(bytes).map_err(|error| StoreError::Corrupt(number, error.to_string()))
    }
}
