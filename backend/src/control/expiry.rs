//! Faults that end by themselves: when, and the edits that take them out.

use mesh::limits::EDITS;
use mesh::{Edit, Mesh};

use super::change::{ChangeRequest, OWN};
use crate::analysis;

/// After how many milliseconds a fault that could not be taken out is tried again.
const RETRY_AFTER: i64 = 10_000;

/// The faults of the newest revision that expire. Times are in milliseconds since 1970.
#[derive(Debug)]
pub(super) struct Expiries {
    /// When, in seconds since 1970, and the edit that takes the fault out.
    all: Vec<(i64, Edit)>,
    /// Expired faults are being taken out.
    under_way: bool,
    /// It failed: until then it is not tried again.
    retry_at: i64,
}

impl Expiries {
    /// Those of a mesh.
    pub(super) fn new(mesh: &Mesh) -> Self {
        Self { all: analysis::expiries(mesh), under_way: false, retry_at: 0 }
    }

    /// A new revision has these.
    pub(super) fn set(&mut self, mesh: &Mesh) {
        self.all = analysis::expiries(mesh);
    }

    /// When the next fault is to be taken out.
    pub(super) fn next(&self) -> Option<i64> {
        let expiries = self.all.iter().filter(|_| !self.under_way);
        expiries.map(|(at, _)| at.saturating_mul(1000).max(self.retry_at)).min()
    }

    /// The change that takes out what has expired. Nothing else is taken out until it is [`done`](Self::done).
    pub(super) fn take(&mut self, now: i64) -> Option<ChangeRequest> {
        let expired = self.all.iter().filter(|(at, _)| at.saturating_mul(1000) <= now);
        // What is too much for once is left for the next time.
        let edits: Vec<_> = expired.map(|(_, edit)| edit.clone()).take(EDITS).collect();
        self.under_way = !edits.is_empty();
        let (author, summary) = (Some(OWN.to_owned()), Some("fault expired".to_owned()));
        self.under_way.then_some(ChangeRequest { base: None, author, edits, reverts: None, summary })
    }

    /// It was done, or failed.
    pub(super) fn done(&mut self, failed: bool, now: i64) {
        self.under_way = false;
        if failed {
            self.retry_at = now.saturating_add(RETRY_AFTER);
        }
    }
}
