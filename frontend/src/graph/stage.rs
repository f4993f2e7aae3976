//! The picture itself, and the hands on it: panning, zooming, pinching.

use crate::prelude::*;
use leptos::ev::{PointerEvent, WheelEvent};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

use super::edge::{Edge, EdgeLabel};
use super::explained::ExplainedWays;
use super::layout::Point;
use super::node::{NodeCard, capture};
use super::state::{GraphState, use_graph};

/// Pixels that a wheel's line stands for.
const LINE: f64 = 16.0;

/// The picture.
#[component]
pub fn Stage() -> impl IntoView {
    let graph = use_graph();
    let svg = NodeRef::new();
    watch_size(graph, svg);
    let hand = Hand { graph, fingers: StoredValue::new(Vec::new()) };
    let links = move || graph.plan.with(|plan| plan.links.clone());
    let nodes = move || {
        let order = graph.plan.with(|plan| plan.reading_order());
        graph.nodes.with(|nodes| order.iter().filter_map(|id| nodes.get(id).cloned()).collect::<Vec<_>>())
    };
    view! {
        <svg
            node_ref=svg
            class="picture"
            role="group"
            aria-label="Services and the traffic between them"
            on:wheel=move |event| wheel(graph, &event)
        >
            <rect
                class="ground"
                width="100%"
                height="100%"
                on:pointerdown=move |event| hand.put(&event)
                on:pointermove=move |event| hand.moved(&event)
                on:pointerup=move |event| hand.lift(&event)
                on:pointercancel=move |event| hand.lift(&event)
                on:dblclick=move |_| graph.fit()
            ></rect>
            <g transform=move || graph.camera.get().transform()>
                <For each=links key=Clone::clone let:key>
                    <Edge key/>
                </For>
                // With anything else about its node a card is another one.
                <For each=nodes key=Clone::clone let:node>
                    <NodeCard node/>
                </For>
                <ExplainedWays/>
                <For each=links key=Clone::clone let:key>
                    <EdgeLabel key/>
                </For>
            </g>
        </svg>
    }
}

/// Keeps the view's size. The observer lives as long as the page does, as the graph does.
fn watch_size(graph: GraphState, svg: NodeRef<leptos::svg::Svg>) {
    Effect::new(move || {
        let Some(element) = svg.get() else { return };
        let measured = element.clone();
        let measure = Closure::<dyn FnMut()>::new(move || {
            let rect = measured.get_bounding_client_rect();
            graph.size.set((rect.width(), rect.height()));
        });
        if let Ok(observer) = web_sys::ResizeObserver::new(measure.as_ref().unchecked_ref()) {
            observer.observe(&element);
        }
        measure.forget();
    });
}

fn wheel(graph: GraphState, event: &WheelEvent) {
    event.prevent_default();
    let unit = if event.delta_mode() == WheelEvent::DOM_DELTA_LINE { LINE } else { 1.0 };
    let (x, y) = (event.delta_x() * unit, event.delta_y() * unit);
    // A pinch on a trackpad comes as a wheel with Ctrl.
    if event.ctrl_key() || event.meta_key() {
        let at = Point { x: f64::from(event.offset_x()), y: f64::from(event.offset_y()) };
        graph.steer(|camera| camera.zoomed(js_sys::Math::pow(2.0, -y.clamp(-120.0, 120.0) / 240.0), at));
    } else if event.shift_key() && x == 0.0 {
        graph.steer(|camera| camera.panned(-y, 0.0));
    } else {
        graph.steer(|camera| camera.panned(-x, -y));
    }
}

/// Pointers on the ground: one pans, two zoom.
#[derive(Clone, Copy)]
struct Hand {
    graph: GraphState,
    fingers: StoredValue<Vec<(i32, Point)>>,
}

impl Hand {
    fn put(&self, event: &PointerEvent) {
        if event.button() > 1 {
            return;
        }
        self.fingers.update_value(|fingers| fingers.push((event.pointer_id(), at(event))));
        capture(event);
    }

    fn moved(&self, event: &PointerEvent) {
        let mut fingers = self.fingers.get_value();
        let Some(position) = fingers.iter().position(|(id, _)| *id == event.pointer_id()) else { return };
        let (before, now) = (fingers[position].1, at(event));
        let other = fingers.iter().find(|(id, _)| *id != event.pointer_id()).map(|(_, other)| *other);
        fingers[position].1 = now;
        self.fingers.set_value(fingers);
        self.graph.steer(|camera| match other {
            None => camera.panned(now.x - before.x, now.y - before.y),
            Some(other) => {
                let spread = |point: Point| point.distance(other).max(1.0);
                camera.zoomed(spread(now) / spread(before), other)
            }
        });
    }

    fn lift(&self, event: &PointerEvent) {
        self.fingers.update_value(|fingers| fingers.retain(|(id, _)| *id != event.pointer_id()));
    }
}

fn at(event: &PointerEvent) -> Point {
    Point { x: f64::from(event.offset_x()), y: f64::from(event.offset_y()) }
}
