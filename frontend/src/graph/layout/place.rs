//! How high everything stands: as close to the height of its neighbours as the order and the gaps allow.

use super::order::Layers;

/// Rounds of sweeps over all layers.
const ROUNDS: usize = 10;

/// Puts the middle of each vertex into `at`. `room` is half the height that it needs with its share of the gaps; the first
/// `nodes` vertices are nodes.
pub(super) fn place(layers: &Layers, nodes: usize, room: &[f64], at: &mut [f64]) {
    for row in &layers.rows {
        let mut y = 0.0;
        for &vertex in row {
            at[vertex] = y + room[vertex];
            y += 2.0 * room[vertex];
        }
    }
    let mut pulls = vec![(0.0, 0.0); at.len()];
    let last = layers.rows.len() - 1;
    for round in 0..ROUNDS {
        // At first all follow their callers, then those whom they call, then both.
        for row in 0..=last {
            settle(layers, nodes, row, (true, round > 0), room, at, &mut pulls);
        }
        for row in (0..=last).rev() {
            settle(layers, nodes, row, (round > 0, true), room, at, &mut pulls);
        }
    }
}

/// Moves a row to where its neighbours pull it. What would come too close is joined into a block that moves as one, which
/// gives the least squares of all distances (isotonic regression by pooling adjacent violators).
fn settle(
    layers: &Layers,
    nodes: usize,
    row: usize,
    (left, right): (bool, bool),
    room: &[f64],
    at: &mut [f64],
    pulls: &mut [(f64, f64)],
) {
    let vertices = &layers.rows[row];
    let mut pull = |here: usize, there: usize| {
        // A long edge is kept straight where it passes other layers.
        let weight = match usize::from(here < nodes) + usize::from(there < nodes) {
            0 => 16.0,
            1 => 2.0,
            _ => 1.0,
        };
        pulls[here].0 += weight * at[there];
        pulls[here].1 += weight;
    };
    if left && row > 0 {
        layers.gaps[row - 1].iter().for_each(|&(from, to)| pull(to, from));
    }
    if right && row + 1 < layers.rows.len() {
        layers.gaps[row].iter().for_each(|&(from, to)| pull(from, to));
    }
    // Blocks: weighted sum of the wanted heights, sum of the weights, vertices. Heights are less what stands above.
    let mut blocks = Vec::<(f64, f64, usize)>::with_capacity(vertices.len());
    let mut above = 0.0;
    for &vertex in vertices {
        above += room[vertex];
        let (sum, weight) = std::mem::take(&mut pulls[vertex]);
        let (sum, weight) = if weight > 0.0 { (sum, weight) } else { (at[vertex] * 0.01, 0.01) };
        let mut block = (sum - above * weight, weight, 1);
        above += room[vertex];
        while let Some(&before) = blocks.last()
            && before.0 * block.1 >= block.0 * before.1
        {
            block = (before.0 + block.0, before.1 + block.1, before.2 + block.2);
            blocks.pop();
        }
        blocks.push(block);
    }
    let mut rest = vertices.iter();
    above = 0.0;
    for (sum, weight, count) in blocks {
        for &vertex in rest.by_ref().take(count) {
            at[vertex] = sum / weight + above + room[vertex];
            above += 2.0 * room[vertex];
        }
    }
}
