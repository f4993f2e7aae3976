//! A topology with a place for everything: rectangles of nodes, curves and label places of links. Pure.

use std::collections::HashMap;

use super::curve::{self, Curve, Rect};
use super::layout::{self, Layout, LayoutRequest, Point, Size};
use crate::look;
use crate::topology::{Link, LinkKey, Node, NodeId, Topology};

/// Width of a service's card.
pub const CARD_WIDTH: f64 = 176.0;
/// Height of a card's head, and of a card without versions.
pub const HEAD_HEIGHT: f64 = 54.0;
/// Height of one version's row.
pub const ROW_HEIGHT: f64 = 22.0;
/// Rows that a card shows at most; the rest is counted in words.
pub const MOST_ROWS: usize = 8;
/// Width of a gateway's pill.
pub const PILL_WIDTH: f64 = 118.0;
/// How wide a node may become for its words.
const MOST_WIDE: f64 = 216.0;

/// Where the nodes were dragged to.
pub type Moved = HashMap<NodeId, Point>;

/// Size of a node by what it shows.
pub fn size(node: &Node) -> Size {
    let rows = node.versions.len().min(MOST_ROWS);
    #[expect(clippy::cast_precision_loss, reason = "at most eight")]
    let rows = if rows == 0 { 0.0 } else { rows as f64 * ROW_HEIGHT + 6.0 };
    let more = if node.versions.len() > MOST_ROWS { 16.0 } else { 0.0 };
    match node.id {
        NodeId::Gateway { .. } => {
            let ports = 31.0 + look::text_width(&look::subtitle(node), 10.5) + 9.0;
            Size { width: ports.clamp(PILL_WIDTH, MOST_WIDE), height: HEAD_HEIGHT, first: true }
        }
        NodeId::Service(_) => Size { width: CARD_WIDTH, height: HEAD_HEIGHT + rows + more, first: false },
        NodeId::External(_) | NodeId::Workload { .. } => {
            let name = 26.0 + look::bold_width(&node.name, look::HOST_SIZE) + 4.0;
            Size { width: name.clamp(CARD_WIDTH, MOST_WIDE), height: HEAD_HEIGHT, first: false }
        }
    }
}

/// A laid-out topology, before anything was dragged. Made anew only when what shapes it changes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// The nodes' ids, in the order of everything else.
    pub ids: Vec<NodeId>,
    /// The links, in the order of everything else.
    pub links: Vec<LinkKey>,
    request: LayoutRequest,
    layout: Layout,
}

impl Plan {
    /// Lays a topology out for a view with so much room; what is the same as `before` is taken from there.
    pub fn new(topology: &Topology, room: (f64, f64), before: Option<&Self>) -> Self {
        let ids = topology.nodes.iter().map(|node| node.id.clone()).collect::<Vec<_>>();
        let index = ids.iter().enumerate().map(|(position, id)| (id, position)).collect::<HashMap<_, _>>();
        let mut links = Vec::with_capacity(topology.links.len());
        let mut edges = Vec::with_capacity(topology.links.len());
        for Link { key, .. } in &topology.links {
            if let (Some(&from), Some(&to)) = (index.get(&key.from), index.get(&key.to)) {
                links.push(key.clone());
                edges.push((from, to));
            }
        }
        let request = LayoutRequest { nodes: topology.nodes.iter().map(size).collect(), edges, room };
        let layout = match before {
            Some(before) if before.request == request => before.layout.clone(),
            _ => layout::layout(&request),
        };
        Self { ids, links, request, layout }
    }

    /// The nodes as one reads them: layer by layer, each from above.
    pub fn reading_order(&self) -> Vec<NodeId> {
        let mut order = self.ids.iter().zip(&self.layout.nodes).collect::<Vec<_>>();
        order.sort_by(|(_, a), (_, b)| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
        order.into_iter().map(|(id, _)| id.clone()).collect()
    }
}

/// Where everything is drawn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scene {
    /// Nodes.
    pub nodes: HashMap<NodeId, Rect>,
    /// Links.
    pub links: HashMap<LinkKey, EdgePath>,
    /// Around all nodes.
    pub bounds: Rect,
}

/// The way of a link.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EdgePath {
    /// The curve as an SVG path.
    pub path: String,
    /// Centre of its label.
    pub label: Point,
    /// About how long it is.
    pub length: f64,
    /// The gap that it bridges is narrower than a label.
    pub narrow: bool,
}

