//! What each target says that it runs.

use crate::prelude::*;
use api::TargetStatus;
use api::state::{NodeStatus, Target, TargetState};
use mesh::Source;

use crate::store::use_store;
use crate::topbar::menu::Menu;
use crate::{clock, words};

/// A chip for each target; that of the Envoys opens a list of them.
#[component]
pub fn Targets() -> impl IntoView {
    let head = use_store().head;
    view! {
        <div class="targets" role="group" aria-label="Targets">
            {move || {
                let number = head.number();
                head.targets.get().into_iter().map(|status| chip(status, number)).collect_view()
            }}
        </div>
    }
}

fn chip(status: TargetStatus, number: u64) -> AnyView {
    let (tone, text) = words_of(&status.state, number);
    let time = match status.state {
        TargetState::Unreachable { since } => Some(format!(" since {}", clock::time(since))),
        TargetState::Applied { millis, .. } => Some(took(millis)),
        _ => None,
    };
    let count = count(&status.nodes);
    let title = why(&status);
    let inside = move || {
        view! {
            <span class=format!("dot {tone}")></span>
            <span>{(status.target == Target::Proxy).then(|| view! { <span class="wide">"built-in "</span> })}{name(status.target)}</span>
            {count.clone()}
            <b>{text.clone()}{time.clone().map(|time| view! { <span class="wide">{time}</span> })}</b>
        }
        .into_any()
    };
    if status.nodes.is_empty() {
        return view! { <span class="chip" title=title>{inside()}</span> }.into_any();
    }
    let nodes = status.nodes;
    view! {
        <Menu label="Each Envoy" class="chip" button=inside>
            <ul class="nodes">{nodes.iter().map(|node| row(node, number)).collect_view()}</ul>
        </Menu>
    }
    .into_any()
}

/// One Envoy: whose it is, what it runs, and what it says against it.
fn row(node: &NodeStatus, number: u64) -> AnyView {
    let (Source::Workload { name, .. } | Source::Gateway { name, .. }) = &node.source;
    let (tone, text) = words_of(&node.state, number);
    let (words, time) = match &node.state {
        TargetState::Rejected { why, .. } => (Some(why.clone()), None),
        TargetState::Applied { millis, .. } => (None, Some(took(*millis))),
        _ => (None, None),
    };
    let words = words.into_iter().chain(node.notes.iter().cloned());
    view! {
        <li title=node.id.clone()>
            <span class=format!("dot {tone}")></span>
            <b>{name.clone()}</b>
            <span class="quiet">{node.program.clone()}</span>
            <span>{text}{time}</span>
            {words.map(|words| view! { <p>{words}</p> }).collect_view()}
        </li>
    }
    .into_any()
}

/// How many run the newest revision that there is for them, of how many.
fn count(nodes: &[NodeStatus]) -> String {
    let ready = nodes.iter().filter(|node| matches!(node.state, TargetState::Applied { .. })).count();
    if nodes.is_empty() { String::new() } else { format!("{ready}/{}", nodes.len()) }
}

/// What tells targets apart where there is little room.
fn name(target: Target) -> &'static str {
    match target {
        Target::Proxy => "proxy",
        Target::Envoy => "Envoy",
        Target::Cluster => "cluster",
    }
}

fn why(status: &TargetStatus) -> String {
    match &status.state {
        TargetState::Rejected { why, .. } => format!("{}: {why}", name(status.target)),
        _ => name(status.target).to_owned(),
    }
}

/// How long it took a target.
fn took(millis: f64) -> String {
    format!(" · {}", words::latency(Some(millis)))
}

/// Tone and words of a state, beside the head revision.
fn words_of(state: &TargetState, head: u64) -> (&'static str, String) {
    match state {
        TargetState::Pending { revision } => ("busy", format!("applying rev {revision}")),
        TargetState::Applied { revision, .. } => {
            (if *revision == head { "ok" } else { "warn" }, format!("rev {revision}"))
        }
        TargetState::Rejected { revision, .. } => ("bad", format!("rejected rev {revision}")),
        TargetState::Unreachable { .. } => ("bad", "unreachable".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoys_are_counted() {
        let node = |state| NodeStatus {
            id: "n".to_owned(),
            source: Source::Workload { namespace: "default".to_owned(), name: "a".to_owned() },
            program: "envoy".to_owned(),
            state,
            notes: Vec::new(),
        };
        let ready = node(TargetState::Applied { revision: 3, at: 0, millis: 1.0 });
        assert_eq!(count(&[]), "");
        assert_eq!(count(&[ready.clone(), node(TargetState::Pending { revision: 3 }), ready]), "2/3");
    }

    #[test]
    fn states_in_words() {
        for (state, expected) in [
            (TargetState::Pending { revision: 3 }, ("busy", "applying rev 3")),
            (TargetState::Applied { revision: 3, at: 0, millis: 1.12 }, ("ok", "rev 3")),
            (TargetState::Applied { revision: 2, at: 0, millis: 40.0 }, ("warn", "rev 2")),
            (TargetState::Rejected { revision: 3, why: String::new() }, ("bad", "rejected rev 3")),
            (TargetState::Unreachable { since: 0 }, ("bad", "unreachable")),
        ] {
            assert_eq!(words_of(&state, 3), (expected.0, expected.1.to_owned()));
        }
    }
}
