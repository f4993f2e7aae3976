//! What has changed of what runs, so that a pod that comes does not cost as much as all that are there.

use std::cmp::Ordering;
use std::sync::Arc;

use mesh::Inventory;
use mesh::registry::{Reported, Workload};
use serde::{Deserialize, Serialize};

/// From one inventory to the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InventoryChange {
    /// Services that have come or are others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Arc<Reported>>,
    /// Namespaces and names of those that have gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services_gone: Vec<(String, String)>,
    /// Workloads that have come or are others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<Workload>,
    /// Namespaces and names of those that have gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads_gone: Vec<(String, String)>,
}

impl InventoryChange {
    /// What leads from one inventory to another. Both are in order.
    pub fn between(before: &Inventory, after: &Inventory) -> Self {
        let same = |a: &Arc<Reported>, b: &Arc<Reported>| Arc::ptr_eq(a, b) || a == b;
        let (services, services_gone) = diff(&before.services, &after.services, service, same);
        let (workloads, workloads_gone) = diff(&before.workloads, &after.workloads, workload, PartialEq::eq);
        Self { services, services_gone, workloads, workloads_gone }
    }

    /// Makes it.
    pub fn apply(&self, inventory: &mut Arc<Inventory>) {
        let inventory = Arc::make_mut(inventory);
        patch(&mut inventory.services, &self.services, &self.services_gone, service);
        patch(&mut inventory.workloads, &self.workloads, &self.workloads_gone, workload);
    }
}

fn service(it: &Arc<Reported>) -> (&str, &str) {
    (&it.namespace, &it.name)
}

fn workload(it: &Workload) -> (&str, &str) {
    (&it.namespace, &it.name)
}

/// What has come or is another, and the names of what has gone.
fn diff<T: Clone>(
    before: &[T],
    after: &[T],
    name: fn(&T) -> (&str, &str),
    same: impl Fn(&T, &T) -> bool,
) -> (Vec<T>, Vec<(String, String)>) {
    let (mut set, mut gone) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return (set, gone),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => name(a).cmp(&name(b)),
        };
        let old = if order == Ordering::Greater { None } else { old.next() };
        let new = if order == Ordering::Less { None } else { new.next() };
        match (old, new) {
            (Some(a), Some(b)) if same(a, b) => {}
            (_, Some(b)) => set.push(b.clone()),
            (Some(a), None) => {
                let (namespace, name) = name(a);
                gone.push((namespace.to_owned(), name.to_owned()));
            }
            (None, None) => {}
        }
    }
}

fn patch<T: Clone>(all: &mut Vec<T>, set: &[T], gone: &[(String, String)], name: fn(&T) -> (&str, &str)) {
    for it in set {
        match all.binary_search_by(|known| name(known).cmp(&name(it))) {
            Ok(at) => all[at] = it.clone(),
            Err(at) => all.insert(at, it.clone()),
        }
    }
    for (namespace, gone) in gone {
        if let Ok(at) = all.binary_search_by(|known| name(known).cmp(&(namespace.as_str(), gone.as_str()))) {
            all.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(services: &[(&str, &str)], workloads: &[&str]) -> Arc<Inventory> {
        let service = |(name, host): &(&str, &str)| {
            let mut it =
                Reported { namespace: "shop".to_owned(), name: (*name).to_owned(), ..Reported::default() };
            it.spec.external_name = Some((*host).to_owned());
            Arc::new(it)
        };
        let workload = |name: &&str| Workload {
            namespace: "shop".to_owned(),
            name: (*name).to_owned(),
            labels: Default::default(),
            locality: String::new(),
        };
        let (services, workloads) =
            (services.iter().map(service).collect(), workloads.iter().map(workload).collect());
        Arc::new(Inventory { services, workloads })
    }

    #[test]
    fn a_change_leads_from_one_to_the_other() {
        let states = [
            inventory(&[], &[]),
            inventory(&[("a", "1"), ("b", "1"), ("c", "1")], &["x", "z"]),
            inventory(&[("b", "2"), ("c", "1"), ("d", "1")], &["w", "y", "z"]),
            inventory(&[("a", "1")], &["z"]),
        ];
        for before in &states {
            for after in &states {
                let change = InventoryChange::between(before, after);
                let written = serde_json::to_string(&change).unwrap();
                let read: InventoryChange = serde_json::from_str(&written).unwrap();
                let mut state = Arc::clone(before);
                read.apply(&mut state);
                assert_eq!(&state, after);
                assert_eq!(change == InventoryChange::default(), before == after);
            }
        }
        let change = InventoryChange::between(&states[1], &states[2]);
        let names: Vec<_> = change.services.iter().map(|it| it.name.as_str()).collect();
        assert_eq!((names, change.services_gone.len()), (vec!["b", "d"], 1));
    }
}
