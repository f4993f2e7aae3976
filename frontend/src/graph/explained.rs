//! The answer to «where does this request go», drawn over the graph.

use std::collections::BTreeMap;

use crate::prelude::*;

use super::curve::Curve;
use super::layout::Point;
use super::scene::Scene;
use super::state::use_graph;
use crate::explained::Explained;
use crate::look;
use crate::topology::{LinkKey, NodeId};
use crate::words;

/// Height of a line of words.
const LINE: f64 = 15.0;

/// One drawn way.
#[derive(Debug, Clone, PartialEq)]
struct Drawn {
    path: String,
    /// Middle of the lower edge of the words.
    at: Point,
    lines: Vec<String>,
}

/// The ways of the explained request, and its answer.
#[component]
pub fn ExplainedWays() -> impl IntoView {
    let graph = use_graph();
    let drawn = memo(move |_| {
        graph.store.ui.explained.with(|explained| {
            explained
                .as_ref()
                .map_or_else(Vec::new, |explained| graph.scene.with(|scene| ways(scene, explained)))
        })
    });
    view! {
        <g class="explained" aria-hidden="true">
            {move || {
                drawn
                    .get()
                    .into_iter()
                    .map(|way| {
                        let widest = way.lines.iter().map(|line| look::text_width(line, 11.0)).fold(0.0, f64::max);
                        #[expect(clippy::cast_precision_loss, reason = "a few lines")]
                        let (width, height) = (widest + 20.0, LINE * way.lines.len() as f64 + 6.0);
                        let lines = way.lines.into_iter().enumerate().map(move |(row, line)| {
                            #[expect(clippy::cast_precision_loss, reason = "a few lines")]
                            let y = LINE * row as f64 + 14.0 - height;
                            view! { <text y=y>{line}</text> }
                        });
                        view! {
                            <path class="way" d=way.path></path>
                            <g transform=format!("translate({:.1},{:.1})", way.at.x, way.at.y)>
                                <rect x=-width / 2.0 y=-height width=width height=height rx="10"></rect>
                                {lines.collect_view()}
                            </g>
                        }
                    })
                    .collect_view()
            }}
        </g>
    }
}

fn ways(scene: &Scene, explained: &Explained) -> Vec<Drawn> {
    let Some(from) = scene.nodes.get(&explained.from) else { return Vec::new() };
    let mut by_node = BTreeMap::<&NodeId, Vec<String>>::new();
    for hop in &explained.hops {
        let version = hop.version.as_deref().map(|version| format!("{version} ")).unwrap_or_default();
        by_node
            .entry(&hop.to)
            .or_default()
            .push(format!("{version}{}", words::percentage(hop.probability * 100.0)));
    }
    let mut drawn = by_node
        .into_iter()
        .filter_map(|(to, shares)| {
            let rect = scene.nodes.get(to)?;
            let key = LinkKey { from: explained.from.clone(), to: to.clone() };
            let (path, at) = match scene.links.get(&key) {
                Some(way) => (way.path.clone(), Point { x: way.label.x, y: way.label.y - 14.0 }),
                None => {
                    let start = Point { x: from.right(), y: from.centre().y };
                    let curve = Curve::between(start, &[], Point { x: rect.x, y: rect.centre().y });
                    (curve.path(), curve.at(0.5))
                }
            };
            Some(Drawn { path, at, lines: shares })
        })
        .collect::<Vec<_>>();
    if !explained.answer.is_empty() {
        let at = Point { x: from.centre().x, y: from.bottom() + 30.0 };
        drawn.push(Drawn { path: String::new(), at, lines: vec![explained.answer.clone()] });
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explained::Hop;
    use crate::graph::curve::Rect;

    #[test]
    fn hops_to_one_node_share_a_way() {
        let [a, b] = ["a", "b"].map(|name| NodeId::Service(name.into()));
        let scene = Scene {
            nodes: [(a.clone(), Rect::default()), (b.clone(), Rect { x: 300.0, ..Rect::default() })].into(),
            ..Scene::default()
        };
        let hop =
            |version: &str, probability| Hop { to: b.clone(), version: Some(version.into()), probability };
        let explained =
            Explained { from: a, hops: vec![hop("v1", 0.75), hop("v2", 0.25)], answer: String::new() };
        let drawn = ways(&scene, &explained);
        assert_eq!(drawn.iter().map(|way| way.lines.clone()).collect::<Vec<_>>(), [["v1 75%", "v2 25%"]]);
        assert!(drawn[0].path.starts_with('M'));
        let answered = Explained { hops: vec![], answer: "404 · no route".into(), ..explained };
        assert_eq!(ways(&scene, &answered)[0].lines, ["404 · no route"]);
    }
}
