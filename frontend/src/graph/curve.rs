//! The shape of edges: ports on the nodes, smooth curves between them, and places for their labels. Pure.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::layout::Point;

/// A rectangle, in pixels of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Rect {
    /// Its right side.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// Its lower side.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// Its centre.
    pub fn centre(&self) -> Point {
        Point { x: self.x + self.width / 2.0, y: self.y + self.height / 2.0 }
    }

    fn overlap(&self, other: &Self) -> f64 {
        let width = self.right().min(other.right()) - self.x.max(other.x);
        let height = self.bottom().min(other.bottom()) - self.y.max(other.y);
        if width > 0.0 && height > 0.0 { width * height } else { 0.0 }
    }
}

/// A smooth curve: cubic pieces, each beginning where the last one ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve(Vec<[Point; 4]>);

impl Curve {
    /// The curve from the right side of one node to the left side of another, through `bends`.
    pub fn between(start: Point, bends: &[Point], end: Point) -> Self {
        let points = std::iter::once(start).chain(bends.iter().copied()).chain(std::iter::once(end));
        let points = points.collect::<Vec<_>>();
        Self(points.windows(2).map(|pair| piece(pair[0], pair[1])).collect())
    }

    /// A loop above a node that calls itself.
    pub fn around(node: &Rect) -> Self {
        let (start, end) =
            (Point { x: node.right() - 30.0, y: node.y }, Point { x: node.x + 30.0, y: node.y });
        let up = |point: Point| Point { x: point.x, y: point.y - 56.0 };
        Self(vec![[start, up(start), up(end), end]])
    }

    /// An arc from the lower side of one node to that of another further left: between the sides the way would lead through
    /// the nodes and what stands between them.
    pub fn back(from: &Rect, to: &Rect) -> Self {
        let start = Point { x: from.centre().x, y: from.bottom() };
        let end = Point { x: to.centre().x, y: to.bottom() };
        let y = start.y.max(end.y) + 60.0 + (start.x - end.x).abs() * 0.15;
        Self(vec![[start, Point { y, ..start }, Point { y, ..end }, end]])
    }

    /// As the attribute `d` of an SVG path.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for (position, [start, a, b, end]) in self.0.iter().enumerate() {
            if position == 0 {
                let _ = write!(path, "M{:.1},{:.1}", start.x, start.y);
            }
            let _ = write!(path, " C{:.1},{:.1} {:.1},{:.1} {:.1},{:.1}", a.x, a.y, b.x, b.y, end.x, end.y);
        }
        path
    }

    /// The point at `t` (0 to 1) of its middle piece.
    pub fn at(&self, t: f64) -> Point {
        let Some([p, a, b, q]) = self.0.get(self.0.len() / 2) else { return Point::default() };
        let s = 1.0 - t;
        let mix = |p: f64, a: f64, b: f64, q: f64| {
            s * s * s * p + 3.0 * s * s * t * a + 3.0 * s * t * t * b + t * t * t * q
        };
        Point { x: mix(p.x, a.x, b.x, q.x), y: mix(p.y, a.y, b.y, q.y) }
    }

    /// About how long it is: as long as straight pieces.
    pub fn length(&self) -> f64 {
        self.0.iter().map(|[start, .., end]| start.distance(*end)).sum()
    }
}

fn piece(start: Point, end: Point) -> [Point; 4] {
    let across = end.x - start.x;
    // An edge that leads back leaves to the right all the same and comes in from the left.
    let reach = if across > 40.0 { across / 2.0 } else { 70.0 + across.abs() * 0.25 };
    [start, Point { x: start.x + reach, y: start.y }, Point { x: end.x - reach, y: end.y }, end]
}

/// Where each edge leaves its caller and reaches the called: spread over the sides, in the order of the other ends, so
/// that edges of one node do not cross.
pub fn ports(nodes: &[Rect], edges: &[(usize, usize)]) -> Vec<(Point, Point)> {
    let mut leaving = vec![Vec::new(); nodes.len()];
    let mut coming = vec![Vec::new(); nodes.len()];
    for (position, &(from, to)) in edges.iter().enumerate().filter(|(_, (from, to))| from != to) {
        leaving[from].push((nodes[to].centre().y, position));
        coming[to].push((nodes[from].centre().y, position));
    }
    let mut ports = vec![(Point::default(), Point::default()); edges.len()];
    for (node, rect) in nodes.iter().enumerate() {
        for (position, y) in spread(rect, &mut leaving[node]) {
            ports[position].0 = Point { x: rect.right(), y };
        }
        for (position, y) in spread(rect, &mut coming[node]) {
            ports[position].1 = Point { x: rect.x, y };
        }
    }
    ports
}

fn spread(rect: &Rect, ends: &mut [(f64, usize)]) -> impl Iterator<Item = (usize, f64)> {
    ends.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    #[expect(clippy::cast_precision_loss, reason = "a node has far fewer than 2^52 edges")]
    let gaps = ends.len().saturating_sub(1) as f64;
    let step = if gaps > 0.0 { (rect.height * 0.6 / gaps).min(18.0) } else { 0.0 };
    let first = rect.centre().y - step * gaps / 2.0;
    #[expect(clippy::cast_precision_loss, reason = "as above")]
    ends.iter().enumerate().map(move |(place, &(_, position))| (position, first + step * place as f64))
}

