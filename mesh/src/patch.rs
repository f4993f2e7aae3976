//! The smallest patch between two documents: what differs, with a test of what was there before.
//!
//! Kubernetes' lists of Istio's resources are atomic: who changes one entry owns the list. A patch names the entry nevertheless, so
//! that the server itself says when something else is there.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

/// One operation of a JSON patch (RFC 6902).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Refuses the patch unless this is there.
    Test {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Sets what was not there.
    Add {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Sets what was there.
    Replace {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Takes out what was there.
    Remove {
        /// Where.
        path: String,
    },
}

impl Operation {
    /// Where it works.
    pub fn path(&self) -> &str {
        match self {
            Self::Test { path, .. }
            | Self::Add { path, .. }
            | Self::Replace { path, .. }
            | Self::Remove { path } => path,
        }
    }
}

/// What leads from one document to another. What names an object, and its version, is left as it is.
pub fn diff(before: &Value, after: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for field in fields(before, after) {
        if matches!(field.as_str(), "apiVersion" | "kind" | "status") {
            continue;
        }
        let (before, after) = (&before[&field], &after[&field]);
        if field == "metadata" {
            for part in ["annotations", "labels"] {
                member("/metadata", part, before.get(part), after.get(part), &mut all);
            }
        } else {
            member(
                "",
                &field,
                Some(before).filter(|it| !it.is_null()),
                Some(after).filter(|it| !it.is_null()),
                &mut all,
            );
        }
    }
    all
}

fn member(at: &str, name: &str, before: Option<&Value>, after: Option<&Value>, all: &mut Vec<Operation>) {
    let path = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
    match (before, after) {
        (None, None) => {}
        (None, Some(after)) => all.push(Operation::Add { path, value: after.clone() }),
        (Some(before), None) => {
            all.push(Operation::Test { path: path.clone(), value: before.clone() });
            all.push(Operation::Remove { path });
        }
        (Some(before), Some(after)) => within(path, before, after, all),
    }
}

fn within(path: String, before: &Value, after: &Value, all: &mut Vec<Operation>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(_), Value::Object(_)) => {
            for field in fields(before, after) {
                member(&path, &field, before.get(&field), after.get(&field), all);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (at, (old, new)) in old.iter().zip(new).enumerate() {
                within(format!("{path}/{at}"), old, new, all);
            }
        }
        _ => {
            all.push(Operation::Test { path: path.clone(), value: before.clone() });
            all.push(Operation::Replace { path, value: after.clone() });
        }
    }
}

/// Names of the fields of both, by the alphabet: what is written must not depend on the order that a map happens to keep.
fn fields(one: &Value, other: &Value) -> BTreeSet<String> {
    let names =
        |value: &Value| value.as_object().into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>();
    names(one).into_iter().chain(names(other)).collect()
}

/// The fields that have an owner of their own, of those that a patch changes: a field of `spec`, a label, an annotation. As pointers.
pub fn owned_fields(operations: &[Operation]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for operation in operations.iter().filter(|it| !matches!(it, Operation::Test { .. })) {
        let path = operation.path();
        let parts = if path.starts_with("/metadata") { 3 } else { 2 };
        let end = path.match_indices('/').nth(parts).map_or(path.len(), |(at, _)| at);
        let field = path[..end].to_owned();
        if !all.contains(&field) {
            all.push(field);
        }
    }
    all
}

/// What a patch between two documents does to a third one that has come of the first: `None` where both changed the same field.
pub fn merge(before: &Value, after: &Value, now: &Value) -> Option<Value> {
    let fields = owned_fields(&diff(before, after));
    let mut merged = now.clone();
    for field in fields {
        if before.pointer(&field) != now.pointer(&field) {
            return None;
        }
        set(&mut merged, &field, after.pointer(&field).cloned());
    }
    Some(merged)
}

fn set(value: &mut Value, pointer: &str, to: Option<Value>) {
    let mut at = value;
    let mut parts =
        pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            match (to, at) {
                (Some(to), at) => at[&part] = to,
                (None, Value::Object(fields)) => drop(fields.remove(&part)),
                (None, _) => {}
            }
            return;
        }
        at = &mut at[&part];
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn route(weights: [i64; 2]) -> Value {
        json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "reviews"},
            "spec": {"hosts": ["reviews"], "http": [{"route": [
                {"destination": {"host": "reviews", "subset": "v1"}, "weight": weights[0]},
                {"destination": {"host": "reviews", "subset": "v2"}, "weight": weights[1]}]}]}})
    }

    #[test]
    fn one_weight_is_one_path_with_a_test() {
        let weight = |at: usize, old: i64, new: i64| {
            let path = format!("/spec/http/0/route/{at}/weight");
            [
                Operation::Test { path: path.clone(), value: json!(old) },
                Operation::Replace { path, value: json!(new) },
            ]
        };
        let operations = diff(&route([90, 10]), &route([50, 50]));
        assert_eq!(operations, [weight(0, 90, 50), weight(1, 10, 50)].concat());
        assert_eq!(owned_fields(&operations), ["/spec/http"]);
        let written = serde_json::to_value(&operations[1]).unwrap();
        assert_eq!(written, json!({"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 50}));
    }

    #[test]
    fn what_comes_and_goes_is_added_and_removed() {
        let mut after = route([90, 10]);
        after["metadata"]["annotations"] = json!({"meshwright.dev/a": "1"});
        after["spec"]["gateways"] = json!(["in"]);
        let operations = diff(&route([90, 10]), &after);
        assert_eq!(
            operations,
            [
                Operation::Add {
                    path: "/metadata/annotations".into(),
                    value: json!({"meshwright.dev/a": "1"})
                },
                Operation::Add { path: "/spec/gateways".into(), value: json!(["in"]) },
            ]
        );
        let mut more = after.clone();
        more["metadata"]["annotations"]["meshwright.dev/b"] = json!("2");
        more["spec"]["http"] = json!([]);
        more["spec"].as_object_mut().unwrap().remove("gateways");
        let operations = diff(&after, &more);
        let paths: Vec<_> = operations.iter().map(Operation::path).collect();
        assert_eq!(
            paths,
            [
                "/metadata/annotations/meshwright.dev~1b",
                "/spec/gateways",
                "/spec/gateways",
                "/spec/http",
                "/spec/http"
            ]
        );
        assert_eq!(
            owned_fields(&operations),
            ["/metadata/annotations/meshwright.dev~1b", "/spec/gateways", "/spec/http"]
        );
        // Neither version nor name.
        let mut other = after.clone();
        other["apiVersion"] = json!("networking.istio.io/v1alpha3");
        other["metadata"]["name"] = json!("x");
        assert_eq!(diff(&after, &other), []);
    }

    #[test]
    fn changes_of_different_fields_are_merged() {
        let (before, after) = (route([90, 10]), route([50, 50]));
        let mut now = before.clone();
        now["spec"]["gateways"] = json!(["in"]);
        now["metadata"]["labels"] = json!({"team": "a"});
        let merged = merge(&before, &after, &now).unwrap();
        assert_eq!(
            (&merged["spec"]["gateways"], &merged["spec"]["http"]),
            (&json!(["in"]), &after["spec"]["http"])
        );
        now["spec"]["http"][0]["timeout"] = json!("1s");
        assert_eq!(merge(&before, &after, &now), None);
    }
}
