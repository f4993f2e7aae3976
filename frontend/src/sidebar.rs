//! The list at the left: find, services, external hosts, gateways, faults, problems.

pub mod faults;
pub mod find;
pub mod problems;
pub mod row;

use crate::prelude::*;
use leptos::ev;
use wasm_bindgen::JsCast;

use crate::sidebar::find::{Candidate, Query};
use crate::store::{Store, use_store};
use crate::topology::{Node, NodeId};

/// The list.
#[component]
pub fn Sidebar() -> impl IntoView {
    let store = use_store();
    let text = RwSignal::new(String::new());
    let query = memo(move |_| Query::parse(&text.get()));
    let rows = memo(move |_| {
        let query = query.get();
        let faulty = store.derived.faulty_hosts();
        let topology = store.derived.topology.get();
        topology.nodes.iter().filter(|node| found(store, &query, &faulty, node)).cloned().collect::<Vec<_>>()
    });
    let group = move |title: &'static str, keep: fn(&NodeId) -> bool| {
        let nodes = memo(move |_| rows.get().into_iter().filter(|node| keep(&node.id)).collect::<Vec<_>>());
        view! { <Group title nodes/> }
    };
    let none = move || rows.with(Vec::is_empty) && store.head.loaded.get();
    view! {
        <nav class="sidebar" aria-label="Services, gateways and problems">
            <div class="find">
                <input
                    type="search"
                    class="input"
                    placeholder="Find: rps > 50, fault, v3…"
                    aria-label="Find"
                    title="Words and conditions: reviews, v3, rps > 50, errors, errors > 1, p95 > 100, fault, ejected, unhealthy, limit, -fault"
                    prop:value=text
                    on:input=move |event| text.set(event_target_value(&event))
                    on:keydown=move |event| leave_find(&event, text)
                />
            </div>
            <div class="groups" on:keydown=move |event| walk(&event)>
                <Show when=move || store.head.loaded.get() fallback=Loading>
                    {group("Services", |id| matches!(id, NodeId::Service(_)))}
                    {group("External", |id| matches!(id, NodeId::External(_)))}
                    {group("Gateways", |id| matches!(id, NodeId::Gateway { .. }))}
                    {group("Other callers", |id| matches!(id, NodeId::Workload { .. }))}
                    <Show when=none>
                        <p class="empty">
                            {move || if text.with(String::is_empty) { "This mesh has no services yet." } else { "Nothing matches." }}
                        </p>
                    </Show>
                    <faults::Faults/>
                    <problems::Problems/>
                </Show>
            </div>
        </nav>
    }
}

#[component]
fn Group(title: &'static str, nodes: Memo<Vec<Node>>) -> impl IntoView {
    view! {
        <Show when=move || !nodes.with(Vec::is_empty)>
            <h2 class="eyebrow">{title}</h2>
            <ul aria-label=title>
                <For each=move || nodes.get() key=|node| node.id.clone() let:node>
                    <li><row::Row id=node.id name=node.name/></li>
                </For>
            </ul>
        </Show>
    }
}

#[component]
fn Loading() -> impl IntoView {
    let bars =
        (0..6).map(|_| view! { <div class="skeleton" style:height="20px" style:margin="8px 4px"></div> });
    view! { <div aria-busy="true" aria-label="Loading">{bars.collect_view()}</div> }
}

fn found(store: Store, query: &Query, faulty: &std::collections::BTreeSet<String>, node: &Node) -> bool {
    if query.is_empty() {
        return true;
    }
    let host = node.id.host().unwrap_or(&node.namespace);
    let figures = store.traffic.of_node(&node.id).with(|traffic| traffic.all.clone());
    query.matches(&Candidate {
        name: &node.name,
        host,
        versions: node.versions.iter().map(|version| version.name.as_str()).collect(),
        rps: figures.rps,
        errors: figures.success().map_or(0.0, |success| (1.0 - success) * 100.0),
        p95: figures.p95.unwrap_or(0.0),
        fault: faulty.contains(host),
        alerts: store
            .head
            .alerts
            .with(|all| all.iter().filter(|alert| alert.host == host).map(|alert| alert.kind).collect()),
    })
}

/// Escape empties the field, the down arrow leads into the list.
fn leave_find(event: &ev::KeyboardEvent, text: RwSignal<String>) {
    match event.key().as_str() {
        "Escape" => text.set(String::new()),
        "ArrowDown" => {
            event.prevent_default();
            if let Ok(Some(first)) = document().query_selector(".sidebar .groups button") {
                let _ = first.unchecked_into::<web_sys::HtmlElement>().focus();
            }
        }
        _ => {}
    }
}

/// Arrows, Home and End move through the list.
fn walk(event: &ev::KeyboardEvent) {
    let Ok(list) = document().query_selector_all(".sidebar .groups button") else { return };
    let buttons: Vec<web_sys::HtmlElement> =
        (0..list.length()).filter_map(|at| list.item(at)?.dyn_into().ok()).collect();
    let active = document().active_element();
    let Some(at) = buttons.iter().position(|button| active.as_ref() == Some(button.as_ref())) else { return };
    let next = match event.key().as_str() {
        "ArrowDown" => at + 1,
        "ArrowUp" => at.saturating_sub(1),
        "Home" => 0,
        "End" => buttons.len() - 1,
        _ => return,
    };
    event.prevent_default();
    if let Some(button) = buttons.get(next) {
        let _ = button.focus();
    }
}
