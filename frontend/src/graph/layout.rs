//! Where the nodes of a graph stand: dagre's layered algorithm from left to right, behind a request of our own. Pure.
//!
//! Only what shapes the picture goes in (sizes and who calls whom), so a request that has not changed need not be laid
//! out again, and traffic can never move a node.

use dugong::graphlib::{Graph, GraphOptions};
use dugong::{EdgeLabel, GraphLabel, NodeLabel, RankDir};

/// Room between two layers, wide enough for a label.
pub const LAYER_GAP: f64 = 100.0;
/// Room between two nodes of a layer.
pub const NODE_GAP: f64 = 34.0;
/// From this many edges on the ranks are found by a linear method instead of the network simplex.
const MANY_EDGES: usize = 400;

/// A point, in pixels of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Downwards.
    pub y: f64,
}

/// A size in pixels, and on which side the node belongs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// It stands in the first layer, which has nothing but such nodes: gateways.
    pub first: bool,
}

/// What is to be laid out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LayoutRequest {
    /// The nodes; everything else names them by position.
    pub nodes: Vec<Size>,
    /// Caller and called.
    pub edges: Vec<(usize, usize)>,
}

/// Where everything stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout {
    /// Upper left corner of each node.
    pub nodes: Vec<Point>,
    /// Points between the nodes that an edge should pass through, from its caller to the called; for most edges none.
    pub bends: Vec<Vec<Point>>,
}

/// Lays a graph out. The same request always gives the same layout.
pub fn layout(request: &LayoutRequest) -> Layout {
    let mut degree = vec![(0_usize, 0_usize); request.nodes.len()];
    for &(from, to) in &request.edges {
        if from != to {
            degree[from].0 += 1;
            degree[to].1 += 1;
        }
    }
    let alone = |node: usize| degree[node] == (0, 0) && !request.nodes[node].first;
    let mut layout = Layout {
        nodes: vec![Point::default(); request.nodes.len()],
        bends: vec![Vec::new(); request.edges.len()],
    };
    let linked = (0..request.nodes.len()).filter(|node| !alone(*node)).collect::<Vec<_>>();
    let sources = linked.iter().copied().filter(|node| degree[*node].1 == 0 && !request.nodes[*node].first);
    let size = layered(request, &linked, &sources.collect::<Vec<_>>(), &mut layout);
    let rest = (0..request.nodes.len()).filter(|node| alone(*node)).collect::<Vec<_>>();
    rows(request, &rest, size, &mut layout);
    layout
}

/// Lays out the nodes that have edges; returns the size that they take.
fn layered(request: &LayoutRequest, linked: &[usize], sources: &[usize], layout: &mut Layout) -> Point {
    let mut graph = Graph::<NodeLabel, EdgeLabel, GraphLabel>::new(GraphOptions::default());
    let ranker = if request.edges.len() > MANY_EDGES { "longest-path" } else { "network-simplex" };
    graph.set_graph(GraphLabel {
        rankdir: RankDir::LR,
        nodesep: NODE_GAP,
        ranksep: LAYER_GAP,
        edgesep: NODE_GAP / 2.0,
        ranker: Some(ranker.to_owned()),
        ..GraphLabel::default()
    });
    for &node in linked {
        let Size { width, height, .. } = request.nodes[node];
        graph.set_node(name(node), NodeLabel { width, height, ..NodeLabel::default() });
    }
    for &(from, to) in request.edges.iter().filter(|(from, to)| from != to) {
        graph.set_edge_with_label(name(from), name(to), EdgeLabel { weight: 1.0, ..EdgeLabel::default() });
    }
    // A caller that nobody calls would stand beside the gateways: an edge that is not drawn pushes it on.
    if let Some(gateway) = linked.iter().copied().find(|node| request.nodes[*node].first) {
        for &source in sources {
            graph.set_edge_with_label(name(gateway), name(source), EdgeLabel::default());
        }
    }
    if dugong::layout(&mut graph).is_err() {
        rows(request, linked, Point::default(), layout);
        return extent(request, linked, layout);
    }
    for &node in linked {
        if let Some(NodeLabel { x: Some(x), y: Some(y), .. }) = graph.node(&name(node)) {
            let Size { width, height, .. } = request.nodes[node];
            layout.nodes[node] = Point { x: x - width / 2.0, y: y - height / 2.0 };
        }
    }
    for (position, &(from, to)) in request.edges.iter().enumerate() {
        let Some(edge) = graph.edge(&name(from), &name(to), None) else { continue };
        let after = layout.nodes[from].x + request.nodes[from].width + LAYER_GAP;
        let before = layout.nodes[to].x - LAYER_GAP;
        let bends = edge.points.iter().filter(|point| point.x > after && point.x < before);
        layout.bends[position] = bends.map(|point| Point { x: point.x, y: point.y }).collect();
    }
    extent(request, linked, layout)
}

