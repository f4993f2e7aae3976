//! What Envoys say that they run, as browsers are told.

use std::time::{SystemTime, UNIX_EPOCH};

use api::state::{NodeStatus, Target, TargetState, TargetStatus};
use mesh::Source;
use xds::ads::{Link, NodeState, States};

/// The Envoys as a target, beside the newest revision, which is so many milliseconds old; `None` where there are none. `now` is
/// when this is asked, in milliseconds since 1970, and `before` what was said the last time. Those that are `awaited`, by their ids,
/// have not been heard of: what they run is pending.
pub fn status<'a>(
    states: &States,
    awaited: impl Iterator<Item = (&'a str, &'a Source)>,
    (head, millis): (u64, f64),
    now: i64,
    before: Option<&TargetStatus>,
    notes: impl Fn(&Source) -> Vec<String>,
) -> Option<TargetStatus> {
    let since = |source: &Source, id: &str| {
        // They are in this order.
        let nodes = &before?.nodes;
        let at = nodes.binary_search_by(|it| (&it.source, it.id.as_str()).cmp(&(source, id))).ok()?;
        match nodes[at].state {
            TargetState::Applied { revision, at, .. } => Some((revision, at)),
            _ => None,
        }
    };
    let here = states.iter().map(|node| NodeStatus {
        id: node.node.id.clone(),
        source: node.node.source.clone(),
        program: format!("{} {}", node.agent, node.version).trim().to_owned(),
        state: state(node, head, now, since(&node.node.source, &node.node.id)),
        notes: notes(&node.node.source),
    });
    let awaited = awaited.map(|(id, source)| NodeStatus {
        id: id.to_owned(),
        source: source.clone(),
        program: String::new(),
        state: TargetState::Pending { revision: head },
        notes: notes(source),
    });
    let mut nodes: Vec<NodeStatus> = here.chain(awaited).collect();
    nodes.sort_by(|one, other| (&one.source, &one.id).cmp(&(&other.source, &other.id)));
    let state = match together(&nodes, head)? {
        Together::State(state) => state,
        // It is so since all of them had it, and took as long as it took all of them.
        Together::Applied => match before.map(|before| &before.state) {
            Some(known @ TargetState::Applied { revision, .. }) if *revision == head => known.clone(),
            _ => TargetState::Applied { revision: head, at: now, millis },
        },
    };
    Some(TargetStatus { target: Target::Envoy, state, nodes })
}

/// What one of them runs; `since` is the revision that it ran the last time, with when it had it.
fn state(node: &NodeState, head: u64, now: i64, since: Option<(u64, i64)>) -> TargetState {
    if let Link::Down(since) = node.link {
        return TargetState::Unreachable { since: unix_millis(since) };
    }
    if let Some(rejection) = node.rejection.as_ref().filter(|rejection| rejection.stands) {
        return TargetState::Rejected {
            revision: rejection.revision,
            why: rejection.words.trim().to_owned(),
        };
    }
    match node.acked.filter(|acked| *acked >= head && node.behind.is_none()) {
        Some(revision) => TargetState::Applied {
            revision,
            at: since.filter(|(known, _)| *known == revision).map_or(now, |(_, at)| at),
            millis: node.took.unwrap_or_default().as_secs_f64() * 1000.0,
        },
        None => TargetState::Pending { revision: head },
    }
}

/// All of them as one.
enum Together {
    /// All that are there have the newest revision.
    Applied,
    /// Anything else.
    State(TargetState),
}