impl Scene {
    /// Draws a plan with some nodes elsewhere.
    pub fn new(plan: &Plan, moved: &Moved) -> Self {
        let rects = plan
            .ids
            .iter()
            .zip(plan.request.nodes.iter().zip(&plan.layout.nodes))
            .map(|(id, (size, place))| {
                let at = moved.get(id).unwrap_or(place);
                Rect { x: at.x, y: at.y, width: size.width, height: size.height }
            })
            .collect::<Vec<_>>();
        let edges = &plan.request.edges;
        let ports = curve::ports(&rects, edges);
        let dragged = |node: usize| moved.contains_key(&plan.ids[node]);
        let curves = edges
            .iter()
            .zip(ports.iter().zip(&plan.layout.bends))
            .map(|(&(from, to), (&(start, end), bends))| {
                if from == to {
                    return Curve::around(&rects[from]);
                }
                if rects[to].right() < rects[from].x {
                    return Curve::back(&rects[from], &rects[to]);
                }
                // Bends lead around other nodes between two places; from another place they would lead astray.
                let bends = if dragged(from) || dragged(to) { &[] } else { bends.as_slice() };
                Curve::between(start, bends, end)
            })
            .collect::<Vec<_>>();
        let labels = curve::labels(&rects, &curves);
        let narrow = |(from, to): (usize, usize)| {
            let gap = rects[to].x - rects[from].right();
            (0.0..curve::LABEL.0).contains(&gap)
        };
        let ways = edges.iter().zip(curves.iter().zip(labels)).map(|(&edge, (curve, label))| EdgePath {
            path: curve.path(),
            label,
            length: curve.length(),
            narrow: narrow(edge),
        });
        Self {
            bounds: bounds(&rects),
            links: plan.links.iter().cloned().zip(ways).collect(),
            nodes: plan.ids.iter().cloned().zip(rects).collect(),
        }
    }

    /// The nearest node from one in a direction, for the arrow keys: (1, 0) is to the right.
    pub fn neighbour(&self, from: &NodeId, direction: (f64, f64)) -> Option<&NodeId> {
        let here = self.nodes.get(from)?.centre();
        let reach = |id: &NodeId, rect: &Rect| {
            let there = rect.centre();
            let (x, y) = (there.x - here.x, there.y - here.y);
            let along = x * direction.0 + y * direction.1;
            let aside = (x * direction.1 - y * direction.0).abs();
            (id != from && along > 1.0).then_some(along + 2.0 * aside)
        };
        self.nodes
            .iter()
            .filter_map(|(id, rect)| Some((id, reach(id, rect)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(b.0)))
            .map(|(id, _)| id)
    }
}

fn bounds(rects: &[Rect]) -> Rect {
    let Some(first) = rects.first() else { return Rect::default() };
    rects.iter().fold(*first, |all, rect| {
        let (x, y) = (all.x.min(rect.x), all.y.min(rect.y));
        Rect { x, y, width: all.right().max(rect.right()) - x, height: all.bottom().max(rect.bottom()) - y }
    })
}

#[cfg(test)]
mod tests {
    use super::super::camera::Camera;
    use super::super::curve::LABEL;
    use super::*;
    use crate::fixture;
    use crate::topology::{Version, assemble};

    const SMALL: (f64, f64) = (0.0, 0.0);

    fn service(name: &str, versions: usize) -> Node {
        Node {
            id: NodeId::Service(name.into()),
            name: name.into(),
            namespace: "default".into(),
            versions: (0..versions).map(|n| Version { name: format!("v{n}"), instances: 1 }).collect(),
            ports: vec![9080],
        }
    }

    fn topology() -> Topology {
        let link = |from: &str, to: &str| Link {
            key: LinkKey { from: NodeId::Service(from.into()), to: NodeId::Service(to.into()) },
            desired: true,
            observed: false,
        };
        Topology {
            nodes: vec![service("a", 1), service("b", 3), service("c", 1)],
            links: vec![link("a", "b"), link("a", "c")],
        }
    }

    #[test]
    fn cards_grow_with_their_versions() {
        let heights = [0, 1, 3, 8, 9].map(|versions| size(&service("a", versions)).height);
        assert_eq!(heights, [54.0, 82.0, 126.0, 236.0, 252.0]);
    }

