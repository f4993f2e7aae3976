//! One connected part of the graph: layers with places for long edges between them, then order, heights and bends.

use super::order::{self, Layers};
use super::rank::Ranks;
use super::{Layout, LayoutRequest, Point, place};

/// Half the height that a long edge needs where it passes a layer, with its share of the gaps.
const PASS: f64 = 10.0;

/// A connected part of the graph.
pub(super) struct Part<'a> {
    pub(super) request: &'a LayoutRequest,
    pub(super) ranks: &'a Ranks,
    /// Left side and width of each layer.
    pub(super) columns: &'a [(f64, f64)],
    /// Its nodes in the order in which they were found.
    pub(super) nodes: &'a [usize],
    /// Room between two nodes of a layer.
    pub(super) gap: f64,
}

impl Part<'_> {
    /// Lays the part out below `top`; returns where it ends. `passes` are left for long edges.
    pub(super) fn lay(&self, top: f64, passes: &mut usize, layout: &mut Layout) -> f64 {
        let count = self.request.nodes.len();
        let (mut layers, long) = self.layers(passes);
        let vertices = long.last().map_or(count, |&(_, first, length)| first + length);
        order::order(&mut layers, &mut vec![0; vertices]);
        let mut room = vec![PASS; vertices];
        for &node in self.nodes {
            room[node] = (self.request.nodes[node].height + self.gap) / 2.0;
        }
        let mut at = vec![0.0; vertices];
        place::place(&layers, count, &room, &mut at);

        let tops = layers.rows.iter().filter_map(|row| row.first()).map(|&vertex| at[vertex] - room[vertex]);
        let shift = top - self.gap / 2.0 - tops.fold(f64::INFINITY, f64::min);
        at.iter_mut().for_each(|y| *y = (*y + shift).round());
        let mut bottom = top;
        for &node in self.nodes {
            let (size, (x, width)) = (self.request.nodes[node], self.columns[self.ranks.of[node]]);
            let y = at[node] - size.height / 2.0;
            layout.nodes[node] = Point { x: x + (width - size.width) / 2.0, y };
            bottom = bottom.max(y + size.height);
        }
        for (position, first, length) in long {
            let from = self.ranks.of[self.request.edges[position].0];
            // Straight through each layer, so that the edge bends between the layers alone.
            layout.bends[position] = (0..length)
                .flat_map(|step| {
                    let ((x, width), y) = (self.columns[from + 1 + step], at[first + step]);
                    [Point { x, y }, Point { x: x + width, y }]
                })
                .collect();
            bottom = layout.bends[position].iter().fold(bottom, |bottom, bend| bottom.max(bend.y));
        }
        bottom
    }

    /// The part in layers, in the order in which the nodes were found, and its long edges: position in the request, the
    /// first of the places where it passes a layer, and how many there are.
    fn layers(&self, passes: &mut usize) -> (Layers, Vec<(usize, usize, usize)>) {
        let mut layers =
            Layers { rows: vec![Vec::new(); self.columns.len()], gaps: vec![Vec::new(); self.columns.len()] };
        let mut long = Vec::new();
        let mut next = self.request.nodes.len();
        for &node in self.nodes {
            let rank = self.ranks.of[node];
            layers.rows[rank].push(node);
            for (to, position) in self.ranks.calls(node) {
                let length = self.ranks.of[to] - rank - 1;
                if length > *passes {
                    continue;
                }
                *passes -= length;
                let mut last = node;
                for step in 0..length {
                    layers.rows[rank + 1 + step].push(next);
                    layers.gaps[rank + step].push((last, next));
                    last = next;
                    next += 1;
                }
                layers.gaps[rank + length].push((last, to));
                if length > 0 {
                    long.push((position, next - length, length));
                }
            }
        }
        (layers, long)
    }
}
