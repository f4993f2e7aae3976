//! Where the nodes of a graph stand: in layers from left to right, callers before those whom they call (Sugiyama's method).
//! Pure.
//!
//! Only what shapes the picture goes in (sizes and who calls whom), so a request that has not changed need not be laid
//! out again, and traffic can never move a node.

mod order;
mod part;
mod place;
mod rank;
#[cfg(test)]
mod tests;

use part::Part;
use rank::Ranks;

/// Room between two layers, at least: enough for a label that reaches a little over the sides of the nodes.
pub const LAYER_GAP: f64 = 62.0;
/// At most, where there is width for it: the edge is seen on both sides of its label.
pub const WIDEST_GAP: f64 = 130.0;
/// Room between two nodes of a layer, at least.
pub const NODE_GAP: f64 = 34.0;
/// What is tried before that, where there is height for it.
const WIDER: [f64; 3] = [110.0, 80.0, 54.0];
/// A graph with more nodes would be laid out in vain: it fits no view.
const MOST_TRIED: usize = 60;
/// Places where long edges pass layers, at most: in a graph with more of them the rest goes straight through.
const MOST_PASSES: usize = 20_000;

/// A point, in pixels of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Downwards.
    pub y: f64,
}

impl Point {
    /// How far it is from another one. `hypot` guards against squares that overflow, which takes a long function.
    #[allow(clippy::imprecise_flops, reason = "pixels are few")]
    pub fn distance(self, other: Self) -> f64 {
        let (x, y) = (self.x - other.x, self.y - other.y);
        (x * x + y * y).sqrt()
    }
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
    /// Width and height that the picture may take without being made smaller: the gaps are as large as they allow.
    pub room: (f64, f64),
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
    let ranks = rank::rank(request.nodes.len(), &request.edges, |node| request.nodes[node].first);
    let (parts, alone) = parts(request, &ranks);
    let columns = columns(request, &ranks, &parts);
    for gap in WIDER.into_iter().filter(|_| request.nodes.len() <= MOST_TRIED) {
        let layout = lay(request, &ranks, &parts, &alone, &columns, gap);
        let heights = layout.nodes.iter().zip(&request.nodes).map(|(at, size)| at.y + size.height);
        if heights.fold(0.0, f64::max) <= request.room.1 {
            return layout;
        }
    }
    lay(request, &ranks, &parts, &alone, &columns, NODE_GAP)
}

/// Lays a graph out with this room between two nodes of a layer.
fn lay(
    request: &LayoutRequest,
    ranks: &Ranks,
    parts: &[Vec<usize>],
    alone: &[usize],
    columns: &[(f64, f64)],
    gap: f64,
) -> Layout {
    let mut layout = Layout {
        nodes: vec![Point::default(); request.nodes.len()],
        bends: vec![Vec::new(); request.edges.len()],
    };
    let mut taken = Point::default();
    let mut passes = MOST_PASSES;
    for nodes in parts {
        let top = if taken.y > 0.0 { taken.y + 2.0 * gap } else { 0.0 };
        let part = Part { request, ranks, columns, nodes, gap };
        taken.y = part.lay(top, &mut passes, &mut layout);
    }
    if let (Some(&(x, width)), false) = (columns.last(), parts.is_empty()) {
        taken.x = x + width;
    }
    rows(request, alone, taken, gap, &mut layout);
    layout
}

/// The room that a picture should use from now on: the same as before while the view is merely a little larger or smaller,
/// so that nothing moves when a bar comes or goes.
pub fn settled(before: Option<(f64, f64)>, view: (f64, f64)) -> Option<(f64, f64)> {
    let near = |before: &(f64, f64)| (before.0 - view.0).abs() <= 48.0 && (before.1 - view.1).abs() <= 64.0;
    if view.0 <= 0.0 { before } else { before.filter(near).or(Some(view)) }
}

/// The connected parts of a graph, each as the search found its nodes, and the nodes that stand alone.
fn parts(request: &LayoutRequest, ranks: &Ranks) -> (Vec<Vec<usize>>, Vec<usize>) {
    let mut leader = (0..request.nodes.len()).collect::<Vec<_>>();
    let find = |leader: &mut Vec<usize>, mut node: usize| {
        while leader[node] != node {
            leader[node] = leader[leader[node]];
            node = leader[node];
        }
        node
    };
    for &(from, to) in &request.edges {
        let (a, b) = (find(&mut leader, from), find(&mut leader, to));
        // The least node leads, so that the parts stand in the order of the nodes.
        leader[a.max(b)] = a.min(b);
    }
    let mut members = vec![Vec::new(); request.nodes.len()];
    for &node in &ranks.found {
        members[find(&mut leader, node)].push(node);
    }
    let (mut parts, mut alone) = (Vec::new(), Vec::new());
    for part in members.into_iter().filter(|part| !part.is_empty()) {
        match part[..] {
            [node] if !request.nodes[node].first => alone.push(node),
            _ => parts.push(part),
        }
    }
    (parts, alone)
}

/// Left side and width of each layer.
fn columns(request: &LayoutRequest, ranks: &Ranks, parts: &[Vec<usize>]) -> Vec<(f64, f64)> {
    let mut columns = Vec::new();
    for &node in parts.iter().flatten() {
        let rank = ranks.of[node];
        columns.resize(columns.len().max(rank + 1), (0.0, 0.0_f64));
        columns[rank].1 = columns[rank].1.max(request.nodes[node].width);
    }
    let nodes = columns.iter().map(|(_, width)| width).sum::<f64>();
    #[expect(clippy::cast_precision_loss, reason = "a graph has far fewer than 2^52 layers")]
    let gaps = columns.len().saturating_sub(1).max(1) as f64;
    let gap = ((request.room.0 - nodes) / gaps).floor().clamp(LAYER_GAP, WIDEST_GAP);
    let mut x = 0.0;
    for column in &mut columns {
        column.0 = x;
        x += column.1 + gap;
    }
    columns
}

/// Puts nodes in rows below what is there already, about as wide as it.
fn rows(request: &LayoutRequest, nodes: &[usize], taken: Point, gap: f64, layout: &mut Layout) {
    #[expect(clippy::cast_precision_loss, reason = "a graph has far fewer than 2^52 nodes")]
    let square = (nodes.len() as f64).sqrt().ceil() * 230.0;
    let width = taken.x.max(square);
    let mut at = Point { x: 0.0, y: if taken.y > 0.0 { taken.y + 2.0 * gap } else { 0.0 } };
    let mut tallest = 0.0_f64;
    for &node in nodes {
        let size = request.nodes[node];
        if at.x > 0.0 && at.x + size.width > width {
            at = Point { x: 0.0, y: at.y + tallest + gap };
            tallest = 0.0;
        }
        layout.nodes[node] = at;
        at.x += size.width + gap;
        tallest = tallest.max(size.height);
    }
}
