//! What a delta does to the state. The server's state is changed here alone; the page, which keeps a signal for each part, changes its
//! parts by the same functions.

use crate::event::Delta;
use crate::revision::{RevisionInfo, Timeline};
use crate::series;
use crate::state::{Snapshot, TargetStatus};

/// Revisions of the history that a snapshot carries.
pub const HISTORY: usize = 200;

impl Snapshot {
    /// Takes a delta in.
    pub fn apply(&mut self, delta: &Delta) {
        match delta {
            Delta::Snapshot(snapshot) => self.clone_from(snapshot),
            Delta::Revision { info, files } => {
                self.sources.patch(files.iter().cloned());
                self.timeline = None;
                advance(&mut self.history, info);
                self.revision.clone_from(info);
            }
            Delta::Target(status) => set_target(&mut self.targets, status.clone()),
            Delta::Tick(tick) => {
                series::add(&mut self.series, tick);
                self.tick = Some((**tick).clone());
            }
            Delta::Timeline(timeline) => {
                if timeline.is_of(self.revision.number) {
                    self.timeline = Some(timeline.clone());
                }
            }
            Delta::Load(load) => self.load = Some(load.clone()),
            Delta::Listeners(listeners) => self.listeners.clone_from(listeners),
            Delta::Proposal(proposal) => self.proposal.clone_from(proposal),
            Delta::Alerts(alerts) => self.alerts.clone_from(alerts),
            Delta::Inventory(change) => change.apply(&mut self.inventory),
            Delta::Unread(unread) => self.unread.clone_from(unread),
            Delta::Instances(instances) => self.instances.clone_from(instances),
        }
    }
}

impl Timeline {
    /// Whether it is the timeline of this head: a milestone of the revision before can come late.
    pub fn is_of(&self, head: u64) -> bool {
        self.revision == head
    }
}

/// Puts a new head in front of the history.
pub fn advance(history: &mut Vec<RevisionInfo>, info: &RevisionInfo) {
    history.retain(|other| other.number != info.number);
    history.insert(0, info.clone());
    history.truncate(HISTORY);
}

/// Takes what a target says that it runs, in the place of what it said before.
pub fn set_target(targets: &mut Vec<TargetStatus>, status: TargetStatus) {
    match targets.iter_mut().find(|known| known.target == status.target) {
        Some(known) => *known = status,
        None => targets.push(status),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mesh::{Settings, Sources};

    use super::*;
    use crate::revision::Edits;
    use crate::state::{Target, TargetState};

    fn info(number: u64) -> RevisionInfo {
        RevisionInfo {
            number,
            author: "ada".to_owned(),
            at: 0,
            summary: String::new(),
            edits: Edits::default(),
            reverts: None,
        }
    }

    fn snapshot() -> Snapshot {
        Snapshot {
            name: "test".to_owned(),
            version: "0".to_owned(),
            revision: info(1),
            sources: Sources::single("a.yaml", "a: 1"),
            settings: Settings::default(),
            targets: vec![],
            listeners: vec![],
            load: None,
            history: vec![info(1)],
            timeline: None,
            tick: None,
            series: vec![],
            proposal: None,
            alerts: vec![],
            set_aside: None,
            unread: vec![],
            inventory: Arc::default(),
            cluster: None,
            instances: vec![],
        }
    }

    fn timeline(revision: u64) -> Delta {
        Delta::Timeline(Timeline { revision, received_at: 0, milestones: vec![] })
    }

    #[test]
    fn a_revision_changes_files_history_and_timeline() {
        let mut state = snapshot();
        state.apply(&timeline(1));
        assert!(state.timeline.is_some());
        let files = vec![("a.yaml".to_owned(), None), ("b.yaml".to_owned(), Some("b: 1".to_owned()))];
        state.apply(&Delta::Revision { info: info(2), files });
        assert_eq!(state.sources, Sources::single("b.yaml", "b: 1"));
        assert_eq!((state.revision.number, &state.timeline), (2, &None));
        assert_eq!(state.history.iter().map(|info| info.number).collect::<Vec<_>>(), [2, 1]);
        state.apply(&timeline(1));
        assert_eq!(state.timeline, None, "a milestone of the revision before came late");
        for number in 3..=300 {
            state.apply(&Delta::Revision { info: info(number), files: vec![] });
        }
        assert_eq!((state.history.len(), state.history[0].number), (HISTORY, 300));
    }

    #[test]
    fn a_target_has_one_status() {
        let mut state = snapshot();
        for (target, revision) in [(Target::Proxy, 1), (Target::Envoy, 1), (Target::Proxy, 2)] {
            let status = TargetStatus { target, state: TargetState::Pending { revision }, nodes: Vec::new() };
            state.apply(&Delta::Target(status));
        }
        let told: Vec<_> = state.targets.iter().map(|it| (it.target, it.state.clone())).collect();
        let pending = |revision| TargetState::Pending { revision };
        assert_eq!(told, [(Target::Proxy, pending(2)), (Target::Envoy, pending(1))]);
    }
}
