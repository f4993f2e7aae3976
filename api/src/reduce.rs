//! What a delta does to the state. The server's state is changed here alone; the page, which keeps a signal for each part, changes its
//! parts by the same functions.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::event::Delta;
use crate::observed::{Split, Tick};
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
                let whole = self.tick.get_or_insert_default();
                whole.advance(tick);
                series::add(&mut self.series, whole);
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

impl Tick {
    /// Takes the next tick in: what that does not name is as it was, an edge's requests of the last tick among it.
    pub fn advance(&mut self, next: &Self) {
        let Self { at, millis, edges, splits, routes, gone } = next;
        (self.at, self.millis) = (*at, *millis);
        remove(&mut self.edges, &gone.edges, |(key, _)| key.clone());
        remove(&mut self.splits, &gone.splits, Split::key);
        remove(&mut self.routes, &gone.routes, |(key, _)| key.clone());
        merge(&mut self.edges, edges, |(one, _), (other, _)| one.cmp(other));
        merge(&mut self.splits, splits, |one, other| one.place().cmp(&other.place()));
        merge(&mut self.routes, routes, |(one, _), (other, _)| one.cmp(other));
    }
}

fn remove<T, K: Ord>(all: &mut Vec<T>, gone: &[K], key: impl Fn(&T) -> K) {
    if !gone.is_empty() {
        let gone: BTreeSet<&K> = gone.iter().collect();
        all.retain(|it| !gone.contains(&key(it)));
    }
}

/// Puts what is new or changed in its place. Both are in this order.
fn merge<T: Clone>(all: &mut Vec<T>, changed: &[T], order: impl Fn(&T, &T) -> Ordering) {
    let known = all.len();
    for new in changed {
        match all[..known].binary_search_by(|it| order(it, new)) {
            Ok(at) => all[at].clone_from(new),
            Err(_) => all.push(new.clone()),
        }
    }
    if all.len() > known {
        all.sort_by(order);
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

    use mesh::{RouteKey, Settings, Sources};

    use super::*;
    use crate::observed::{EdgeKey, EdgeStats, Gone, ObservedShare, SplitKey, Verdict};
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

    fn edge(version: &str, requests: u64) -> (EdgeKey, EdgeStats) {
        let source = mesh::Source::Gateway { namespace: "default".to_owned(), name: "in".to_owned() };
        let key = EdgeKey { source, host: "reviews".to_owned(), version: version.to_owned() };
        (key, EdgeStats { requests, ..EdgeStats::default() })
    }

    fn route(index: usize) -> RouteKey {
        RouteKey { namespace: "default".to_owned(), name: "r".to_owned(), index }
    }

    fn split(route: Option<RouteKey>, host: &str, n: u64) -> Split {
        let share = ObservedShare {
            subset: "v1".to_owned(),
            desired: 1.0,
            count: n,
            n,
            observed: 1.0,
            low: 0.0,
            high: 1.0,
        };
        Split { route, host: host.to_owned(), since: 1, shares: vec![share], verdict: Verdict::Converging }
    }

    #[test]
    fn what_a_tick_does_not_name_is_as_it_was() {
        let mut state = snapshot();
        let routed = |index, n| split(Some(route(index)), "reviews", n);
        let first = Tick {
            at: 10_000,
            millis: 250,
            edges: vec![edge("v1", 3), edge("v3", 5)],
            splits: vec![split(None, "details", 0), routed(0, 1), routed(2, 0)],
            routes: vec![(route(0), 1), (route(2), 7)],
            gone: Gone::default(),
        };
        state.apply(&Delta::Tick(Box::new(first.clone())));
        assert_eq!(state.tick.as_ref(), Some(&first));

        // Nothing changed: an edge goes on as it went on before.
        let same = Tick { at: 10_250, millis: 260, ..Tick::default() };
        state.apply(&Delta::Tick(Box::new(same)));
        assert_eq!(state.tick.as_ref(), Some(&Tick { at: 10_250, millis: 260, ..first }));
        assert_eq!(state.series.iter().map(|it| it.requests[0]).collect::<Vec<_>>(), [6, 10]);

        // Some changed, some came, some went.
        let next = Tick {
            at: 10_500,
            millis: 250,
            edges: vec![edge("v2", 1), edge("v3", 0)],
            splits: vec![split(None, "details", 9), split(None, "ratings", 0), routed(1, 4)],
            routes: vec![(route(0), 2), (route(1), 4)],
            gone: Gone {
                edges: vec![edge("v1", 0).0],
                splits: vec![routed(2, 0).key(), SplitKey::Service("nobody".to_owned())],
                routes: vec![route(2)],
            },
        };
        state.apply(&Delta::Tick(Box::new(next)));
        let expected = Tick {
            at: 10_500,
            millis: 250,
            edges: vec![edge("v2", 1), edge("v3", 0)],
            splits: vec![split(None, "details", 9), split(None, "ratings", 0), routed(0, 1), routed(1, 4)],
            routes: vec![(route(0), 2), (route(1), 4)],
            gone: Gone::default(),
        };
        assert_eq!(state.tick.as_ref(), Some(&expected));
        assert_eq!(state.series.iter().map(|it| it.requests[0]).collect::<Vec<_>>(), [6, 1, 10]);
    }

    #[test]
    fn a_tick_is_read_as_it_is_written() {
        let gone = Gone { splits: vec![SplitKey::Service("a".to_owned())], ..Gone::default() };
        let tick = Tick { at: 1, gone, ..Tick::default() };
        let written = serde_json::to_value(&tick).unwrap();
        assert_eq!(written["gone"], serde_json::json!({ "splits": [{ "service": "a" }] }));
        assert_eq!(serde_json::from_value::<Tick>(written).unwrap(), tick);
        assert!(serde_json::to_value(Tick::default()).unwrap().get("gone").is_none());
    }
}