    #[test]
    fn what_is_dragged_stays_and_takes_its_links_along() {
        let plan = Plan::new(&topology(), SMALL, None);
        let before = Scene::new(&plan, &Moved::new());
        let b = NodeId::Service("b".into());
        let after = Scene::new(&plan, &Moved::from([(b.clone(), Point { x: 900.0, y: 700.0 })]));
        assert_eq!((after.nodes[&b].x, after.nodes[&b].y), (900.0, 700.0));
        let changed =
            plan.links.iter().filter(|key| before.links[*key].path.ends_with(&after.links[*key].path));
        assert_eq!(changed.count(), 0);
        assert_eq!(before.nodes[&NodeId::Service("c".into())], after.nodes[&NodeId::Service("c".into())]);
        assert_eq!(after.bounds.right(), 900.0 + CARD_WIDTH);
    }

    #[test]
    fn traffic_moves_nothing() {
        let plan = Plan::new(&topology(), SMALL, None);
        let mut busy = topology();
        busy.links.iter_mut().for_each(|link| link.observed = true);
        assert_eq!(Plan::new(&busy, SMALL, Some(&plan)), plan);
    }

    /// The sample mesh with the traffic that it has.
    fn sample(room: (f64, f64)) -> Scene {
        let reading = fixture::bookinfo("");
        let books = NodeId::External("books.example.com".into());
        let seen = [("productpage", "details"), ("productpage", "reviews"), ("reviews", "ratings")]
            .map(|(from, to)| (fixture::service(from), fixture::service(to)))
            .into_iter()
            .chain([(fixture::service("details"), books)])
            .map(|(from, to)| LinkKey { from, to })
            .collect();
        let topology = assemble(reading.catalog.nodes(), &reading.desired, &seen, &seen);
        Scene::new(&Plan::new(&topology, room, None), &Moved::new())
    }

    #[test]
    fn the_sample_can_be_read_in_a_small_window() {
        // What the list and the inspector leave of 1280 × 800.
        let view = (730.0, 630.0);
        let camera = Camera::fit(sample(Camera::room(view, 36.0)).bounds, view, 36.0);
        assert!(camera.scale >= 0.85, "{}", camera.scale);
        // And of 1600 × 1000: the edges are longer than their labels.
        let view = (969.0, 810.0);
        let scene = sample(Camera::room(view, 36.0));
        let camera = Camera::fit(scene.bounds, view, 36.0);
        assert!(camera.scale >= 1.0, "{}", camera.scale);
        let gap = scene.nodes[&fixture::service("reviews")].x
            - scene.nodes[&fixture::service("productpage")].right();
        assert!(gap >= LABEL.0 + 20.0, "{gap}");
    }

    #[test]
    fn labels_cover_no_words_of_nodes() {
        let scene = sample(SMALL);
        for (label, (key, node)) in
            scene.links.values().flat_map(|way| scene.nodes.iter().map(|node| (way.label, node)))
        {
            let words = (node.x + 10.0)..(node.right() - 10.0);
            let across = label.x - LABEL.0 / 2.0 < words.end && words.start < label.x + LABEL.0 / 2.0;
            let down = (label.y - node.centre().y).abs() < (LABEL.1 + node.height) / 2.0;
            assert!(!across || !down, "{key:?} {node:?} {label:?}");
        }
    }

    #[test]
    fn links_to_nothing_are_left_out() {
        let mut topology = topology();
        topology.nodes.pop();
        assert_eq!(Plan::new(&topology, SMALL, None).links.len(), 1);
    }

    #[test]
    fn arrow_keys_find_neighbours() {
        let plan = Plan::new(&topology(), SMALL, None);
        let scene = Scene::new(&plan, &Moved::new());
        let [a, b, c] = ["a", "b", "c"].map(|name| NodeId::Service(name.into()));
        let right = scene.neighbour(&a, (1.0, 0.0)).unwrap();
        assert!([&b, &c].contains(&right));
        assert_eq!(scene.neighbour(right, (-1.0, 0.0)), Some(&a));
        assert_eq!(scene.neighbour(&a, (-1.0, 0.0)), None);
        let (upper, lower) = if scene.nodes[&b].y < scene.nodes[&c].y { (&b, &c) } else { (&c, &b) };
        assert_eq!(scene.neighbour(upper, (0.0, 1.0)), Some(lower));
    }
}
