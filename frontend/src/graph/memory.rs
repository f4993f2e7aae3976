//! Where nodes were dragged to, remembered by the browser for each mesh.

use crate::prelude::*;

use super::scene::Moved;
use super::state::GraphState;

/// Takes up what was remembered once the mesh has a name.
pub fn recall(graph: GraphState) {
    Effect::new(move || {
        let name = graph.store.head.name.get();
        if name.is_empty() {
            return;
        }
        let stored = storage().and_then(|storage| storage.get_item(&key(&name)).ok().flatten());
        graph.moved.set(stored.and_then(|stored| parse(&stored)).unwrap_or_default());
    });
}

/// Remembers where nodes stand now.
pub fn keep(graph: GraphState) {
    let name = graph.store.head.name.get_untracked();
    if let (Some(storage), Some(text)) = (storage(), graph.moved.with_untracked(print)) {
        // A full or forbidden storage costs no more than the memory.
        let _ = storage.set_item(&key(&name), &text);
    }
}

/// Puts all nodes back where the layout wants them.
pub fn forget(graph: GraphState) {
    graph.moved.set(Moved::new());
    keep(graph);
    graph.fit();
}

fn key(name: &str) -> String {
    format!("meshwright.graph.{name}")
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

/// JSON has no maps with such keys, so it is a list.
fn print(moved: &Moved) -> Option<String> {
    let list = moved.iter().map(|(id, at)| (id, at.x, at.y)).collect::<Vec<_>>();
    serde_json::to_value(list).ok().map(|value| value.to_string())
}

fn parse(text: &str) -> Option<Moved> {
    let list: Vec<(crate::topology::NodeId, f64, f64)> = api::read::from_str(text).ok()?;
    let mut moved = Moved::new();
    moved.extend(list.into_iter().map(|(id, x, y)| (id, super::layout::Point { x, y })));
    Some(moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::layout::Point;
    use crate::topology::NodeId;

    #[test]
    fn what_is_kept_comes_back() {
        let moved = Moved::from([
            (NodeId::Service("reviews.default.svc.cluster.local".into()), Point { x: 1.5, y: -2.0 }),
            (NodeId::Gateway { namespace: "default".into(), name: "g".into() }, Point { x: 0.0, y: 9.0 }),
        ]);
        assert_eq!(parse(&print(&moved).unwrap()), Some(moved));
        assert_eq!(parse("{"), None);
    }
}
