//! The edit that changes a field of a policy.

use mesh::Edit;
use mesh::edit::{FieldEdit, add_rule};
use serde_json::{Map, Value, json};

use super::table::{HEALTH, MAGLEV, RING};
use super::{Field, Rules, Scope, at, find, health, list, set};

/// The parts that a port's own policy takes the place of.
const PARTS: [&str; 4] = ["loadBalancer", "connectionPool", "outlierDetection", "tls"];

/// The edit that gives a field this value, or none with `None`; no edit where that changes nothing. An error says what is wrong.
pub fn change(
    rules: Rules<'_>,
    scope: &Scope,
    field: &Field,
    value: Option<Value>,
) -> Result<Option<Edit>, String> {
    if field.path.starts_with(HEALTH) {
        return health::edit(rules, field.path, value);
    }
    Ok(match (field.path, value) {
        ("loadBalancer", choice) => {
            balance(rules, scope, choice.as_ref().and_then(Value::as_str).unwrap_or_default())
        }
        (RING | MAGLEV, Some(size)) => table(rules, scope, field.path, size),
        (path, value) => edit(rules, scope, path, value),
    })
}

/// Sets the size of a hash's table, which takes the place of the other kind's.
fn table(rules: Rules<'_>, scope: &Scope, path: &str, size: Value) -> Option<Edit> {
    let layers = rules.layers(scope);
    let (part, below) = path.split_once('.')?;
    let mut balancer = set(find(&layers, part)?.0.clone(), below, size);
    let hash = balancer.get_mut("consistentHash")?.as_object_mut()?;
    hash.remove("minimumRingSize");
    hash.remove(if path == RING { "maglev" } else { "ringHash" });
    edit(rules, scope, part, Some(balancer))
}

/// Sets a field of a scope's own policy, or removes it with `None`; no edit where that changes nothing.
pub fn edit(rules: Rules<'_>, scope: &Scope, path: &str, value: Option<Value>) -> Option<Edit> {
    let Some(place) = rules.place(scope) else {
        let policy = set(inherited(&[], scope), path, value?);
        let policy = match scope.port {
            Some(_) => json!({ "portLevelSettings": [policy] }),
            None => policy,
        };
        return Some(add_rule(rules.mesh, rules.host, Some(policy), None));
    };
    let own = place.value();
    let layers = rules.layers(scope);
    // A part that is switched on here begins with what it was elsewhere.
    let empty = value.as_ref().and_then(Value::as_object).is_some_and(Map::is_empty);
    let value = find(&layers, path).filter(|_| empty).map(|(whole, _)| whole.clone()).or(value);
    let (part, below) = path.split_once('.').unwrap_or((path, ""));
    let (path, value) = match value {
        Some(value) if own.and_then(|own| at(own, path)) == Some(&value) => return None,
        // A port's own policy is whole: what held for it goes along.
        Some(value) if place.new => {
            let entry = set(inherited(&layers, scope), path, value);
            match place.path.strip_suffix("[0]") {
                Some(list) => (list.to_owned(), Some(json!([entry]))),
                None => (place.path, Some(entry)),
            }
        }
        Some(value) => match find(&layers, part).filter(|_| own.and_then(|own| at(own, part)).is_none()) {
            Some((whole, _)) if !below.is_empty() => {
                (format!("{}.{part}", place.path), Some(set(whole.clone(), below, value)))
            }
            _ => (format!("{}.{path}", place.path), Some(value)),
        },
        None => {
            at(own?, path)?;
            (emptied(|path| place.document.value(path), format!("{}.{path}", place.path)), None)
        }
    };
    Some(Edit::SetFields { key: place.key.clone(), fields: vec![FieldEdit { path, value }] })
}

/// Chooses one of the algorithms of the table; the other settings of the part stay.
pub fn balance(rules: Rules<'_>, scope: &Scope, choice: &str) -> Option<Edit> {
    let layers = rules.layers(scope);
    let mut balancer =
        find(&layers, "loadBalancer").and_then(|(it, _)| it.as_object()).cloned().unwrap_or_default();
    balancer.remove("simple");
    let hash = balancer.remove("consistentHash");
    let first = match choice {
        "" => return edit(rules, scope, "loadBalancer", None),
        "httpHeaderName" => Value::from("x-user"),
        "httpCookie" => json!({ "name": "session", "ttl": "0s" }),
        "useSourceIp" => Value::Bool(true),
        "httpQueryParameterName" => Value::from("user"),
        simple => {
            balancer.insert("simple".to_owned(), Value::from(simple));
            return edit(rules, scope, "loadBalancer", Some(Value::Object(balancer)));
        }
    };
    // The table stays, the key is another.
    let mut hash = hash.and_then(|hash| hash.as_object().cloned()).unwrap_or_default();
    hash.retain(|key, _| key == "ringHash" || key == "maglev" || key == "minimumRingSize");
    hash.insert(choice.to_owned(), first);
    balancer.insert("consistentHash".to_owned(), Value::Object(hash));
    edit(rules, scope, "loadBalancer", Some(Value::Object(balancer)))
}

/// What a policy of a scope's own begins with.
fn inherited(layers: &[(String, &Value)], scope: &Scope) -> Value {
    let mut policy = Map::new();
    if let Some(port) = scope.port {
        policy.insert("port".to_owned(), json!({ "number": port }));
    }
    for part in PARTS {
        policy.extend(find(layers, part).map(|(value, _)| (part.to_owned(), value.clone())));
    }
    Value::Object(policy)
}

/// The path of a field, or of all around it that is empty without it: an empty part would still take the place of the rule's.
/// Outlier detection without settings is on, and stays.
fn emptied<'v>(value: impl Fn(&str) -> Option<&'v Value>, mut path: String) -> String {
    while !path.ends_with("trafficPolicy")
        && let Some((around, _)) = path.rsplit_once(['.', '['])
        && !around.ends_with("outlierDetection")
    {
        let others = match value(around) {
            Some(Value::Object(map)) => map.keys().filter(|key| *key != "port").count(),
            all => list(all).len(),
        };
        if others > 1 {
            break;
        }
        path.truncate(around.len());
    }
    path
}
