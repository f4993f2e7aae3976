//! One link: a curve as wide as its rate, dots that move with the traffic, and its label.

use crate::prelude::*;

use super::curve::{LABEL, Rect};
use super::state::{GraphState, Tip, use_graph};
use crate::look;
use crate::observed::Figures;
use crate::topology::{LinkKey, Selection};
use crate::words;

/// How much of an edge is seen beside its pill, on each side.
const SEEN: f64 = 8.0;

/// What the curve and the label of a link show alike.
#[derive(Clone, Copy)]
struct Shown {
    graph: GraphState,
    about: StoredValue<Selection>,
    key: StoredValue<LinkKey>,
    figures: Memo<Figures>,
    tone: Memo<look::Tone>,
    selected: Memo<bool>,
    dim: Memo<bool>,
}

impl Shown {
    fn of(key: LinkKey) -> Self {
        let graph = use_graph();
        let traffic = graph.store.traffic.of_link(&key);
        let about = StoredValue::new(Selection::Link(key.clone()));
        let key = StoredValue::new(key);
        let figures = memo(move |_| traffic.with(|traffic| traffic.all.clone()));
        Self {
            graph,
            about,
            key,
            figures,
            tone: memo(move |_| tone(graph, &figures.get(), key)),
            selected: memo(move |_| about.with_value(|about| graph.selected(about))),
            dim: memo(move |_| key.with_value(|key| graph.dims_link(key))),
        }
    }
}

/// The curve of a link.
#[component]
pub fn Edge(
    /// Which link.
    key: LinkKey,
) -> impl IntoView {
    let Shown { graph, about, key, figures, tone, selected, dim } = Shown::of(key);
    let path = memo(move |_| key.with_value(|key| graph.way(key).path));
    let dots = memo(move |_| figures.with(|all| look::dots(all.rps)));
    let width = memo(move |_| figures.with(|all| look::width(all.rps)));
    // A round dot for each dash of no length.
    let dash = move || dots.get().map(|(spacing, _)| format!("0 {spacing}"));
    let flow = NodeRef::new();
    graph.flow.add(flow, dots);
    view! {
        <g class=move || format!("edge {}", tone.get().class()) class:selected=selected class:dim=dim>
            <path class="line" d=path stroke-width=width></path>
            <path node_ref=flow class="flow" d=path stroke-dasharray=dash></path>
            <path
                class="grab"
                d=path
                on:pointermove=move |event| point(graph, about, f64::from(event.offset_x()), f64::from(event.offset_y()))
                on:pointerleave=move |_| graph.tip.set(None)
                on:click=move |_| graph.store.ui.selection.set(Some(about.get_value()))
            ></path>
        </g>
    }
}

