//! What a change would write, in which order, and from whom it takes what: by the same functions that write it.

use std::collections::BTreeMap;

use api::cluster::{self as told, NextWrite, Preview, Write};
use cluster::owner::{self, Owner};
use cluster::patch::Operation;
use cluster::write::{Call, VERSION};
use cluster::{Change, Object, Stages};
use mesh::yaml;
use serde::Serialize;
use serde_json::Value;

use super::claims::Claims;

/// The writes of some changes, of objects as they are known.
pub(super) fn of(
    changes: &[Change],
    known: impl Fn(&Change) -> Option<Object>,
    claims: &Claims,
) -> Result<Preview, cluster::Why> {
    let Stages { first, last } = Stages::of(changes);
    // Objects that are written twice, as the first write leaves them.
    let mut left: BTreeMap<String, Object> = BTreeMap::new();
    let mut preview = Preview { last_from: usize::MAX, ..Preview::default() };
    for (at, change) in first.iter().chain(&last).enumerate() {
        if at == first.len() {
            preview.last_from = preview.writes.len();
        }
        let name = change.key.to_string();
        let again = left.get(&name).cloned();
        let object = again.clone().or_else(|| known(change));
        let Some(call) = Call::of(change, object.as_ref())? else { continue };
        // What the first write takes is not taken again.
        let former = claims.of(&change.key).map(|claim| claim.managed.as_slice()).unwrap_or_default();
        let taken = object.as_ref().filter(|_| again.is_none());
        let taken = taken.map(|object| owner::taken(object, former, &call)).unwrap_or_default();
        let belongs_to = object.as_ref().and_then(owner::belongs_to);
        let mut after = change.after.clone();
        if let (Some(object), Some(wanted), Some(before)) = (&object, &change.after, &change.before) {
            after = cluster::patch::merge(before, wanted, &object.value);
            if let Some(value) = after.clone() {
                left.insert(name, Object { value, ..object.clone() });
            }
        }
        preview.writes.push(Write {
            key: change.key.clone(),
            operations: operations(&call, again.is_some()),
            call: match call {
                Call::Apply(_) => told::Call::Apply,
                Call::Patch(_) => told::Call::Patch,
                Call::Delete(_) => told::Call::Delete,
            },
            before: object.map(|object| object.text()),
            after: after.as_ref().map(yaml::document_by_name),
            taken: taken.into_iter().map(tell).collect(),
            belongs_to: belongs_to.map(|(tool, name)| told::BelongsTo { tool: tool.name().to_owned(), name }),
        });
    }
    preview.last_from = preview.last_from.min(preview.writes.len());
    Ok(preview)
}

/// A patch as it is written. The version that a first write leaves is not known yet.
fn operations(call: &Call, again: bool) -> Vec<Value> {
    let Call::Patch(operations) = call else { return Vec::new() };
    let known = operations.iter().filter(|it: &&Operation| !again || it.path() != VERSION);
    known.filter_map(|it| serde_json::to_value(it).ok()).collect()
}

fn tell(taken: owner::Taken) -> told::Taken {
    let owner::Taken { field, from, next_write, sentence } = taken;
    let next_write = match next_write {
        owner::NextWrite::Nothing => NextWrite::Nothing,
        owner::NextWrite::Unknown => NextWrite::Unknown,
        owner::NextWrite::Conflicts => NextWrite::Conflicts,
        owner::NextWrite::Overwrites => NextWrite::Overwrites,
        owner::NextWrite::Steers => NextWrite::Steers,
    };
    let from = from.into_iter().map(|Owner { manager, tool, applies }| told::Owner {
        manager,
        tool: id(tool),
        name: tool.name().to_owned(),
        applies,
    });
    told::Taken { field, from: from.collect(), next_write, sentence }
}

/// A variant's name in JSON.
fn id(variant: impl Serialize) -> String {
    let id = serde_json::to_value(variant).ok();
    id.and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use mesh::{Kind, ResourceKey};
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::store::Store;

    fn object(kind: Kind, spec: &Value) -> Object {
        let managed = json!([{"manager": "kubectl", "operation": "Apply", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:subsets": {}, "f:http": {}}}}]);
        Object {
            value: json!({"kind": kind.as_str(), "metadata": {"name": "reviews"}, "spec": spec}),
            key: ResourceKey::new(kind, "shop", "reviews"),
            uid: "u".to_owned(),
            resource_version: "7".to_owned(),
            managed: serde_json::from_value(managed).unwrap(),
        }
    }

    #[tokio::test]
    async fn what_goes_waits_and_is_taken_once() {
        let data = TempDir::new().unwrap();
        let claims = Claims::read(Store::open(data.path()).unwrap()).await;
        let subsets = |names: &[&str]| {
            let all: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
            json!({"host": "reviews", "subsets": all})
        };
        let rule = object(Kind::DestinationRule, &subsets(&["v1", "v2"]));
        let routes = object(Kind::VirtualService, &json!({"http": [{"timeout": "1s"}]}));
        let to = |object: &Object, spec: Value| {
            let mut after = object.value.clone();
            after["spec"] = spec;
            Change { key: object.key.clone(), before: Some(object.value.clone()), after: Some(after) }
        };
        let changes = [to(&rule, subsets(&["v1", "v3"])), to(&routes, json!({"http": [{"timeout": "2s"}]}))];
        let known =
            |change: &Change| [&rule, &routes].into_iter().find(|object| object.key == change.key).cloned();
        let preview = of(&changes, known, &claims).unwrap();
        let kinds: Vec<_> = preview.writes.iter().map(|it| it.key.kind.clone()).collect();
        assert_eq!(kinds, [Kind::DestinationRule, Kind::VirtualService, Kind::DestinationRule]);
        assert_eq!(preview.last_from, 2);
        let taken: Vec<_> = preview.writes.iter().map(|it| it.taken.len()).collect();
        assert_eq!(taken, [1, 1, 0]);
        let versions: Vec<_> =
            preview.writes.iter().map(|it| it.operations.iter().any(|it| it["path"] == VERSION)).collect();
        assert_eq!(versions, [true, true, false]);
        assert_eq!(preview.writes[0].after, preview.writes[2].before);
        assert!(!preview.writes[2].after.as_ref().unwrap().contains("v2"));
        // One stage alone.
        let preview = of(&changes[1..], known, &claims).unwrap();
        assert_eq!((preview.writes.len(), preview.last_from), (1, 1));
    }
}
