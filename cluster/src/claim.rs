//! What was borrowed: who owned an object's fields before this program changed some of them, so that a change that is taken back gives
//! back the fields as well.
//!
//! Kubernetes moves a field to whoever changes its value. Its former owner meets a conflict the next time it applies, or does not notice
//! that it overwrites. Once the values are as they were, the list of owners is put back too, if nobody else wrote in between: as if this
//! program had never been there. An owner that brings the same values itself owns the fields again, and this program lets go of them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::MANAGER;
use crate::object::Object;

/// What was there before the first change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Which object, of all that had its name.
    pub uid: String,
    /// Its document.
    pub value: Value,
    /// Who owned which of its fields.
    pub managed: Vec<ManagedFieldsEntry>,
}

/// What is to become of a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// The object is still changed.
    No,
    /// There is nothing to give back: it is another object, or others have overwritten what was changed.
    Void,
    /// Its owners are to be these.
    GiveBack(Vec<ManagedFieldsEntry>),
}

impl Claim {
    /// A claim on an object that is about to be changed; none where this program owns something of it already.
    pub fn of(object: &Object) -> Option<Self> {
        let own = object.managed.iter().any(is_own);
        let claim =
            || Self { uid: object.uid.clone(), value: object.value.clone(), managed: object.managed.clone() };
        (!own).then(claim)
    }

    /// What is to become of it, as the object is now.
    pub fn settle(&self, object: Option<&Object>) -> Settled {
        let Some(object) = object.filter(|object| object.uid == self.uid) else { return Settled::Void };
        let Some(own) = object.managed.iter().find(|it| is_own(it)) else { return Settled::Void };
        let others = || object.managed.iter().filter(|it| !is_own(it));
        let untouched = |now: &ManagedFieldsEntry| {
            self.managed.iter().any(|then| is_same(then, now) && then.time == now.time)
        };
        if object.says(&self.value) && others().all(untouched) {
            return Settled::GiveBack(self.managed.clone());
        }
        // Every field that it holds has another owner again.
        let held = fields(own);
        let shared = |field: &String| others().any(|it| fields(it).contains(field));
        if held.iter().all(shared) {
            return Settled::GiveBack(others().cloned().collect());
        }
        Settled::No
    }
}

fn is_own(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(MANAGER)
}

fn is_same(one: &ManagedFieldsEntry, other: &ManagedFieldsEntry) -> bool {
    (&one.manager, &one.operation, &one.subresource) == (&other.manager, &other.operation, &other.subresource)
}

/// The fields of an entry that have no fields of their own, as `f:spec/f:http`.
fn fields(entry: &ManagedFieldsEntry) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(fields) = &entry.fields_v1 {
        leaves("", &fields.0, &mut all);
    }
    all
}

fn leaves(at: &str, fields: &Value, all: &mut Vec<String>) {
    let Some(map) = fields.as_object() else { return };
    for (name, below) in map.iter().filter(|(name, _)| *name != ".") {
        let path = format!("{at}/{name}");
        if below.as_object().is_none_or(|below| below.keys().all(|name| name == ".")) {
            all.push(path);
        } else {
            leaves(&path, below, all);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use mesh::{Kind, ResourceKey};
    use serde_json::json;

    use super::*;

    fn entry(manager: &str, field: &str, second: u32) -> ManagedFieldsEntry {
        let entry = json!({"manager": manager, "operation": if manager == MANAGER { "Update" } else { "Apply" },
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {format!("f:{field}"): {}}},
            "time": format!("2026-01-02T03:04:{second:02}Z")});
        serde_json::from_value(entry).unwrap()
    }

    fn object(weight: i64, managed: &[ManagedFieldsEntry]) -> Object {
        Object {
            key: ResourceKey::new(Kind::VirtualService, "shop", "reviews"),
            value: json!({"kind": "VirtualService", "metadata": {"name": "reviews"}, "spec": {"http": weight}}),
            uid: "u".to_owned(),
            resource_version: "1".to_owned(),
            managed: managed.to_vec(),
        }
    }

    #[test]
    fn what_is_taken_back_is_given_back() {
        let (kubectl, own) = (entry("kubectl", "http", 1), entry(MANAGER, "http", 2));
        let claim = Claim::of(&object(90, from_ref(&kubectl))).unwrap();
        let settled = |object: &Object| claim.settle(Some(object));
        assert_eq!(Claim::of(&object(50, from_ref(&own))), None);
        assert_eq!(settled(&object(50, from_ref(&own))), Settled::No);
        let back = Settled::GiveBack(vec![kubectl]);
        assert_eq!(settled(&object(90, from_ref(&own))), back);
        // Somebody else wrote in between, and owns what he wrote.
        let kiali = entry("kiali", "gateways", 3);
        assert_eq!(settled(&object(90, &[own.clone(), kiali])), Settled::No);
        // The owner brings the same itself, or overwrites.
        let later = entry("kubectl", "http", 4);
        assert_eq!(settled(&object(50, &[later.clone(), own])), Settled::GiveBack(vec![later.clone()]));
        assert_eq!(settled(&object(70, &[later])), Settled::Void);
        assert_eq!(claim.settle(None), Settled::Void);
        assert_eq!(settled(&Object { uid: "other".to_owned(), ..object(90, &[]) }), Settled::Void);
    }
}