/// One that refuses speaks for all, then those on their way, and those that are gone only where all are.
fn together(nodes: &[NodeStatus], head: u64) -> Option<Together> {
    let here = || nodes.iter().filter(|node| !matches!(node.state, TargetState::Unreachable { .. }));
    if here().next().is_none() {
        let since = nodes.iter().filter_map(|node| match node.state {
            TargetState::Unreachable { since } => Some(since),
            _ => None,
        });
        return since.max().map(|since| Together::State(TargetState::Unreachable { since }));
    }
    let refused = here().find_map(|node| match &node.state {
        TargetState::Rejected { revision, why } => {
            let [.., name] = node.source.parts();
            Some(TargetState::Rejected { revision: *revision, why: format!("{name}: {why}") })
        }
        _ => None,
    });
    Some(match refused {
        Some(refused) => Together::State(refused),
        None if here().all(|node| matches!(node.state, TargetState::Applied { .. })) => Together::Applied,
        None => Together::State(TargetState::Pending { revision: head }),
    })
}

fn unix_millis(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use xds::ads::Rejection;
    use xds::node::{Bind, Node};
    use xds::resource::Kind;

    use super::*;

    fn node(id: &str, acked: Option<u64>) -> NodeState {
        let source = Source::Workload { namespace: "default".to_owned(), name: id.to_owned() };
        let behind = acked.is_none().then_some(UNIX_EPOCH);
        NodeState {
            node: Node { id: id.to_owned(), source, bind: Bind::default() },
            agent: "envoy".to_owned(),
            version: "1.40.0".to_owned(),
            address: None,
            delta: true,
            link: Link::Up(UNIX_EPOCH),
            offered: 3,
            kinds: BTreeMap::new(),
            acked,
            behind,
            took: Some(Duration::from_millis(7)),
            rejection: None,
        }
    }

    fn told(nodes: &[NodeState]) -> Option<TargetState> {
        let states: States = nodes.iter().cloned().map(Arc::new).collect();
        status(&states, std::iter::empty(), (3, 12.5), 99, None, |_| Vec::new()).map(|it| it.state)
    }

    #[test]
    fn one_that_refuses_speaks_for_all() {
        let (ready, waiting) = (node("a", Some(3)), node("b", None));
        let gone = NodeState { link: Link::Down(UNIX_EPOCH + Duration::from_secs(1)), ..node("c", Some(2)) };
        let words = "no such cluster".to_owned();
        let rejection = Rejection { kind: Kind::Listener, revision: 3, words, at: UNIX_EPOCH, stands: true };
        let refusing = NodeState { rejection: Some(rejection.clone()), ..node("d", Some(2)) };
        let mended =
            NodeState { rejection: Some(Rejection { stands: false, ..rejection }), ..node("e", Some(3)) };
        let applied = Some(TargetState::Applied { revision: 3, at: 99, millis: 12.5 });
        let pending = Some(TargetState::Pending { revision: 3 });
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[ready.clone(), gone.clone(), mended]), applied);
        assert_eq!(told(&[ready.clone(), waiting.clone()]), pending);
        assert_eq!(told(&[gone]), Some(TargetState::Unreachable { since: 1000 }));
        let why = "d: no such cluster".to_owned();
        assert_eq!(told(&[ready, waiting, refusing]), Some(TargetState::Rejected { revision: 3, why }));
    }

    #[test]
    fn a_revision_is_run_since_it_was_first_said() {
        let states: States = [Arc::new(node("a", Some(3)))].into();
        let told = |millis, now, before| {
            status(&states, std::iter::empty(), (3, millis), now, before, |_| Vec::new())
        };
        let first = told(12.5, 10, None);
        assert_eq!(told(99.0, 20, first.as_ref()), first);
    }

    #[test]
    fn one_that_has_not_come_yet_is_pending() {
        let states: States = [Arc::new(node("a", Some(3)))].into();
        let source = Source::named("workload", "b");
        let awaited = [("own/b", &source)].into_iter();
        let told = status(&states, awaited, (3, 1.0), 10, None, |_| Vec::new()).unwrap();
        assert_eq!(told.state, TargetState::Pending { revision: 3 });
        assert_eq!((told.nodes.len(), told.nodes[1].state.clone()), (2, told.state));
    }
}
