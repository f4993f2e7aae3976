//! The answer to «where does this request go», drawn over the graph.

use std::collections::BTreeMap;

use leptos::prelude::*;

use super::curve::Curve;
use super::layout::Point;
use super::look;
use super::scene::Scene;
use super::state::use_graph;
use crate::explained::Explained;
use crate::topology::{LinkKey, NodeId};

/// One drawn way.
#[derive(Debug, Clone, PartialEq)]
struct Drawn {
    path: String,
    at: Point,
    text: String,
}

/// The ways of the explained request, and its answer.
#[component]
pub fn ExplainedWays() -> impl IntoView {
    let graph = use_graph();
    let drawn = Memo::new(move |_| {
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
                        let width = look::text_width(&way.text, 11.0) + 24.0;
                        view! {
                            <path class="way" d=way.path></path>
                            <g transform=format!("translate({:.1},{:.1})", way.at.x, way.at.y)>
                                <rect x=-width / 2.0 y="-11" width=width height="22" rx="11"></rect>
                                <text y="4">{way.text}</text>
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
        by_node.entry(&hop.to).or_default().push(format!("{version}{}", look::percent(hop.probability)));
    }
    let mut drawn = by_node
        .into_iter()
        .filter_map(|(to, shares)| {
            let rect = scene.nodes.get(to)?;
            let key = LinkKey { from: explained.from.clone(), to: to.clone() };
            let (path, at) = match scene.links.get(&key) {
                Some(way) => (way.path.clone(), Point { x: way.label.x, y: way.label.y - 24.0 }),
                None => {
                    let start = Point { x: from.right(), y: from.centre().y };
                    let curve = Curve::between(start, &[], Point { x: rect.x, y: rect.centre().y });
                    (curve.path(), curve.at(0.5))
                }
            };
            Some(Drawn { path, at, text: shares.join(" · ") })
        })
        .collect::<Vec<_>>();
    if !explained.answer.is_empty() {
        let at = Point { x: from.centre().x, y: from.bottom() + 18.0 };
        drawn.push(Drawn { path: String::new(), at, text: explained.answer.clone() });
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
        assert_eq!(drawn.iter().map(|way| way.text.as_str()).collect::<Vec<_>>(), ["v1 75% · v2 25%"]);
        assert!(drawn[0].path.starts_with('M'));
        let answered = Explained { hops: vec![], answer: "404 · no route".into(), ..explained };
        assert_eq!(ways(&scene, &answered)[0].text, "404 · no route");
    }
}
