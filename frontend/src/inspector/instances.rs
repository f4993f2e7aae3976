//! Instances of a service, each with its state.

use crate::prelude::*;
use api::{AlertKind, Health};

use crate::clock;
use crate::instances::InstanceState;
use crate::look;
use crate::store::{Store, use_store};
use crate::topology::NodeId;

/// The list.
#[component]
pub fn Instances(
    /// The node.
    id: NodeId,
) -> impl IntoView {
    let store = use_store();
    move || {
        let all = store.derived.instances(&id);
        let limits = store.derived.limits(None, &id).into_iter();
        let head = (!all.is_empty()).then(|| view! { <h2 class="eyebrow">"Instances"</h2> });
        view! {
            {head}
            <div role="status">{limits.map(|limit| view! { <p class="warn">{limit}</p> }).collect_view()}</div>
            <ul class="instances" aria-label="Instances">{all.iter().map(row).collect_view()}</ul>
        }
    }
}

fn row(one: &InstanceState) -> AnyView {
    let tone = match (one.kind, one.health) {
        (Some(AlertKind::Ejected), _) | (None, Health::Degraded) => "dot warn",
        (Some(_), _) | (None, Health::Failing) => "dot bad",
        (None, Health::Healthy) => "dot ok",
        (None, Health::Idle) => "dot",
        (None, Health::Unknown) => "dot unknown",
    };
    view! {
        <li>
            <span class=tone></span>
            <code>{one.address.clone()}</code>
            <span>{one.version.clone()}</span>
            <b>{state(one)}</b>
            <small>{why(one)}</small>
        </li>
    }
}

/// Why, in words: of an instance that is used, what it answered in the last seconds.
fn why(one: &InstanceState) -> String {
    if !one.why.is_empty() {
        return one.why.clone();
    }
    match (one.health, look::failures_of(&one.recent)) {
        (Health::Unknown, _) => "no request yet".to_owned(),
        (Health::Idle, _) => "no request in the last 10 s".to_owned(),
        (_, failures) => failures.unwrap_or_default(),
    }
}

/// What an instance does: `healthy`, `ejected until 14:02:31`.
fn state(one: &InstanceState) -> String {
    match (one.kind, one.until) {
        (None, _) => one.health.word().to_owned(),
        (Some(AlertKind::Ejected), Some(until)) => format!("ejected until {}", clock::time(until)),
        (Some(AlertKind::Ejected), None) => "ejected".to_owned(),
        (Some(AlertKind::Unreachable), _) => "unreachable".to_owned(),
        (Some(_), _) => "unhealthy".to_owned(),
    }
}

/// A line for each instance of a node that is not used. Tracked.
pub fn lines(store: Store, id: &NodeId) -> Vec<String> {
    let all = store.derived.instances(id);
    let out = all.iter().filter(|one| one.kind.is_some());
    out.map(|one| format!("{} {}: {}", one.address, state(one), one.why)).collect()
}
