//! Desired and observed share of each version in one bar; on a selected node the bars are sliders.

use crate::prelude::*;
use leptos::ev::Event;
use wasm_bindgen::JsCast;

use super::scene::{CARD_WIDTH, HEAD_HEIGHT, MOST_ROWS, ROW_HEIGHT};
use super::state::use_graph;
use crate::look;
use crate::split::SplitView;
use crate::topology::{Node, NodeId, version_color};

/// Diameter of a slider's knob: the native control needs half of it on both sides.
const KNOB: f64 = 14.0;
/// Room for the percentage at the right.
const PERCENT: f64 = 54.0;

/// What one bar says.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Bar {
    /// 0 to 1.
    desired: Option<f64>,
    /// 0 to 1; `None` without traffic.
    observed: Option<f64>,
    /// Position among the sliders, where there is one.
    slider: Option<usize>,
    /// The draft wants another split than what runs.
    changed: bool,
}

/// The bars of a node.
#[component]
pub fn Bars(
    /// The node.
    node: Node,
    /// It is selected.
    selected: Memo<bool>,
) -> impl IntoView {
    let graph = use_graph();
    let id = StoredValue::new(node.id.clone());
    let split = memo(move |_| id.with_value(|id| graph.store.derived.split(id)));
    let traffic = graph.store.traffic.of_node(&node.id);
    let widest =
        node.versions.iter().map(|version| look::text_width(&version.name, 11.0)).fold(0.0, f64::max);
    let start = 14.0 + widest.clamp(18.0, 62.0) + 6.0;
    let width = CARD_WIDTH - PERCENT - start;
    let name = node.name.clone();
    let more = node.versions.len().saturating_sub(MOST_ROWS);
    let rows = node.versions.into_iter().take(MOST_ROWS).enumerate().map(|(row, version)| {
        let traffic = traffic.clone();
        let label = version.name.clone();
        let bar = memo(move |_| {
            let (position, share) = split.with(|split| share(split.as_ref(), &label)).unzip();
            let since = split.with(|split| {
                let target = &split.as_ref()?.target;
                graph.splits.with(|splits| observed(splits.get(target)?, &label))
            });
            let observed = since.or_else(|| {
                traffic.with(|traffic| {
                    let all = traffic.all.rps;
                    (all > 0.0).then(|| traffic.version(&label).map_or(0.0, |one| one.rps / all))
                })
            });
            let changed = split.with(|split| split.as_ref().is_some_and(|split| split.changed));
            Bar { desired: share, observed, slider: position, changed }
        });
        #[expect(clippy::cast_precision_loss, reason = "at most eight rows")]
        let top = HEAD_HEIGHT + ROW_HEIGHT * row as f64;
        view! {
            <Row name=name.clone() version=version.name color=version_color(row) id selected bar top start width/>
        }
    });
    view! {
        {rows.collect_view()}
        {(more > 0).then(|| {
            #[expect(clippy::cast_precision_loss, reason = "eight")]
            let y = HEAD_HEIGHT + ROW_HEIGHT * MOST_ROWS as f64 + 12.0;
            view! { <text class="sub" x="14" y=y>{format!("and {more} more")}</text> }
        })}
    }
}

