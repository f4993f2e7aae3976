//! What Envoys say that they run, as browsers are told.

use std::time::{SystemTime, UNIX_EPOCH};

use api::state::{NodeStatus, Target, TargetState, TargetStatus};
use mesh::Source;
use xds::ads::{Link, NodeState, States};

/// The Envoys as a target, beside the newest revision; `None` where there are none. `millis` is the time since the edit that
/// made the revision.
pub fn status(
    states: &States,
    head: u64,
    millis: f64,
    notes: impl Fn(&Source) -> Vec<String>,
) -> Option<TargetStatus> {
    let mut nodes: Vec<NodeStatus> = states
        .iter()
        .map(|node| NodeStatus {
            id: node.node.id.clone(),
            source: node.node.source.clone(),
            program: format!("{} {}", node.agent, node.version).trim().to_owned(),
            state: state(node, head, millis),
            notes: notes(&node.node.source),
        })
        .collect();
    nodes.sort_by(|one, other| (&one.source, &one.id).cmp(&(&other.source, &other.id)));
    Some(TargetStatus { target: Target::Envoy, state: together(&nodes, head)?, nodes })
}

/// What one of them runs.
fn state(node: &NodeState, head: u64, millis: f64) -> TargetState {
    if let Link::Down(since) = node.link {
        return TargetState::Unreachable { since: unix_millis(since) };
    }
    if let Some(rejection) = node.rejection.as_ref().filter(|rejection| rejection.stands) {
        return TargetState::Rejected { revision: rejection.revision, why: rejection.words.clone() };
    }
    match node.acked {
        Some(acked) if acked >= head && node.behind.is_none() => {
            // What it took is known of those that had something to take.
            let millis = node.took.map_or(0.0, |took| took.as_secs_f64() * 1000.0).max(millis.min(0.0));
            TargetState::Applied { revision: acked, at: unix_millis(SystemTime::now()), millis }
        }
        _ => TargetState::Pending { revision: head },
    }
}

/// All of them: one that refuses speaks for all, then those on their way, and those that are gone only where all are.
fn together(nodes: &[NodeStatus], head: u64) -> Option<TargetState> {
    let here = || nodes.iter().filter(|node| !matches!(node.state, TargetState::Unreachable { .. }));
    if here().next().is_none() {
        let since = nodes.iter().filter_map(|node| match node.state {
            TargetState::Unreachable { since } => Some(since),
            _ => None,
        });
        return since.max().map(|since| TargetState::Unreachable { since });
    }
    let refused = here().find_map(|node| match &node.state {
        TargetState::Rejected { revision, why } => {
            let (Source::Workload { name, .. } | Source::Gateway { name, .. }) = &node.source;
            Some(TargetState::Rejected { revision: *revision, why: format!("{name}: {why}") })
        }
        _ => None,
    });
    if refused.is_some() {
        return refused;
    }
    let mut latest = None;
    for node in here() {
        match &node.state {
            TargetState::Applied { at, millis, .. } => {
                let (last, most) = latest.unwrap_or((*at, *millis));
                latest = Some((last.max(*at), f64::max(most, *millis)));
            }
            _ => return Some(TargetState::Pending { revision: head }),
        }
    }
    latest.map(|(at, millis)| TargetState::Applied { revision: head, at, millis })
}

fn unix_millis(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