/// Size of an edge's label.
pub const LABEL: (f64, f64) = (82.0, 19.0);
/// How far a label may reach over the sides of a node, where nothing is written.
const SIDE: f64 = 10.0;

/// Places for the labels of curves: on the curve, clear of nodes and of other labels where that can be had.
pub fn labels(nodes: &[Rect], curves: &[Curve]) -> Vec<Point> {
    let mut taken = Taken::default();
    for node in nodes {
        taken.add(Rect { x: node.x + SIDE, width: node.width - 2.0 * SIDE, ..*node });
    }
    curves
        .iter()
        .map(|curve| {
            let places = [0.5, 0.4, 0.6, 0.32, 0.68, 0.25, 0.75].map(|t| curve.at(t));
            let mut best = (f64::INFINITY, places[0]);
            for place in places {
                let overlap = taken.overlap(&label_at(place));
                if overlap < best.0 {
                    best = (overlap, place);
                }
                if overlap == 0.0 {
                    break;
                }
            }
            taken.add(label_at(best.1));
            best.1
        })
        .collect()
}

fn label_at(centre: Point) -> Rect {
    let (width, height) = LABEL;
    Rect { x: centre.x - width / 2.0, y: centre.y - height / 2.0, width, height }
}

/// Rectangles by the squares of a grid, so that looking one up does not look at all.
#[derive(Default)]
struct Taken(HashMap<(i32, i32), Vec<Rect>>);

impl Taken {
    fn add(&mut self, rect: Rect) {
        for square in squares(&rect) {
            self.0.entry(square).or_default().push(rect);
        }
    }

    fn overlap(&self, rect: &Rect) -> f64 {
        squares(rect)
            .filter_map(|square| self.0.get(&square))
            .flatten()
            .map(|other| other.overlap(rect))
            .sum()
    }
}

fn squares(rect: &Rect) -> impl Iterator<Item = (i32, i32)> + use<> {
    #[expect(clippy::cast_possible_truncation, reason = "the graph's pixels fit")]
    let square = |at: f64| (at / 160.0).floor() as i32;
    let (left, right, top, bottom) =
        (square(rect.x), square(rect.right()), square(rect.y), square(rect.bottom()));
    (left..=right).flat_map(move |x| (top..=bottom).map(move |y| (x, y)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x: f64, y: f64) -> Rect {
        Rect { x, y, width: 100.0, height: 80.0 }
    }

    #[test]
    fn ports_follow_the_order_of_the_other_ends() {
        let nodes = [rect(0.0, 100.0), rect(300.0, 200.0), rect(300.0, 0.0)];
        let ports = ports(&nodes, &[(0, 1), (0, 2)]);
        assert!(ports[1].0.y < ports[0].0.y);
        assert_eq!((ports[0].0.x, ports[0].1.x), (100.0, 300.0));
        assert_eq!(ports[0].1.y, 240.0);
    }

    #[test]
    fn ports_stay_on_the_node() {
        let mut nodes = vec![rect(0.0, 0.0)];
        nodes.extend((0..40).map(|row| rect(300.0, f64::from(row) * 100.0)));
        let edges = (1..=40).map(|to| (0, to)).collect::<Vec<_>>();
        assert!(ports(&nodes, &edges).iter().all(|(start, _)| (0.0..=80.0).contains(&start.y)));
    }

    #[test]
    fn paths_begin_and_end_at_the_ports() {
        let (start, end) = (Point { x: 0.0, y: 10.0 }, Point { x: 100.0, y: 50.0 });
        let curve = Curve::between(start, &[], end);
        assert_eq!(curve.path(), "M0.0,10.0 C50.0,10.0 50.0,50.0 100.0,50.0");
        assert_eq!(curve.at(0.5), Point { x: 50.0, y: 30.0 });
        assert_eq!((curve.at(0.0), curve.at(1.0)), (start, end));
        let bent = Curve::between(start, &[Point { x: 60.0, y: 0.0 }], end);
        assert_eq!(bent.path().matches('C').count(), 2);
    }

    #[test]
    fn labels_keep_clear_of_each_other() {
        let start = Point { x: 0.0, y: 0.0 };
        let curves = [0.0, 300.0].map(|y| Curve::between(start, &[], Point { x: 600.0, y }));
        let crossing = Curve::between(Point { x: 0.0, y: 300.0 }, &[], Point { x: 600.0, y: 0.0 });
        let places = labels(&[], &[curves[1].clone(), crossing]);
        assert_eq!(label_at(places[0]).overlap(&label_at(places[1])), 0.0);
    }

    #[test]
    fn a_call_back_passes_below() {
        let (to, from) = (rect(0.0, 100.0), rect(400.0, 0.0));
        let middle = Curve::back(&from, &to).at(0.5);
        assert!(middle.y > to.bottom() && (middle.x - 250.0).abs() < 1.0, "{middle:?}");
    }

    #[test]
    fn a_call_to_oneself_is_a_loop() {
        let node = rect(0.0, 100.0);
        assert!(Curve::around(&node).at(0.5).y < node.y);
    }
}
