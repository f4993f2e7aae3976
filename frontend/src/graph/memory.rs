//! Where nodes were dragged to, remembered by the browser for each mesh.

use crate::prelude::*;
use serde_json::{Value, json};

use super::layout::Point;
use super::scene::Moved;
use super::state::GraphState;
use crate::topology::NodeId;

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
    if let Some(storage) = storage() {
        // A full or forbidden storage costs no more than the memory.
        let _ = storage.set_item(&key(&name), &graph.moved.with_untracked(print));
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
fn print(moved: &Moved) -> String {
    let entry = |(id, at): (&NodeId, &Point)| json!([written(id), at.x, at.y]);
    moved.iter().map(entry).collect::<Value>().to_string()
}

fn parse(text: &str) -> Option<Moved> {
    let mut moved = Moved::new();
    for entry in serde_json::from_str::<Value>(text).ok()?.as_array()? {
        moved.insert(read(&entry[0])?, Point { x: entry[1].as_f64()?, y: entry[2].as_f64()? });
    }
    Some(moved)
}

fn written(id: &NodeId) -> Value {
    match id {
        NodeId::Gateway { namespace, name } => json!({ "Gateway": { "namespace": namespace, "name": name } }),
        NodeId::Workload { namespace, name } => {
            json!({ "Workload": { "namespace": namespace, "name": name } })
        }
        NodeId::Service(host) => json!({ "Service": host }),
        NodeId::External(host) => json!({ "External": host }),
    }
}

fn read(value: &Value) -> Option<NodeId> {
    let (kind, value) = value.as_object()?.iter().next()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (namespace, name) = (text(&value["namespace"]), text(&value["name"]));
    Some(match kind.as_str() {
        "Gateway" => NodeId::Gateway { namespace: namespace?, name: name? },
        "Workload" => NodeId::Workload { namespace: namespace?, name: name? },
        "Service" => NodeId::Service(text(value)?),
        "External" => NodeId::External(text(value)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let moved = Moved::from([
            (NodeId::Service("reviews.default.svc.cluster.local".into()), Point { x: 1.5, y: -2.0 }),
            (NodeId::Gateway { namespace: "default".into(), name: "g".into() }, Point { x: 0.0, y: 9.0 }),
            (NodeId::External("httpbin.org".into()), Point { x: 1e3, y: 0.0 }),
            (NodeId::Workload { namespace: "default".into(), name: "w".into() }, Point { x: 3.25, y: 1.0 }),
        ]);
        assert_eq!(parse(&print(&moved)), Some(moved));
        let stored = r#"[[{"Service":"reviews.default.svc.cluster.local"},1.5,-2]]"#;
        assert_eq!(parse(stored).map(|moved| moved.len()), Some(1));
        for wrong in ["{", "[1]", r#"[[{"Star":"a"},1,2]]"#, r#"[[{"Service":"a"},1]]"#] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