/// Puts nodes in rows below what is there already, about as wide as it.
fn rows(request: &LayoutRequest, nodes: &[usize], taken: Point, layout: &mut Layout) {
    #[expect(clippy::cast_precision_loss, reason = "a graph has far fewer than 2^52 nodes")]
    let square = (nodes.len() as f64).sqrt().ceil() * 230.0;
    let width = taken.x.max(square);
    let mut at = Point { x: 0.0, y: if taken.y > 0.0 { taken.y + 2.0 * NODE_GAP } else { 0.0 } };
    let mut tallest = 0.0_f64;
    for &node in nodes {
        let size = request.nodes[node];
        if at.x > 0.0 && at.x + size.width > width {
            at = Point { x: 0.0, y: at.y + tallest + NODE_GAP };
            tallest = 0.0;
        }
        layout.nodes[node] = at;
        at.x += size.width + NODE_GAP;
        tallest = tallest.max(size.height);
    }
}

fn extent(request: &LayoutRequest, nodes: &[usize], layout: &Layout) -> Point {
    nodes.iter().fold(Point::default(), |extent, &node| Point {
        x: extent.x.max(layout.nodes[node].x + request.nodes[node].width),
        y: extent.y.max(layout.nodes[node].y + request.nodes[node].height),
    })
}

/// dagre sorts names that look like numbers in a way of its own, so ours do not.
fn name(node: usize) -> String {
    format!("n{node}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(height: f64) -> Size {
        Size { width: 196.0, height, first: false }
    }

    fn gateway() -> Size {
        Size { width: 138.0, height: 54.0, first: true }
    }

    /// ingress → productpage → details, reviews → ratings; productpage → an external host.
    fn bookinfo() -> LayoutRequest {
        LayoutRequest {
            nodes: vec![gateway(), size(82.0), size(82.0), size(126.0), size(82.0), size(54.0)],
            edges: vec![(0, 1), (1, 2), (1, 3), (3, 4), (1, 5)],
        }
    }

    fn overlap(request: &LayoutRequest, layout: &Layout) -> Option<(usize, usize)> {
        let count = request.nodes.len();
        (0..count).flat_map(|a| (0..a).map(move |b| (a, b))).find(|&(a, b)| {
            let (p, q, s, t) = (layout.nodes[a], layout.nodes[b], request.nodes[a], request.nodes[b]);
            p.x < q.x + t.width && q.x < p.x + s.width && p.y < q.y + t.height && q.y < p.y + s.height
        })
    }

    #[test]
    fn layers_run_from_left_to_right() {
        let request = bookinfo();
        let layout = layout(&request);
        for (from, to) in request.edges.iter().copied() {
            let right = layout.nodes[from].x + request.nodes[from].width;
            assert!(right + LAYER_GAP <= layout.nodes[to].x + 1e-6, "{from} → {to}: {layout:?}");
        }
        assert_eq!(overlap(&request, &layout), None);
    }

    #[test]
    fn the_same_request_gives_the_same_layout() {
        assert_eq!(layout(&bookinfo()), layout(&bookinfo()));
    }

    #[test]
    fn gateways_stand_alone_in_the_first_layer() {
        let mut request = bookinfo();
        request.nodes.push(size(82.0));
        request.edges.push((6, 4));
        let layout = layout(&request);
        for node in 1..7 {
            assert!(layout.nodes[node].x > layout.nodes[0].x + 138.0, "{node}: {layout:?}");
        }
    }

    #[test]
    fn nodes_without_edges_stand_in_rows_below() {
        let mut request = bookinfo();
        request.nodes.extend([size(82.0); 9]);
        let layout = layout(&request);
        assert_eq!(overlap(&request, &layout), None);
        let lowest = (0..6).map(|node| layout.nodes[node].y).fold(0.0, f64::max);
        assert!((6..15).all(|node| layout.nodes[node].y > lowest));
    }

    #[test]
    fn cycles_and_calls_to_oneself_are_laid_out() {
        let request =
            LayoutRequest { nodes: vec![size(82.0); 3], edges: vec![(0, 1), (1, 2), (2, 0), (1, 1)] };
        let layout = layout(&request);
        assert_eq!(overlap(&request, &layout), None);
    }

    #[test]
    fn long_edges_bend_around_the_layers_between() {
        let request = LayoutRequest { nodes: vec![size(82.0); 3], edges: vec![(0, 1), (1, 2), (0, 2)] };
        let layout = layout(&request);
        assert_eq!(layout.bends[0], []);
        assert!(!layout.bends[2].is_empty());
        let middle = layout.nodes[1].y..layout.nodes[1].y + 82.0;
        assert!(layout.bends[2].iter().all(|bend| !middle.contains(&bend.y)), "{layout:?}");
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(layout(&LayoutRequest::default()), Layout::default());
    }
}
