//! Who stands above whom: sweeps over the layers that put everything beside the middle of its neighbours, as long as fewer
//! edges cross.

/// A connected part of the graph in layers. A vertex is a node or, numbered after all nodes, a place where a long edge
/// passes a layer.
#[derive(Default)]
pub(super) struct Layers {
    /// Vertices of each layer from above.
    pub(super) rows: Vec<Vec<usize>>,
    /// Pieces of edges from each layer to the next.
    pub(super) gaps: Vec<Vec<(usize, usize)>>,
}

/// Sweeps in a row that may bring nothing before the search ends.
const MOST_VAIN: usize = 6;
/// Sweeps at most.
const SWEEPS: usize = 32;

/// Orders the rows so that few edges cross. `position` has room for each vertex. With nothing to win all stay as they are.
pub(super) fn order(layers: &mut Layers, position: &mut [usize]) {
    let mut best = layers.rows.clone();
    let mut fewest = crossings(layers, position);
    let mut vain = 0;
    for sweep in 0..SWEEPS {
        if fewest == 0 || vain > MOST_VAIN {
            break;
        }
        // To the right and to the left in turn; among equals the order stands every other time.
        let (rightwards, turned) = (sweep % 2 == 0, sweep % 4 > 1);
        let last = layers.rows.len() - 1;
        for step in 0..last {
            let row = if rightwards { step + 1 } else { last - 1 - step };
            sort_row(layers, position, row, rightwards, turned);
        }
        let now = crossings(layers, position);
        vain += 1;
        if now < fewest {
            (fewest, vain) = (now, 0);
            best.clone_from(&layers.rows);
        }
    }
    layers.rows = best;
}

fn sort_row(layers: &mut Layers, position: &mut [usize], row: usize, from_left: bool, turned: bool) {
    let (gap, other) = if from_left { (row - 1, row - 1) } else { (row, row + 1) };
    let across = layers.rows[other].len();
    let old = std::mem::take(&mut layers.rows[row]);
    let mut sums = vec![(0_usize, 0_usize); old.len()];
    for &(from, to) in &layers.gaps[gap] {
        let (here, there) = if from_left { (to, from) } else { (from, to) };
        let sum = &mut sums[position[here]];
        sum.0 += 2 * position[there] + 1;
        sum.1 += 1;
    }
    let count = old.len();
    let mut keys = sums
        .into_iter()
        .enumerate()
        .map(|(at, (sum, neighbours))| {
            // Who has nobody on that side stays about where it is.
            let (sum, neighbours) =
                if neighbours == 0 { ((2 * at + 1) * across, count) } else { (sum, neighbours) };
            (sum * 64 / neighbours, if turned { count - 1 - at } else { at })
        })
        .collect::<Vec<_>>();
    keys.sort();
    layers.rows[row] = keys.iter().map(|&(_, at)| old[if turned { count - 1 - at } else { at }]).collect();
    for (at, &vertex) in layers.rows[row].iter().enumerate() {
        position[vertex] = at;
    }
}

/// How many pairs of edges cross, with the positions brought up to date.
pub(super) fn crossings(layers: &Layers, position: &mut [usize]) -> usize {
    for row in &layers.rows {
        for (at, &vertex) in row.iter().enumerate() {
            position[vertex] = at;
        }
    }
    let mut crossings = 0;
    for (gap, pieces) in layers.gaps.iter().enumerate().filter(|(_, pieces)| pieces.len() > 1) {
        // The right ends, by the left ones.
        let mut starts = vec![0; layers.rows[gap].len() + 2];
        for &(from, _) in pieces {
            starts[position[from] + 2] += 1;
        }
        for at in 2..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut ends = vec![0; pieces.len()];
        for &(from, to) in pieces {
            let start = &mut starts[position[from] + 1];
            ends[*start] = position[to] + 1;
            *start += 1;
        }
        // Counts ends by position so that those above one are summed in few steps (a Fenwick tree).
        let mut tree = vec![0_usize; layers.rows[gap + 1].len() + 1];
        for range in starts.windows(2) {
            for &end in &ends[range[0]..range[1]] {
                let (mut above, mut at) = (0, end);
                while at > 0 {
                    above += tree[at];
                    at &= at - 1;
                }
                crossings += range[0] - above;
            }
            for &end in &ends[range[0]..range[1]] {
                let mut at = end;
                while at < tree.len() {
                    tree[at] += 1;
                    at += at & at.wrapping_neg();
                }
            }
        }
    }
    crossings
}
