//! The keyboard in the graph: from node to node, moving nodes, zooming, fitting, letting go.

use crate::prelude::*;
use leptos::ev::{self, KeyboardEvent};
use wasm_bindgen::JsCast;

use super::layout::Point;
use super::memory;
use super::state::GraphState;
use crate::topology::NodeId;

/// Pixels that a node moves at one press of a key.
const NUDGE: f64 = 16.0;
/// Factor of one press of + or −.
pub const ZOOM: f64 = 1.25;

/// The DOM id of a node's element.
pub fn element_id(id: &NodeId) -> String {
    match id {
        NodeId::Gateway { namespace, name } => format!("node-gateway-{namespace}-{name}"),
        NodeId::Service(host) => format!("node-service-{host}"),
        NodeId::External(host) => format!("node-external-{host}"),
        NodeId::Workload { namespace, name } => format!("node-workload-{namespace}-{name}"),
    }
}

/// A node's element.
pub fn element(id: &NodeId) -> Option<web_sys::Element> {
    document().get_element_by_id(&element_id(id))
}

/// The direction of an arrow key.
pub fn direction(key: &str) -> Option<(f64, f64)> {
    match key {
        "ArrowLeft" => Some((-1.0, 0.0)),
        "ArrowRight" => Some((1.0, 0.0)),
        "ArrowUp" => Some((0.0, -1.0)),
        "ArrowDown" => Some((0.0, 1.0)),
        _ => None,
    }
}

/// Moves the focus to the neighbour.
pub fn step(graph: GraphState, from: &NodeId, direction: (f64, f64)) {
    let next = graph.scene.with_untracked(|scene| scene.neighbour(from, direction).cloned());
    let element =
        next.as_ref().and_then(element).and_then(|next| next.dyn_into::<web_sys::SvgElement>().ok());
    if let Some(element) = element {
        // Fails only for an element that has left the page since.
        let _ = element.focus();
    }
}

/// Moves the node itself.
pub fn nudge(graph: GraphState, id: &NodeId, direction: (f64, f64)) {
    let rect = untrack(|| graph.rect(id));
    let to = Point { x: rect.x + NUDGE * direction.0, y: rect.y + NUDGE * direction.1 };
    graph.steered.set(true);
    graph.moved.update(|moved| {
        moved.insert(id.clone(), to);
    });
    memory::keep(graph);
}

/// Keys that work wherever the focus is, save where text is typed.
pub fn listen(graph: GraphState) {
    let handle = window_event_listener(ev::keydown, move |event| {
        if event.ctrl_key()
            || event.meta_key()
            || event.alt_key()
            || event.default_prevented()
            || typing(&event)
            || graph.store.ui.sheet.with_untracked(Option::is_some)
        {
            return;
        }
        match event.key().as_str() {
            "f" => graph.fit(),
            "+" | "=" => graph.zoom(ZOOM),
            "-" => graph.zoom(1.0 / ZOOM),
            "Escape" => {
                graph.tip.set(None);
                if graph.store.ui.explained.with_untracked(Option::is_some) {
                    graph.store.ui.explained.set(None);
                } else {
                    graph.store.ui.selection.set(None);
                }
            }
            _ => return,
        }
        event.prevent_default();
    });
    on_cleanup(move || handle.remove());
}

fn typing(event: &KeyboardEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    target.is_some_and(|element| {
        element
            .closest("input, textarea, select, dialog, [contenteditable]")
            .is_ok_and(|found| found.is_some())
    })
}
