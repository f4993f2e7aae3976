//! What must hold of any layout.

use proptest::prelude::*;

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
        room: (0.0, 0.0),
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
    let request = LayoutRequest {
        nodes: vec![size(82.0); 3],
        edges: vec![(0, 1), (1, 2), (2, 0), (1, 1)],
        ..LayoutRequest::default()
    };
    let layout = layout(&request);
    assert_eq!(overlap(&request, &layout), None);
}

#[test]
fn long_edges_bend_around_the_layers_between() {
    let request = LayoutRequest {
        nodes: vec![size(82.0); 3],
        edges: vec![(0, 1), (1, 2), (0, 2)],
        ..LayoutRequest::default()
    };
    let layout = layout(&request);
    assert_eq!(layout.bends[0], []);
    assert!(!layout.bends[2].is_empty());
    let middle = layout.nodes[1].y..layout.nodes[1].y + 82.0;
    assert!(layout.bends[2].iter().all(|bend| !middle.contains(&bend.y)), "{layout:?}");
}

#[test]
fn bookinfo_reads_like_its_description() {
    let layout = layout(&bookinfo());
    let [ingress, productpage, details, reviews, ratings, external] = layout.nodes[..] else { panic!() };
    assert!(details.x == reviews.x && details.x == external.x && ratings.x > reviews.x);
    assert!(details.y < reviews.y && reviews.y < external.y);
    // What has one neighbour stands at its height.
    assert_eq!(ingress.y + 27.0, productpage.y + 41.0);
    assert_eq!(reviews.y + 63.0, ratings.y + 41.0);
}

#[test]
fn another_leaf_keeps_the_picture() {
    let before = layout(&bookinfo());
    let mut request = bookinfo();
    request.nodes.push(size(82.0));
    request.edges.push((3, 6));
    let after = layout(&request);
    for (a, b) in (0..6).flat_map(|a| (0..6).map(move |b| (a, b))) {
        let above = |layout: &Layout| layout.nodes[a].y.total_cmp(&layout.nodes[b].y);
        assert_eq!(before.nodes[a].x, after.nodes[a].x);
        if before.nodes[a].x == before.nodes[b].x {
            assert_eq!(above(&before), above(&after), "{a} {b}: {after:?}");
        }
    }
}

#[test]
fn parts_stand_below_each_other() {
    let request = LayoutRequest {
        nodes: vec![size(82.0); 6],
        edges: vec![(0, 2), (1, 3), (3, 5), (1, 5)],
        ..LayoutRequest::default()
    };
    let layout = layout(&request);
    let (upper, lower) = ([0, 2], [1, 3, 5]);
    for (a, b) in upper.into_iter().flat_map(|a| lower.map(|b| (a, b))) {
        assert!(layout.nodes[a].y + 82.0 + NODE_GAP <= layout.nodes[b].y, "{layout:?}");
    }
    assert!(layout.nodes[4].y > layout.nodes[5].y + 82.0);
}

/// Any graph of up to 40 nodes: some gateways, calls to oneself and calls in circles among them.
fn graphs() -> impl Strategy<Value = LayoutRequest> {
    let heights = prop::collection::vec(0..5_u32, 1..40);
    let edges = prop::collection::btree_set((0..1000_usize, 0..1000_usize), 0..70);
    (heights, edges, 0..3_usize).prop_map(|(heights, edges, gateways)| {
        let count = heights.len();
        let card = |(node, rows): (usize, &u32)| {
            if node < gateways { gateway() } else { size(54.0 + 22.0 * f64::from(*rows)) }
        };
        let edges = edges.into_iter().map(|(from, to)| (from % count, to % count));
        LayoutRequest {
            nodes: heights.iter().enumerate().map(card).collect(),
            edges: edges.collect(),
            ..LayoutRequest::default()
        }
    })
}

/// The nodes that can be reached from one.
fn reached(request: &LayoutRequest, from: usize) -> Vec<bool> {
    let mut reached = vec![false; request.nodes.len()];
    let mut path = vec![from];
    while let Some(node) = path.pop() {
        if !std::mem::replace(&mut reached[node], true) {
            path.extend(request.edges.iter().filter(|edge| edge.0 == node).map(|edge| edge.1));
        }
    }
    reached
}

