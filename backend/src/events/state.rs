//! The state behind snapshots: what each delta changes.

use api::state::TargetState;
use api::{Delta, Snapshot, Tick};

use crate::telemetry::series::SeriesLog;

/// Revisions of the history that a snapshot carries.
const HISTORY: usize = 200;

#[derive(Debug)]
pub(super) struct State {
    snapshot: Snapshot,
    series: SeriesLog,
}

impl State {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, series: SeriesLog::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.snapshot.name
    }

    /// Whether a target runs a revision.
    pub(super) fn runs(&self) -> bool {
        let runs =
            |state: &TargetState| matches!(state, TargetState::Applied { .. } | TargetState::Pending { .. });
        self.snapshot.targets.iter().any(|status| runs(&status.state))
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { series: self.series.all(), ..self.snapshot.clone() }
    }

    pub(super) fn apply(&mut self, delta: &Delta) {
        let state = &mut self.snapshot;
        match delta {
            Delta::Snapshot(snapshot) => *state = (**snapshot).clone(),
            Delta::Revision { info, files } => {
                for (path, text) in files {
                    match text {
                        Some(text) => state.sources.0.insert(path.clone(), text.clone()),
                        None => state.sources.0.remove(path),
                    };
                }
                state.revision = info.clone();
                state.history.insert(0, info.clone());
                state.history.truncate(HISTORY);
                state.timeline = None;
            }
            Delta::Target(status) => {
                match state.targets.iter_mut().find(|known| known.target == status.target) {
                    Some(known) => *known = status.clone(),
                    None => state.targets.push(status.clone()),
                }
            }
            Delta::Tick(tick) => {
                self.series.add(tick);
                state.tick = Some(Tick::clone(tick));
            }
            Delta::Timeline(timeline) => {
                if timeline.revision == state.revision.number {
                    state.timeline = Some(timeline.clone());
                }
            }
            Delta::Load(load) => state.load = Some(load.clone()),
            Delta::Proposal(proposal) => state.proposal.clone_from(proposal),
            Delta::Unread(unread) => state.unread.clone_from(unread),
            Delta::Troubles(troubles) => state.troubles.clone_from(troubles),
            Delta::Instances(instances) => state.instances.clone_from(instances),
            Delta::Listeners(listeners) => state.listeners.clone_from(listeners),
        }
    }
}