/// The label of a link: rate and latency, errors, and the faults that are injected on the way.
#[component]
pub fn EdgeLabel(
    /// Which link.
    key: LinkKey,
) -> impl IntoView {
    let Shown { graph, about, key, figures, tone, selected, dim } = Shown::of(key);
    let at = memo(move |_| key.with_value(|key| graph.way(key).label));
    let text = memo(move |_| figures.with(look::label));
    let failures = memo(move |_| figures.with(look::failures));
    let faults = memo(move |_| {
        let labels = key.with_value(|key| graph.faults_on(key));
        labels.iter().flat_map(|label| label.split(" + ")).map(str::to_owned).collect::<Vec<_>>()
    });
    let acting = memo(move |_| figures.with(|all| all.delay_rps + all.abort_rps > 0.0));
    let limit = memo(move |_| {
        let reached = key.with_value(|key| !graph.store.derived.limits(Some(&key.from), &key.to).is_empty());
        look::limit(reached, figures.with(|all| all.overflow))
    });
    let hanging = move || {
        [failures, limit].iter().filter(|one| one.with(Option::is_some)).count() + faults.with(Vec::len)
    };
    let length = memo(move |_| key.with_value(|key| graph.way(key).length));
    // In the middle of a short edge the pill would hide it. That depends on no figure, so that no pill jumps.
    let raised = memo(move |_| hanging() > 0 || length.get() < LABEL.0 + 2.0 * SEEN);
    let lines = memo(move |_| lines(&text.get(), key.with_value(|key| graph.way(key).narrow)));
    let empty = move || text.with(String::is_empty);
    let spoken = move || {
        let mut spoken = spoken(graph, &key.get_value(), &figures.get(), &faults.get());
        spoken.extend(limit.get());
        spoken.join(", ")
    };
    let beside = move || {
        let (at, about) = (at.get_untracked(), about.get_value());
        let (width, height) = LABEL;
        // The tooltip stands below the pills that hang under the curve.
        #[expect(clippy::cast_precision_loss, reason = "few faults act on one edge")]
        let hanging = (height + 3.0) * untrack(hanging) as f64;
        graph.tip_beside(
            about,
            Rect { x: at.x - width / 2.0, y: at.y, width, height: height / 2.0 + hanging },
        );
    };
    view! {
        <g
            class=move || format!("edge-label {}", tone.get().class())
            class:dim=dim
            class:selected=selected
            class:empty=move || empty() && hanging() == 0
            transform=move || { let at = at.get(); format!("translate({:.1},{:.1})", at.x, at.y) }
        >
            <g class="pill" aria-hidden="true">{move || pill(&lines.get(), raised.get())}</g>
            <g class:acting=acting aria-hidden="true">
                {move || below(&faults.get(), limit.get(), failures.get())}
            </g>
            <rect
                class="press"
                x=move || lines.with(|lines| -pill_size(lines).0 / 2.0)
                y=move || lines.with(|lines| pill_top(lines, raised.get()))
                width=move || lines.with(|lines| pill_size(lines).0)
                height=move || lines.with(|lines| pill_size(lines).1)
                rx=LABEL.1 / 2.0
                role="button"
                tabindex="0"
                aria-label=spoken
                aria-pressed=move || selected.get().to_string()
                on:click=move |_| graph.store.ui.selection.set(Some(about.get_value()))
                on:keydown=move |event| {
                    if matches!(event.key().as_str(), "Enter" | " ") {
                        event.prevent_default();
                        graph.store.ui.selection.set(Some(about.get_value()));
                    }
                }
                on:pointerenter=move |_| beside()
                on:pointerleave=move |_| graph.tip.set(None)
                on:focus=move |_| beside()
                on:blur=move |_| graph.tip.set(None)
            ></rect>
        </g>
    }
}

/// The pill with the rate: centred on the curve, or above it where others take the place below or the curve is short.
fn pill(lines: &[String], above: bool) -> impl IntoView + use<> {
    let ((width, height), y) = (pill_size(lines), pill_top(lines, above));
    let mut at = y + 13.0 - LINE;
    let texts = lines.iter().map(|line| {
        at += LINE;
        // The pill has a name of its own, in words.
        view! { <text y=at aria-hidden="true">{line.clone()}</text> }
    });
    view! {
        <rect class="back" x=-width / 2.0 y=y width=width height=height rx=LABEL.1 / 2.0></rect>
        {texts.collect_view()}
    }
}

/// From one line of a pill to the next.
const LINE: f64 = 12.0;

/// What the pill says: rate and latency below each other where the gap is narrower than both, so that no card is covered.
fn lines(text: &str, narrow: bool) -> Vec<String> {
    match text {
        "" => vec!["no traffic".to_owned()],
        _ if narrow => text.split(" · ").map(str::to_owned).collect(),
        _ => vec![text.to_owned()],
    }
}

fn pill_size(lines: &[String]) -> (f64, f64) {
    let width = lines.iter().map(|line| look::text_width(line, 10.5)).fold(0.0, f64::max) + 12.0;
    #[expect(clippy::cast_precision_loss, reason = "a pill has two lines at most")]
    let more = LINE * lines.len().saturating_sub(1) as f64;
    (width, LABEL.1 + more)
}

fn pill_top(lines: &[String], above: bool) -> f64 {
    let (_, height) = pill_size(lines);
    if above { -height - 2.0 } else { -height / 2.0 }
}

