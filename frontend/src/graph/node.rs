//! One node: a card for a service or an external host, a pill for a gateway.

use crate::prelude::*;
use leptos::ev::{KeyboardEvent, PointerEvent};
use leptos::svg;
use wasm_bindgen::JsCast;

use super::bars::Bars;
use super::layout::Point;
use super::scene::{self, HEAD_HEIGHT};
use super::state::{GraphState, Tip, use_graph};
use super::{keys, memory};
use crate::look::{self, Tone};
use crate::topology::{Node, NodeId, Selection};

/// Pixels that a pointer may wander before a press becomes a drag.
const SLACK: f64 = 4.0;

/// One node.
#[component]
pub fn NodeCard(
    /// What it shows; for other versions a new card is made.
    node: Node,
) -> impl IntoView {
    let graph = use_graph();
    let id = StoredValue::new(node.id.clone());
    let about = StoredValue::new(Selection::Node(node.id.clone()));
    let traffic = graph.store.traffic.of_node(&node.id);
    let size = scene::size(&node);
    let place = memo(move |_| id.with_value(|id| graph.rect(id)));
    let selected = memo(move |_| about.with_value(|about| graph.selected(about)));
    let dim = memo(move |_| id.with_value(|id| graph.dims_node(id)));
    let figures = memo(move |_| traffic.with(|traffic| traffic.all.clone()));
    let impaired = memo(move |_| id.with_value(|id| graph.store.derived.impaired(id)));
    let tone = memo(move |_| {
        let tone = figures.with(look::tone);
        let faulty =
            id.with_value(|id| id.host().is_some_and(|host| graph.faults.with(|all| all.contains_key(host))));
        let troubled = faulty || impaired.with(Option::is_some);
        if troubled && tone == Tone::Ok { Tone::Warn } else { tone }
    });
    let rate = memo(move |_| {
        figures.with(|all| if all.rps > 0.0 { format!("{} rps", look::rate(all.rps)) } else { String::new() })
    });
    let subtitle = look::subtitle(&node);
    let subtitle = memo(move |_| impaired.get().unwrap_or_else(|| subtitle.clone()));
    let spoken = {
        let name = node.name.clone();
        move || {
            let subtitle = subtitle.get();
            let rate = rate.get();
            let rate = if rate.is_empty() { rate } else { format!("{rate}, ") };
            format!("{name}, {subtitle}, {rate}{}", tone.get().words())
        }
    };
    let kind = kind(&node.id);
    let radius = if kind == "gateway" { HEAD_HEIGHT / 2.0 } else { 10.0 };
    let left = if kind == "gateway" { 17.0 } else { 15.0 };
    let title = {
        let name = node.name.clone();
        memo(move |_| {
            let beside =
                if kind == "service" { rate.with(|rate| look::text_width(rate, 10.5)) + 4.0 } else { 0.0 };
            let (margin, letters) = if kind == "external" { (4.0, look::HOST_SIZE) } else { (10.0, 13.0) };
            look::shorten(&name, size.width - left - 11.0 - margin - beside, letters)
        })
    };
    let grip = Grip::new(graph, node.id.clone());

    view! {
        <g
            class=format!("node {kind}")
            class:selected=selected
            class:dim=dim
            transform=move || { let at = place.get(); format!("translate({:.1},{:.1})", at.x, at.y) }
        >
            <rect class="plate" width=size.width height=size.height rx=radius></rect>
            <circle class=move || format!("health {}", tone.get().class()) cx=left cy="20" r="4.5"></circle>
            <text class="name" x=left + 11.0 y="24.5">{title}</text>
            {(kind != "gateway").then(|| {
                // Hosts outside have long names and little below them.
                let y = if kind == "service" { "24" } else { "41" };
                svg::text().class("rate").attr("x", size.width - 10.0).attr("y", y).child(move || rate.get())
            })}
            <text class="sub" class:warn=move || impaired.with(Option::is_some) x=left + 11.0 y="41">{subtitle}</text>
            <rect
                class="hit"
                id=keys::element_id(&node.id)
                data-node=node.name.clone()
                width=size.width
                height=size.height
                rx=radius
                role="button"
                tabindex="0"
                aria-label=spoken
                aria-pressed=move || selected.get().to_string()
                on:pointerenter=move |event| grip.point(&event)
                on:pointerleave=move |_| graph.tip.set(None)
                on:pointerdown=move |event| grip.press(&event)
                on:pointermove=move |event| grip.wander(&event)
                on:pointerup=move |_| grip.release()
                on:pointercancel=move |_| grip.release()
                on:click=move |_| grip.click()
                on:keydown=move |event| key(graph, &id.get_value(), &event)
                on:focus=move |_| focus(graph, &id.get_value())
                on:blur=move |_| graph.tip.set(None)
            ></rect>
            {matches!(node.id, NodeId::Service(_)).then(|| view! { <Bars node selected/> })}
        </g>
    }
}