proptest! {
    #[test]
    fn crossings_are_counted(pieces in prop::collection::btree_set((0..9_usize, 9..20_usize), 0..60)) {
        let pieces = pieces.into_iter().collect::<Vec<_>>();
        let mut one_by_one = 0;
        for (a, b) in pieces.iter().flat_map(|a| pieces.iter().map(move |b| (a, b))) {
            one_by_one += usize::from(a.0 < b.0 && a.1 > b.1);
        }
        let layers = order::Layers { rows: vec![(0..9).collect(), (9..20).collect()], gaps: vec![pieces] };
        prop_assert_eq!(order::crossings(&layers, &mut [0; 20]), one_by_one);
    }

    #[test]
    fn no_two_nodes_overlap(request in graphs()) {
        prop_assert_eq!(overlap(&request, &layout(&request)), None);
    }

    #[test]
    fn only_circles_lead_back(request in graphs()) {
        let layout = layout(&request);
        for &(from, to) in request.edges.iter().filter(|(from, to)| from != to) {
            let ahead = layout.nodes[from].x + request.nodes[from].width + LAYER_GAP <= layout.nodes[to].x + 1e-6;
            prop_assert!(ahead || reached(&request, to)[from], "{} → {}", from, to);
        }
    }

    #[test]
    fn long_edges_keep_clear_of_nodes(request in graphs()) {
        let layout = layout(&request);
        for bend in layout.bends.iter().flatten() {
            for (place, size) in layout.nodes.iter().zip(&request.nodes) {
                let beside = bend.x < place.x || bend.x > place.x + size.width;
                let clear = bend.y < place.y - 9.0 || bend.y > place.y + size.height + 9.0;
                prop_assert!(beside || clear, "{:?} {:?}", bend, place);
            }
        }
    }

    #[test]
    fn another_leaf_moves_only_callers_of_its_caller_sideways(mut request in graphs(), caller: prop::sample::Index) {
        let caller = caller.index(request.nodes.len());
        prop_assume!(request.edges.iter().any(|&(from, to)| (from == caller) != (to == caller)));
        request.nodes.iter_mut().for_each(|size| size.width = 196.0);
        let mut more = request.clone();
        more.nodes.push(size(54.0));
        more.edges.push((caller, request.nodes.len()));
        let (before, after) = (layout(&request), layout(&more));
        for node in 0..request.nodes.len() {
            let alone = !request.edges.iter().any(|&(from, to)| from != to && (from == node || to == node));
            prop_assert!(alone || before.nodes[node].x == after.nodes[node].x || reached(&request, node)[caller]);
        }
    }
}

#[test]
fn a_thousand_nodes_are_laid_out() {
    let edges = (0..2500_usize).map(|edge| (edge * 7919 % 1000, (edge * edge + 31 * edge) % 1000));
    let edges = edges.map(|(a, b)| (a.min(b), a.max(b))).collect();
    let request = LayoutRequest { nodes: vec![size(82.0); 1000], edges, ..LayoutRequest::default() };
    assert_eq!(overlap(&request, &layout(&request)), None);
}

#[test]
fn more_long_edges_than_can_be_routed_go_straight() {
    let chain = (0..299).map(|node| (node, node + 1));
    let edges = chain.chain((0..298).map(|node| (node, 299))).collect();
    let request = LayoutRequest { nodes: vec![size(54.0); 300], edges, ..LayoutRequest::default() };
    let layout = layout(&request);
    assert!(layout.bends.iter().map(Vec::len).sum::<usize>() <= 2 * MOST_PASSES);
    assert_eq!(overlap(&request, &layout), None);
}

#[test]
fn nothing_is_nothing() {
    assert_eq!(layout(&LayoutRequest::default()), Layout::default());
}

#[test]
fn gaps_are_as_wide_as_the_view_allows() {
    // Layers of 138, 196, 196 and 196 pixels; the highest has 82, 126 and 54.
    for (room, gap, between) in [
        ((0.0, 0.0), LAYER_GAP, NODE_GAP),
        ((960.0, 340.0), 78.0, NODE_GAP),
        ((1026.0, 400.0), 100.0, 54.0),
        ((3000.0, 3000.0), WIDEST_GAP, 110.0),
    ] {
        let request = LayoutRequest { room, ..bookinfo() };
        let layout = layout(&request);
        assert_eq!(layout.nodes[1].x - 138.0, gap, "{room:?}");
        assert_eq!(overlap(&request, &layout), None);
        let heights = [2, 3, 5].map(|node| layout.nodes[node].y);
        let (top, bottom) = (heights.iter().copied().fold(f64::MAX, f64::min), layout.nodes[5].y + 54.0);
        assert!(bottom - top >= 262.0 + 2.0 * between - 1.0, "{room:?} {layout:?}");
        assert!(room.1 == 0.0 || bottom - top <= room.1, "{room:?} {layout:?}");
    }
}

#[test]
fn the_room_stays_while_the_view_is_about_as_large() {
    let view = Some((960.0, 700.0));
    for (before, now, settled_) in [
        (None, (0.0, 0.0), None),
        (None, (960.0, 700.0), view),
        (view, (930.0, 740.0), view),
        (view, (0.0, 0.0), view),
        (view, (900.0, 700.0), Some((900.0, 700.0))),
        (view, (960.0, 600.0), Some((960.0, 600.0))),
    ] {
        assert_eq!(settled(before, now), settled_);
    }
}
