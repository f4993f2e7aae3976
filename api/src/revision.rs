//! Revisions as the API shows them.

use mesh::Edit;
use serde::{Deserialize, Serialize};

/// One revision, without its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevisionInfo {
    /// Its number, from 1.
    pub number: u64,
    /// Who made it.
    pub author: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// What was done, in a line: `reviews: split 100/0/0 → 50/25/25`.
    pub summary: String,
    /// The edits that led to it; empty for the first. Of those that are large the type alone: the files say the rest.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub edits: Edits,
    /// The revision that this one takes back, where it is an undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverts: Option<u64>,
}

/// The edits of a revision, as they travel. Of those that are large the type alone is left, which is no edit any more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Edits(Vec<serde_json::Value>);

impl Edits {
    /// The edits as what they are.
    pub fn read(&self) -> serde_json::Result<Vec<Edit>> {
        self.0.iter().map(Edit::deserialize).collect()
    }

    /// The `type` of each.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|edit| edit["type"].as_str().unwrap_or_default())
    }
}

/// Bytes of a revision's edits that travel with its description: every browser gets the descriptions of hundreds.
const TOLD: usize = 16 << 10;

impl From<&[Edit]> for Edits {
    /// Edits are made of texts and numbers, all of which JSON can say.
    fn from(edits: &[Edit]) -> Self {
        let mut left = TOLD;
        let told = |edit: &Edit| {
            let mut value = serde_json::to_value(edit).unwrap_or_default();
            match left.checked_sub(value.to_string().len()) {
                Some(less) => left = less,
                None => value = serde_json::json!({ "type": value["type"] }),
            }
            value
        };
        Self(edits.iter().map(told).collect())
    }
}

/// The way of one revision from the edit to the traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Timeline {
    /// The revision.
    pub revision: u64,
    /// When the edit was received, in milliseconds since 1970.
    pub received_at: i64,
    /// What was reached, in order.
    pub milestones: Vec<Milestone>,
}

/// One point on a timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Milestone {
    /// What.
    pub stage: Stage,
    /// Milliseconds since the edit was received.
    pub millis: f64,
    /// A detail to show: `n=384`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The stages of applying a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The edit came in.
    Received,
    /// Its resources are valid, and the cluster, where there is one, would take them.
    Validated,
    /// The revision is on disk.
    Stored,
    /// Its changes are written to the cluster.
    Patched,
    /// The cluster's watch has told them.
    Watched,
    /// All threads of the proxy run its plans.
    Swapped,
    /// The first request was routed under it.
    FirstRequest,
    /// The observed shares agree with the desired ones.
    Converged,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_edits_are_told_by_their_type() {
        let file =
            |bytes: usize| Edit::SetFiles { files: vec![("a.yaml".to_owned(), Some("x".repeat(bytes)))] };
        let edits = Edits::from([file(10), file(TOLD), file(20)].as_slice());
        assert_eq!(edits.kinds().collect::<Vec<_>>(), ["set_files"; 3]);
        assert!(serde_json::to_string(&edits).unwrap().len() < 300);
        assert_eq!(Edit::deserialize(&edits.0[2]).unwrap(), file(20));
    }
}