/// One bar.
#[component]
fn Row(
    name: String,
    version: String,
    color: String,
    id: StoredValue<NodeId>,
    selected: Memo<bool>,
    bar: Memo<Bar>,
    top: f64,
    start: f64,
    width: f64,
) -> impl IntoView {
    let long = move |share: Option<f64>| share.unwrap_or(0.0).clamp(0.0, 1.0) * width;
    let marker = move || format!("{:.1}", start + long(bar.get().desired));
    let number = move || {
        let bar = bar.get();
        // What is desired is a whole number; what is observed seldom is.
        bar.desired
            .map(|desired| format!("{}%", percent(desired)))
            .or_else(|| bar.observed.map(look::percent))
            .unwrap_or_else(|| "–".to_owned())
    };
    let slider = memo(move |_| bar.get().slider.filter(|_| selected.get()));
    let shown = if version.is_empty() { "all".to_owned() } else { look::shorten(&version, 62.0, 11.0) };
    let label = format!("Share of {name} {version}, percent");
    view! {
        <g class="bar">
            <text class="bar-version" x="14" y=top + 13.0>{shown}</text>
            <rect class="track" x=start y=top + 5.0 width=width height="9" rx="4.5"></rect>
            <rect
                class="fill"
                x=start
                y=top + 5.0
                width=move || format!("{:.1}", long(bar.get().observed))
                height="9"
                rx="4.5"
                fill=color
            ></rect>
            <line
                class="marker"
                class:none=move || bar.get().desired.is_none() || slider.get().is_some()
                x1=marker
                x2=marker
                y1=top + 2.0
                y2=top + 17.0
            ></line>
            <text class="number" class:changed=move || bar.get().changed x=CARD_WIDTH - 10.0 y=top + 13.0>{move || number()}</text>
            {move || {
                let label = label.clone();
                slider.get().map(|position| {
                    view! { <Slider label id bar position x=start - KNOB / 2.0 y=top width=width + KNOB/> }
                })
            }}
        </g>
    }
}

/// The native slider over a bar.
#[component]
fn Slider(
    label: String,
    id: StoredValue<NodeId>,
    bar: Memo<Bar>,
    position: usize,
    x: f64,
    y: f64,
    width: f64,
) -> impl IntoView {
    let store = use_graph().store;
    let value = move || percent(bar.get().desired.unwrap_or(0.0)).to_string();
    let spoken = move || {
        let bar = bar.get();
        let observed = bar
            .observed
            .map_or_else(|| "no traffic".to_owned(), |o| format!("observed {}", look::percent(o)));
        format!("{} percent, {observed}", percent(bar.desired.unwrap_or(0.0)))
    };
    let drag = move |event: Event| {
        let input = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlInputElement>().ok());
        if let Some(percent) = input.and_then(|input| input.value().parse::<u32>().ok()) {
            id.with_value(|id| store.drag_share(id, position, percent));
        }
    };
    view! {
        <foreignObject x=x y=y width=width height="20">
            <input
                class="share-slider"
                type="range"
                min="0"
                max="100"
                step="1"
                aria-label=label
                aria-valuetext=spoken
                prop:value=value
                on:input=drag
                on:change=move |_| store.release()
            />
        </foreignObject>
    }
}

fn percent(share: f64) -> u32 {
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "clamped to 0..=100")]
    let percent = (share * 100.0).round().clamp(0.0, 100.0) as u32;
    percent
}

/// Position and share of a version among the sliders of a split; a split of one alone has nothing to slide.
fn share(split: Option<&SplitView>, version: &str) -> Option<(usize, f64)> {
    let shares = &split?.shares;
    let total = shares.iter().map(|view| f64::from(view.share.weight)).sum::<f64>();
    let position = shares.iter().position(|view| view.version == version);
    match position {
        Some(position) if total > 0.0 => Some((position, f64::from(shares[position].share.weight) / total)),
        Some(position) => Some((position, 0.0)),
        // A version that the route does not name gets nothing from it.
        None => None,
    }
}

fn observed(split: &api::observed::Split, subset: &str) -> Option<f64> {
    split.shares.iter().find(|share| share.subset == subset && share.n > 0).map(|share| share.observed)
}

#[cfg(test)]
mod tests {
    use mesh::edit::{RouteTarget, Share};

    use super::*;
    use crate::split::ShareView;

    #[test]
    fn shares_are_of_the_sum() {
        let view = |version: &str, weight| ShareView {
            share: Share { host: "reviews".into(), subset: Some(version.into()), port: None, weight },
            version: version.into(),
            created: None,
            color: 0,
            locked: false,
        };
        let split = SplitView {
            target: RouteTarget::Service("reviews".into()),
            shares: vec![view("v1", 1), view("v2", 3)],
            changed: false,
        };
        assert_eq!(share(Some(&split), "v2"), Some((1, 0.75)));
        assert_eq!(share(Some(&split), "v3"), None);
        assert_eq!(share(None, "v1"), None);
    }
}
