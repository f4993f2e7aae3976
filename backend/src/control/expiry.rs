//! Faults that end by themselves: when, and the change that takes them out.

use mesh::Mesh;
use mesh::limits::EDITS;

use super::change::{ChangeRequest, Head, OWN};
use crate::analysis;

/// After how many milliseconds a fault that could not be taken out is tried again.
const RETRY_AFTER: i64 = 10_000;

/// When the faults of the newest revision expire. Times are in milliseconds since 1970.
#[derive(Debug)]
pub(super) struct Expiries {
    /// In seconds since 1970.
    all: Vec<i64>,
    /// Expired faults are being taken out.
    under_way: bool,
    /// It failed: until then it is not tried again.
    retry_at: i64,
}

impl Expiries {
    /// Those of a mesh.
    pub(super) fn new(mesh: &Mesh) -> Self {
        Self { all: times(mesh), under_way: false, retry_at: 0 }
    }

    /// A new revision has these.
    pub(super) fn set(&mut self, mesh: &Mesh) {
        self.all = times(mesh);
    }

    /// When the next fault is to be taken out.
    pub(super) fn next(&self) -> Option<i64> {
        let expiries = self.all.iter().filter(|_| !self.under_way);
        expiries.map(|at| at.saturating_mul(1000).max(self.retry_at)).min()
    }

    /// Whether something has expired. It is taken out by [`removal`], and nothing else is until that is [`done`](Self::done).
    pub(super) fn begin(&mut self, now: i64) -> bool {
        self.under_way = self.all.iter().any(|at| has_expired(*at, now));
        self.under_way
    }

    /// It was done, or failed.
    pub(super) fn done(&mut self, failed: bool, now: i64) {
        self.under_way = false;
        if failed {
            self.retry_at = now.saturating_add(RETRY_AFTER);
        }
    }
}

/// The change that takes out what has expired of a head. Made where it is decided on, since it names routes by their positions there.
pub(super) fn removal(head: &Head, now: i64) -> ChangeRequest {
    let expired = analysis::expiries(&head.analysis.mesh).into_iter().filter(|(at, _)| has_expired(*at, now));
    // What is too much for once is left for the next time.
    let edits = expired.map(|(_, edit)| edit).take(EDITS).collect();
    let (author, summary) = (Some(OWN.to_owned()), Some("fault expired".to_owned()));
    ChangeRequest { base: head.info.number, author, edits, reverts: None, summary, is_fact: false }
}

fn times(mesh: &Mesh) -> Vec<i64> {
    mesh::edit::fault_expiries(mesh).into_iter().map(|(_, at)| at).collect()
}

fn has_expired(seconds: i64, now: i64) -> bool {
    seconds.saturating_mul(1000) <= now
}
