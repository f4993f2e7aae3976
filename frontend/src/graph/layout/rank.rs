//! Which layer each node stands in: one further right than all its callers, cycles cut where a search from the entries
//! meets itself.

/// The layers of the nodes, and what the search found on the way.
pub(super) struct Ranks {
    /// Layer of each node.
    pub(super) of: Vec<usize>,
    /// The nodes as the search from the entries came upon them.
    pub(super) found: Vec<usize>,
    /// Called node and position of each edge, by caller; an edge that leads back has its own caller as the called one.
    edges: Vec<(usize, usize)>,
    /// Where the edges of each caller begin.
    starts: Vec<usize>,
}

impl Ranks {
    /// Whom a node calls, further right: the called node and the edge's position in the request.
    pub(super) fn calls(&self, node: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let edges = &self.edges[self.starts[node]..self.starts[node + 1]];
        edges.iter().copied().filter(move |edge| edge.0 != node)
    }
}

/// Ranks `count` nodes. Nodes that are `first` and that nobody calls have the first layer for themselves.
pub(super) fn rank(count: usize, edges: &[(usize, usize)], first: impl Fn(usize) -> bool) -> Ranks {
    let mut starts = vec![0; count + 1];
    let mut called = vec![false; count];
    for &(from, to) in edges.iter().filter(|(from, to)| from != to) {
        starts[from + 1] += 1;
        called[to] = true;
    }
    for node in 0..count {
        starts[node + 1] += starts[node];
    }
    let mut free = starts.clone();
    let mut by_caller = vec![(0, 0); starts[count]];
    for (position, &(from, to)) in edges.iter().enumerate().filter(|(_, (from, to))| from != to) {
        by_caller[free[from]] = (to, position);
        free[from] += 1;
    }
    let (found, left) = search(&starts, &called, &mut by_caller);
    let entry = |node: usize| first(node) && !called[node];
    let floor = usize::from((0..count).any(entry));
    let of = (0..count).map(|node| if entry(node) { 0 } else { floor }).collect();
    let mut ranks = Ranks { of, found, edges: by_caller, starts };
    let mut callers = vec![0_usize; count];
    for &node in left.iter().rev() {
        for edge in ranks.starts[node]..ranks.starts[node + 1] {
            let to = ranks.edges[edge].0;
            if to != node {
                callers[to] += 1;
                ranks.of[to] = ranks.of[to].max(ranks.of[node] + 1);
            }
        }
    }
    // Who calls more than it is called stands close to what it calls: that makes more edges shorter than longer.
    for &node in left.iter().filter(|node| !entry(**node)) {
        let nearest = ranks.calls(node).map(|(to, _)| ranks.of[to]).min();
        if let Some(nearest) = nearest.filter(|_| ranks.calls(node).count() > callers[node]) {
            ranks.of[node] = nearest - 1;
        }
    }
    ranks
}

/// Goes through the graph depth first, from nodes that nobody calls where there are such. An edge to a node that the search
/// is still within leads back and is struck out: its caller is called. Returns the nodes as they were entered and left.
fn search(starts: &[usize], called: &[bool], edges: &mut [(usize, usize)]) -> (Vec<usize>, Vec<usize>) {
    let count = called.len();
    let (mut found, mut left) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let (mut entered, mut within) = (vec![false; count], vec![false; count]);
    let mut next = starts.to_vec();
    let mut path = Vec::new();
    for entries in [true, false] {
        for root in 0..count {
            if entered[root] || (entries && called[root]) {
                continue;
            }
            path.push(root);
            while let Some(&node) = path.last() {
                if !entered[node] {
                    (entered[node], within[node]) = (true, true);
                    found.push(node);
                }
                if next[node] == starts[node + 1] {
                    within[node] = false;
                    left.push(node);
                    path.pop();
                    continue;
                }
                let edge = &mut edges[next[node]];
                next[node] += 1;
                if within[edge.0] {
                    edge.0 = node;
                } else if !entered[edge.0] {
                    path.push(edge.0);
                }
            }
        }
    }
    (found, left)
}
