//! The faults of the mesh, with the time that they have left.

use crate::prelude::*;

use crate::faults::FaultView;
use crate::icons::{Icon, icon};
use crate::store::{Tab, use_store};
use crate::topology::{NodeId, short_host};
use crate::words;

/// The group; nothing without faults.
#[component]
pub fn Faults() -> impl IntoView {
    let store = use_store();
    let faults = store.derived.faults;
    view! {
        <Show when=move || !faults.with(Vec::is_empty)>
            <h2 class="eyebrow">"Faults"</h2>
            <ul aria-label="Faults">
                <For each=move || faults.get() key=|fault| (fault.target.clone(), fault.label.clone(), fault.expires_at) let:fault>
                    <li><Row fault/></li>
                </For>
            </ul>
        </Show>
    }
}

#[component]
fn Row(fault: FaultView) -> impl IntoView {
    let store = use_store();
    let ends = fault.expires_at;
    let left =
        move || ends.map(|ends| format!("ends {}", words::remaining(ends - store.ui.now.get() / 1000)));
    let host = fault.host.clone();
    let select = move |_| {
        let known = store.derived.places.with_untracked(|places| places.of_host(&host));
        store.ui.select(if matches!(known, NodeId::External(_)) {
            known
        } else {
            NodeId::Service(host.clone())
        });
        store.ui.tab.set(Tab::Faults);
    };
    view! {
        <button class="item-row fault-row" on:click=select>
            <span class="warn">{icon(Icon::Fault)}</span>
            <span class="name">{short_host(&fault.host).to_owned()}" "{fault.label}</span>
            <span class="figure">{left}</span>
        </button>
    }
}