/// The pills below the curve: faults that act on it, what a limit refuses, then what fails.
fn below(faults: &[String], limit: Option<String>, failures: Option<String>) -> impl IntoView + use<> {
    let sign = |label: &String| if label.contains("abort") { ABORT } else { DELAY };
    let mut rows = faults.iter().map(|label| (sign(label), label.clone())).collect::<Vec<_>>();
    rows.extend(limit.map(|limit| (LIMIT, limit)));
    rows.extend(failures.map(|failures| (FAILURES, failures)));
    // The icon says what it is: with the word as well the pill would be wider than the room between two cards.
    let brief = |label: &str| label.replace(" delay", "").replace(" abort", "");
    rows.into_iter()
        .enumerate()
        .map(|(row, (sign, label))| sign_pill(row, sign, brief(&label)))
        .collect_view()
}

/// Class and icon of a pill below an edge.
type Sign = (&'static str, &'static str);
/// A clock.
const DELAY: Sign = ("sign delay", "M0,-3 L0,0 L2.4,1.4");
/// A cross.
const ABORT: Sign = ("sign abort", "M-2.4,-2.4 L2.4,2.4 M2.4,-2.4 L-2.4,2.4");
/// No entry.
const LIMIT: Sign = ("sign limit", "M-2.8,0 L2.8,0");
/// An exclamation mark.
const FAILURES: Sign = ("sign failures", "M0,-3 L0,0.6 M0,2.9 L0,3");

fn sign_pill(row: usize, (class, icon): Sign, label: String) -> impl IntoView {
    let width = look::text_width(&label, 10.0) + 24.0;
    #[expect(clippy::cast_precision_loss, reason = "few faults act on one edge")]
    let y = 2.0 + (LABEL.1 + 3.0) * row as f64;
    view! {
        <g class=class>
            <rect class="back" x=-width / 2.0 y=y width=width height=LABEL.1 + 1.0 rx="10"></rect>
            <g class="glyph" transform=format!("translate({:.1},{:.1})", 11.0 - width / 2.0, y + 10.0)>
                <circle r="5.5"></circle>
                <path d=icon></path>
            </g>
            <text x="8" y=y + 13.5>{label}</text>
        </g>
    }
}

/// A fault on the way makes an edge suspicious even before it has been drawn.
fn tone(graph: GraphState, figures: &Figures, key: StoredValue<LinkKey>) -> look::Tone {
    let tone = look::tone(figures);
    let faulty = key.with_value(|key| !graph.faults_on(key).is_empty());
    if faulty && tone == look::Tone::Ok { look::Tone::Warn } else { tone }
}

fn point(graph: GraphState, about: StoredValue<Selection>, x: f64, y: f64) {
    let at = super::layout::Point { x: x + 14.0, y: y + 14.0 };
    graph.tip.set(Some(Tip { about: about.get_value(), at }));
}

fn spoken(graph: GraphState, key: &LinkKey, figures: &Figures, faults: &[String]) -> Vec<String> {
    let name =
        |id| graph.nodes.with(|nodes| nodes.get(id).map_or_else(String::new, |node| node.name.clone()));
    let mut spoken = vec![format!("{} to {}", name(&key.from), name(&key.to))];
    if figures.rps > 0.0 {
        spoken.push(format!("{} requests per second", look::rate(figures.rps)));
    } else {
        spoken.push("no traffic".to_owned());
    }
    spoken.extend(figures.p95.map(|p95| format!("95th percentile {}", words::latency(Some(p95)))));
    spoken.extend(look::failures(figures));
    spoken.extend(faults.iter().map(|label| format!("fault {label}")));
    spoken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pill_in_a_narrow_gap_has_two_lines() {
        let wide = lines("120 · 1.2 s", false);
        assert_eq!((wide.len(), pill_size(&wide).1), (1, LABEL.1));
        let narrow = lines("120 · 120 ms", true);
        assert_eq!(narrow, ["120", "120 ms"]);
        // As wide as the gap between two columns of cards at 1280 pixels.
        assert!(pill_size(&narrow).0 < 52.0, "{:?}", pill_size(&narrow));
        assert!(pill_top(&narrow, true) + pill_size(&narrow).1 < 0.0, "above the curve");
        assert_eq!(lines("", true), ["no traffic"]);
    }
}
