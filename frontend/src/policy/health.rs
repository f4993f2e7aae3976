//! Active health checks: fields of an annotation of the DestinationRule, since Istio has none for them.

use mesh::Edit;
use mesh::annotation::HEALTH_CHECK;
use mesh::edit::{FieldEdit, add_rule};
use mesh::plan::HealthCheck;
use mesh::yaml;
use serde_json::{Map, Value, json};

use super::table::HEALTH;
use super::{Place, Rules, Scope, set};

/// The name of a rule and its check, as the part of a policy that it would be.
pub(super) fn read(place: &Place<'_>) -> Option<(String, Value)> {
    let text = place.document.value(&path())?.as_str()?;
    Some((place.key.name.clone(), json!({ HEALTH: yaml::read(text).value })))
}

fn path() -> String {
    format!("metadata.annotations[\"{HEALTH_CHECK}\"]")
}

/// Sets a field of the check, or removes it with `None`; the kind of check is its own first field. An error says what is wrong.
pub(super) fn edit(rules: Rules<'_>, field: &str, value: Option<Value>) -> Result<Option<Edit>, String> {
    let place = rules.place(&Scope::default());
    let before = place.as_ref().and_then(read).map(|(_, mut check)| check[HEALTH].take());
    let mut check = before.clone().filter(Value::is_object).unwrap_or_else(|| Value::Object(Map::new()));
    match (field.strip_prefix(HEALTH).map(|below| below.trim_start_matches('.')), value) {
        (Some(""), None) => check = Value::Null,
        (Some(""), Some(kind)) => {
            for other in ["http", "tcp", "grpc"] {
                remove(&mut check, other);
            }
            check[kind.as_str().unwrap_or_default()] = Value::Object(Map::new());
        }
        (Some(below), Some(value)) => check = set(check, below, value),
        (Some(below), None) => remove(&mut check, below),
        (None, _) => {}
    }
    if before.unwrap_or_default() == check {
        return Ok(None);
    }
    let text = (!check.is_null()).then(|| yaml::flow(&check));
    if let Some(text) = &text {
        HealthCheck::parse(text)?;
    }
    Ok(match place {
        Some(place) => {
            let fields = vec![FieldEdit { path: path(), value: text.map(Value::from) }];
            Some(Edit::SetFields { key: place.key.clone(), fields })
        }
        None => text.map(|text| add_rule(rules.mesh, rules.host, None, Some(json!({ HEALTH_CHECK: text })))),
    })
}

fn remove(value: &mut Value, path: &str) {
    let (around, last) = path.rsplit_once('.').unwrap_or(("", path));
    let around = if around.is_empty() { Some(value) } else { value.get_mut(around) };
    if let Some(map) = around.and_then(Value::as_object_mut) {
        map.remove(last);
    }
}
