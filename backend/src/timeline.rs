//! The way of a revision from the edit to the traffic, on a monotonic clock.

use std::time::Instant;

use api::revision::Stage;
use api::{Milestone, Timeline};

/// A revision has reached a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageReached {
    /// The revision.
    pub revision: u64,
    /// The stage.
    pub stage: Stage,
    /// When.
    pub at: Instant,
    /// What there is to say of it.
    pub note: Option<String>,
}

/// The timeline of the newest revision, as far as it has got.
#[derive(Debug)]
pub struct Progress {
    received: Instant,
    timeline: Timeline,
}

impl Progress {
    /// A revision whose edit came in at `received`, which is `received_at` in milliseconds since 1970.
    pub fn new(revision: u64, received: Instant, received_at: i64) -> Self {
        let timeline = Timeline { revision, received_at, milestones: Vec::new() };
        let mut progress = Self { received, timeline };
        progress.reach(Stage::Received, received, None);
        progress
    }

    /// When its edit came in.
    pub fn received(&self) -> Instant {
        self.received
    }

    /// The revision.
    pub fn revision(&self) -> u64 {
        self.timeline.revision
    }

    /// Notes a milestone. The first time counts; a later one for the same stage changes nothing and returns false.
    pub fn reach(&mut self, stage: Stage, at: Instant, note: Option<String>) -> bool {
        if self.timeline.milestones.iter().any(|milestone| milestone.stage == stage) {
            return false;
        }
        let millis = self.millis(at);
        let after = self.timeline.milestones.partition_point(|milestone| milestone.stage < stage);
        self.timeline.milestones.insert(after, Milestone { stage, millis, note });
        true
    }

    /// Milliseconds from the edit to `at`.
    fn millis(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.received).as_secs_f64() * 1000.0
    }

    /// As it is told.
    pub fn timeline(&self) -> Timeline {
        self.timeline.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn milestones_are_in_order_of_their_stages_and_count_once() {
        let start = Instant::now();
        let at = |micros| start + Duration::from_micros(micros);
        let mut progress = Progress::new(4, start, 1_000);
        assert!(progress.reach(Stage::FirstRequest, at(900), None));
        // The first request of one thread can come before the last thread has the plan.
        assert!(progress.reach(Stage::Swapped, at(1_250), None));
        assert!(!progress.reach(Stage::FirstRequest, at(5_000), None));
        assert!(progress.reach(Stage::Converged, at(3_200_000), Some("n=384".to_owned())));
        let stages: Vec<_> =
            progress.timeline().milestones.iter().map(|reached| (reached.stage, reached.millis)).collect();
        assert_eq!(
            stages,
            [
                (Stage::Received, 0.0),
                (Stage::Swapped, 1.25),
                (Stage::FirstRequest, 0.9),
                (Stage::Converged, 3200.0)
            ]
        );
    }
}