fn kind(id: &NodeId) -> &'static str {
    match id {
        NodeId::Gateway { .. } => "gateway",
        NodeId::Service(_) => "service",
        NodeId::External(_) => "external",
        NodeId::Workload { .. } => "workload",
    }
}

/// A pointer on a node: a press that wanders drags it, any other one selects it.
#[derive(Clone, Copy)]
struct Grip {
    graph: GraphState,
    id: StoredValue<NodeId>,
    /// Where the pointer was pressed, and where the node stood.
    pressed: StoredValue<Option<(Point, Point)>>,
    dragged: StoredValue<bool>,
}

impl Grip {
    fn new(graph: GraphState, id: NodeId) -> Self {
        Self {
            graph,
            id: StoredValue::new(id),
            pressed: StoredValue::new(None),
            dragged: StoredValue::new(false),
        }
    }

    fn press(&self, event: &PointerEvent) {
        if event.button() != 0 {
            return;
        }
        let rect = self.id.with_value(|id| untrack(|| self.graph.rect(id)));
        self.pressed.set_value(Some((screen(event), Point { x: rect.x, y: rect.y })));
        self.dragged.set_value(false);
        capture(event);
    }

    fn wander(&self, event: &PointerEvent) {
        let Some((pressed, stood)) = self.pressed.get_value() else {
            self.point(event);
            return;
        };
        let now = screen(event);
        let (x, y) = (now.x - pressed.x, now.y - pressed.y);
        if !self.dragged.get_value() && now.distance(pressed) < SLACK {
            return;
        }
        self.dragged.set_value(true);
        self.graph.tip.set(None);
        // The picture must not move away under the pointer.
        self.graph.steered.set(true);
        let scale = self.graph.camera.get_untracked().scale;
        let to = Point { x: stood.x + x / scale, y: stood.y + y / scale };
        self.graph.moved.update(|moved| {
            moved.insert(self.id.get_value(), to);
        });
    }

    fn release(&self) {
        self.pressed.set_value(None);
        if self.dragged.get_value() {
            memory::keep(self.graph);
        }
    }

    fn click(&self) {
        if !self.dragged.get_value() {
            let id = self.id.get_value();
            self.graph.store.ui.selection.set(Some(Selection::Node(id)));
        }
        self.dragged.set_value(false);
    }

    fn point(&self, event: &PointerEvent) {
        if event.pointer_type() == "touch" {
            return;
        }
        let rect = self.id.with_value(|id| untrack(|| self.graph.rect(id)));
        let at = self.graph.camera.get_untracked().to_screen(Point { x: rect.x, y: rect.bottom() });
        let tip = Tip { about: Selection::Node(self.id.get_value()), at: Point { x: at.x, y: at.y + 8.0 } };
        if self.graph.tip.with_untracked(|before| before.as_ref() != Some(&tip)) {
            self.graph.tip.set(Some(tip));
        }
    }
}

fn screen(event: &PointerEvent) -> Point {
    Point { x: f64::from(event.client_x()), y: f64::from(event.client_y()) }
}

/// The element keeps getting the pointer's events when it leaves it.
pub fn capture(event: &PointerEvent) {
    if let Some(element) =
        event.current_target().and_then(|target| target.dyn_into::<web_sys::Element>().ok())
    {
        // Fails only when the pointer is gone already, and then there is nothing to capture.
        let _ = element.set_pointer_capture(event.pointer_id());
    }
}

fn key(graph: GraphState, id: &NodeId, event: &KeyboardEvent) {
    match event.key().as_str() {
        "Enter" | " " => graph.store.ui.selection.set(Some(Selection::Node(id.clone()))),
        name => {
            let Some(direction) = keys::direction(name) else { return };
            if event.alt_key() {
                keys::nudge(graph, id, direction);
            } else {
                keys::step(graph, id, direction);
            }
        }
    }
    event.prevent_default();
    event.stop_propagation();
}

/// A node that got the focus from the keyboard is brought into view.
fn focus(graph: GraphState, id: &NodeId) {
    let visible = keys::element(id).is_some_and(|element| element.matches(":focus-visible").unwrap_or(false));
    if !visible {
        return;
    }
    let (rect, size) = (untrack(|| graph.rect(id)), graph.size.get_untracked());
    let camera = graph.camera.get_untracked();
    let shown = camera.showing(rect, size);
    if shown != camera {
        graph.steer(|_| shown);
    }
    graph.tip_beside(Selection::Node(id.clone()), rect);
}
