//! Charts of observed traffic.
//!
//! [`data`] cuts a window out of the history and [`draw`] makes an SVG text of it; both know no signals.

pub mod data;
pub mod draw;

use crate::prelude::*;
use leptos::ev::PointerEvent;
use wasm_bindgen::JsCast;

use crate::store::{Store, use_store};
use crate::topology::{NodeId, version_color};
use data::{ChartData, Window};

/// Size that a chart is drawn for; the page may stretch it a little.
const SIZE: (u32, u32) = (372, 148);
/// Rows of the table that says the same.
const ROWS: usize = 12;

/// Traffic into a service by version, over the last minutes, with a mark for every revision.
#[component]
pub fn TrafficChart(
    /// The service's fully qualified host.
    #[prop(into)]
    host: Signal<String>,
) -> impl IntoView {
    let store = use_store();
    let window = RwSignal::new(Window::default());
    let pointed = RwSignal::new(None::<f64>);
    // Drawn anew when a second is full, not with every tick.
    let history = memo(move |_| store.traffic.history(&host.get()));
    let second = memo(move |_| history.get().with(|history| (history.start, history.len())));
    let data = memo(move |_| {
        let _ = second.get();
        let colors = colors(store, &host.get());
        history.get().with_untracked(|history| {
            store.head.history.with(|revisions| ChartData::new(history, revisions, &colors, window.get()))
        })
    });
    let drawing = move || data.with(|data| draw::svg(data, SIZE)).unwrap_or_default();
    view! {
        <figure class="chart">
            <Windows window/>
            <div
                class="chart-drawing"
                role="img"
                aria-label=move || data.with(ChartData::summary)
                inner_html=drawing
                on:pointermove=move |event| pointed.set(place(&event))
                on:pointerleave=move |_| pointed.set(None)
            ></div>
            <Readout data pointed/>
            <Table data/>
        </figure>
    }
}

/// The buttons that choose how far back the chart looks.
#[component]
fn Windows(window: RwSignal<Window>) -> impl IntoView {
    let button = move |one: Window| {
        let chosen = move || window.get() == one;
        view! {
            <button
                class="chart-window"
                aria-pressed=move || chosen().to_string()
                aria-label=format!("The last {}", one.label())
                on:click=move |_| window.set(one)
            >
                {one.label()}
            </button>
        }
    };
    view! { <div class="chart-windows" role="group" aria-label="Time span">{Window::ALL.map(button).collect_view()}</div> }
}

/// What each version has at the pointer, or now.
#[component]
fn Readout(data: Memo<ChartData>, pointed: RwSignal<Option<f64>>) -> impl IntoView {
    let values = move || {
        data.with(|data| {
            let bin = pointed.get().map_or(data.at.len().checked_sub(1), |place| data.bin_at(place));
            let versions = data.areas.iter().map(|area| {
                let rps = bin.and_then(|bin| area.rps.get(bin)).copied().unwrap_or(0.0);
                view! {
                    <span class="chart-key">
                        <svg viewBox="0 0 8 8" aria-hidden="true">
                            <circle cx="4" cy="4" r="4" fill=version_color(area.color)></circle>
                        </svg>
                        {data::name(&area.version).to_owned()}" "
                        <b>{data::round(rps)}</b>
                    </span>
                }
            });
            let when = bin.and_then(|bin| data.at.get(bin)).filter(|_| pointed.get().is_some());
            let when = when.map_or_else(|| "now".to_owned(), |at| format!("−{:.0} s", -at));
            view! { {versions.collect_view()}<span class="chart-when">"rps, "{when}</span> }
        })
    };
    view! { <figcaption class="chart-readout">{move || values()}</figcaption> }
}

/// The same in numbers.
#[component]
fn Table(data: Memo<ChartData>) -> impl IntoView {
    let open = RwSignal::new(false);
    let table = move || {
        open.get().then(|| {
            data.with(|data| {
                let step = data.at.len().div_ceil(ROWS).max(1);
                let head = data.areas.iter().map(|area| {
                    view! { <th scope="col">{data::name(&area.version).to_owned()}</th> }
                });
                let rows = (0..data.at.len()).rev().step_by(step).map(|bin| {
                    let cells = data.areas.iter().map(|area| view! { <td>{data::round(area.rps[bin])}</td> });
                    view! {
                        <tr>
                            <th scope="row">{format!("−{:.0} s", -data.at[bin])}</th>
                            {cells.collect_view()}
                        </tr>
                    }
                });
                view! {
                    <table>
                        <thead><tr><th scope="col">"time"</th>{head.collect_view()}</tr></thead>
                        <tbody>{rows.collect_view()}</tbody>
                    </table>
                }
            })
        })
    };
    view! {
        <details class="chart-table" on:toggle=move |_| open.update(|open| *open = !*open)>
            <summary>"As a table"</summary>
            {move || table()}
        </details>
    }
}

fn colors(store: Store, host: &str) -> Vec<String> {
    let id = NodeId::Service(host.to_owned());
    store.derived.topology.with(|topology| {
        topology
            .node(&id)
            .map_or_else(Vec::new, |node| node.versions.iter().map(|one| one.name.clone()).collect())
    })
}

/// Where in the window the pointer is, 0 to 1.
fn place(event: &PointerEvent) -> Option<f64> {
    let element = event.current_target()?.dyn_into::<web_sys::Element>().ok()?;
    let rect = element.get_bounding_client_rect();
    (rect.width() > 0.0).then(|| ((f64::from(event.client_x()) - rect.left()) / rect.width()).clamp(0.0, 1.0))
}
