//! What the inspector shows while nothing is selected.

use crate::prelude::*;

use crate::store::use_store;
use crate::topology::NodeId;

/// Figures of the mesh, and a hint.
#[component]
pub fn Overview() -> impl IntoView {
    let store = use_store();
    let count = move |keep: fn(&NodeId) -> bool| {
        store.derived.topology.get().nodes.iter().filter(|node| keep(&node.id)).count()
    };
    let files = move || store.head.sources.with(|sources| sources.0.len());
    let loaded = move || store.head.loaded.get();
    view! {
        <Show when=loaded fallback=|| view! { <div class="panel-body" aria-busy="true"><div class="skeleton" style:height="140px"></div></div> }>
        <header>
            <h1>{store.head.name}</h1>
            <p>
                "Revision "<b>{move || store.head.number()}</b>
                {move || store.head.revision.with(|head| head.as_ref().map(|head| format!(" · {}", head.summary)))}
            </p>
        </header>
        <div class="panel-body">
            <article class="card">
                <dl>
                    <dt>"services"</dt><dd>{move || count(|id| matches!(id, NodeId::Service(_)))}</dd>
                    <dt>"external"</dt><dd>{move || count(|id| matches!(id, NodeId::External(_)))}</dd>
                    <dt>"gateways"</dt><dd>{move || count(|id| matches!(id, NodeId::Gateway { .. }))}</dd>
                    <dt>"files"</dt><dd>{move || files()}</dd>
                    <dt>"server"</dt><dd>{store.head.version}</dd>
                </dl>
            </article>
            <p class="empty">"Select a service to split its traffic, inject a fault, or read its YAML."</p>
        </div>
        </Show>
    }
}
