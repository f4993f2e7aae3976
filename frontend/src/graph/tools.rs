//! What lies over the graph's edges: buttons for the view, the legend, and words where there is nothing to see.

use crate::prelude::*;

use super::keys::ZOOM;
use super::memory;
use super::state::use_graph;

/// Buttons for the view.
#[component]
pub fn Tools() -> impl IntoView {
    let graph = use_graph();
    let moved = move || graph.moved.with(|moved| !moved.is_empty());
    view! {
        <div class="graph-tools" role="toolbar" aria-label="View of the graph">
            <button class="tool" class:none=move || !moved() title="Move all nodes back" on:click=move |_| memory::forget(graph)>
                "Reset layout"
            </button>
            <button class="tool" aria-label="Zoom out" title="Zoom out (−)" on:click=move |_| graph.zoom(1.0 / ZOOM)>"−"</button>
            <button class="tool" aria-label="Zoom in" title="Zoom in (+)" on:click=move |_| graph.zoom(ZOOM)>"+"</button>
            <button class="tool" title="Show all (f)" on:click=move |_| graph.fit()>"Fit"</button>
        </div>
    }
}

/// What the signs mean.
#[component]
pub fn Legend() -> impl IntoView {
    view! {
        <details class="legend">
            <summary>"Legend"</summary>
            <ul>
                <li>
                    <svg viewBox="0 0 56 16" aria-hidden="true">
                        <path class="line" d="M2,8 H54" stroke-width="2"></path>
                        <path class="dots" d="M2,8 H54" stroke-dasharray="0 18"></path>
                    </svg>
                    "width and dots: requests per second"
                </li>
                <li>
                    <svg viewBox="0 0 56 16" aria-hidden="true">
                        <path class="line ok" d="M1,8 H18" stroke-width="5"></path>
                        <path class="line warn" d="M20,8 H36" stroke-width="5"></path>
                        <path class="line bad" d="M38,8 H55" stroke-width="5"></path>
                    </svg>
                    "healthy; degraded: some fail, or 10% are 4xx; failing: 10% fail, or 20% are 4xx"
                </li>
                <li>
                    <svg viewBox="0 0 56 16" aria-hidden="true">
                        <circle class="mark idle" cx="14" cy="8" r="4.5"></circle>
                        <circle class="mark unknown" cx="42" cy="8" r="4"></circle>
                    </svg>
                    "idle; no traffic yet"
                </li>
                <li>
                    <svg viewBox="0 0 56 16" aria-hidden="true">
                        <rect class="track" x="1" y="4" width="54" height="8" rx="4"></rect>
                        <rect class="fill" x="1" y="4" width="30" height="8" rx="4"></rect>
                        <path class="marker" d="M36,1 V15"></path>
                    </svg>
                    "bar: observed share; mark: desired"
                </li>
                <li>
                    <svg viewBox="0 0 56 16" aria-hidden="true">
                        <rect class="fault" x="1" y="1" width="54" height="14" rx="7"></rect>
                        <text x="28" y="11.5">"7 s · 10%"</text>
                    </svg>
                    "injected fault"
                </li>
            </ul>
        </details>
    }
}

/// Words where there is nothing to see.
#[component]
pub fn Empty() -> impl IntoView {
    let graph = use_graph();
    let store = graph.store;
    let loaded = store.head.loaded;
    let bare = memo(move |_| loaded.get() && graph.plan.with(|plan| plan.ids.is_empty()));
    let quiet = memo(move |_| {
        loaded.get() && !bare.get() && store.traffic.links.with(std::collections::BTreeSet::is_empty)
    });
    let address = move || {
        let load = store.head.load.with(|load| load.as_ref().map(|load| load.url.clone()));
        load.or_else(|| {
            store.head.listeners.with(|listeners| {
                let gateway =
                    listeners.iter().find(|one| matches!(one.source, mesh::Source::Gateway { .. }))?;
                // It may take other things than HTTP.
                Some(gateway.address.clone())
            })
        })
    };
    // The cluster's own sidecars route, and tell this program nothing.
    let unobserved =
        move || store.head.cluster.with(Option::is_some) && store.head.listeners.with(Vec::is_empty);
    view! {
        <div class="graph-empty" class:none=move || loaded.get() role="status">
            <p class="waiting">"Waiting for the mesh…"</p>
        </div>
        <div class="graph-empty" class:none=move || !bare.get()>
            <h2>"No services yet"</h2>
            <p>
                "Services come from ServiceEntries with endpoints and from Kubernetes Services. Add one to the mesh folder, "
                "or start Meshwright without "<code>"--mesh"</code>" to see the sample mesh."
            </p>
        </div>
        <div class="graph-quiet" class:none=move || !quiet.get() role="status">
            {move || match (address(), unobserved()) {
                (Some(address), _) => view! {
                    <b>"No traffic in the last minute."</b>" Increase the load, or send requests to "<code>{address}</code>
                }
                .into_any(),
                (None, false) => view! {
                    <b>"No traffic in the last minute."</b>" Requests that are sent through a workload’s listener appear here."
                }
                .into_any(),
                (None, true) => view! {
                    <b>"The traffic of this cluster is not observed."</b>" What you change here is applied to it all the same."
                }
                .into_any(),
            }}
        </div>
    }
}
