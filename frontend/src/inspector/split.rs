//! Split: shares of the versions, desired and observed, and what each version does with its traffic.

use crate::prelude::*;
use api::observed::{Split, Verdict};
use mesh::Edit;
use mesh::edit::RouteTarget;

use crate::chart::TrafficChart;
use crate::diff::DiffView;
use crate::inspector::instances::Instances;
use crate::inspector::route_picker::RoutePicker;
use crate::inspector::share_row::ShareRow;
use crate::inspector::version_menu::{Act, VersionMenu};
use crate::inspector::versions::Versions;
use crate::split::SplitView;
use crate::store::{Store, use_store};
use crate::subject::Subject;
use crate::topology::NodeId;

/// The tab.
#[component]
pub fn SplitTab(
    /// The node.
    id: NodeId,
    /// The node with its routes.
    subject: Memo<Subject>,
) -> impl IntoView {
    let store = use_store();
    let host = id.host().unwrap_or_default().to_owned();
    let traffic = store.traffic.of_node(&id);
    view! {
        <RoutePicker id=id.clone() subject/>
        <Sliders id=id.clone()/>
        <h2 class="eyebrow">"Traffic by version"</h2>
        <TrafficChart host=Signal::stored(host)/>
        <h2 class="eyebrow">"Versions, last 60 s"</h2>
        <Versions traffic subject/>
        <Instances id/>
        <Show when=move || { store.editing.count() > 0 }>
            <h2 class="eyebrow">"What will change"</h2>
            <DiffView text=Signal::derive(move || store.derived.diff.get())/>
        </Show>
    }
}

/// Sliders of a node's chosen route, with their buttons.
#[component]
pub fn Sliders(
    /// The node.
    id: NodeId,
) -> impl IntoView {
    let store = use_store();
    let split = {
        let id = id.clone();
        memo(move |_| store.derived.split(&id))
    };
    let observed = memo(move |_| split.with(|split| observed(store, split.as_ref()?)));
    let rows = memo(move |_| {
        split.with(|split| {
            let shares = split.iter().flat_map(|split| &split.shares);
            shares.enumerate().map(|(position, share)| (position, share.version.clone())).collect::<Vec<_>>()
        })
    });
    let id = StoredValue::new(id);
    view! {
        <Show
            when=move || !rows.with(Vec::is_empty)
            fallback=|| view! { <p class="note">"Nothing to split here: no VirtualService route with destinations governs this traffic."</p> }
        >
            <div role="group" aria-label="Shares">
                <For each=move || rows.get() key=Clone::clone let:row>
                    <ShareRow id=id.get_value() position=row.0 split observed/>
                </For>
            </div>
            <p class="hidden" role="status">{move || observed.with(|split| split.as_ref().map(verdict_sentence))}</p>
            <Buttons split/>
        </Show>
    }
}

#[component]
fn Buttons(split: Memo<Option<SplitView>>) -> impl IntoView {
    let store = use_store();
    let several = move || split.with(|split| split.as_ref().is_some_and(|split| split.shares.len() > 1));
    let put = move |edit: fn(&SplitView) -> Option<Edit>| {
        if let Some(edit) = split.with_untracked(|split| split.as_ref().and_then(edit)) {
            store.editing.put(edit);
        }
    };
    view! {
        <Show when=several>
            <div class="buttons">
                <button class="btn" on:click=move |_| put(|split| Some(split.even()))>"Even"</button>
                <VersionMenu split label="Canary 5%…" act=Act::Canary/>
                <VersionMenu split label="Promote…" act=Act::Promote/>
            </div>
        </Show>
    }
}

/// What was observed of a split, of the head revision. Tracked.
fn observed(store: Store, split: &SplitView) -> Option<Split> {
    store.head.tick.with(|tick| {
        let of = |candidate: &&Split| match &split.target {
            RouteTarget::Route(key) => candidate.route.as_ref() == Some(key),
            RouteTarget::Service(host) => candidate.route.is_none() && candidate.host == *host,
            // Connections are counted on their edges, not by their routes.
            RouteTarget::Tcp(_) | RouteTarget::Tls(_) => false,
        };
        tick.as_ref()?.splits.iter().find(of).cloned()
    })
}

/// For the live region: changes only when the verdict does.
fn verdict_sentence(split: &Split) -> String {
    format!(
        "Observed shares have {}.",
        match split.verdict {
            Verdict::Converging => "not converged yet",
            Verdict::Converged => "converged",
            Verdict::Diverged => "diverged",
        }
    )
}
