//! Values of routes, read with whatever shape they have.

use serde_json::Value;

/// A list as the API has it: what stands alone is a list of one, what is missing is empty.
pub(super) fn list(value: Option<&Value>) -> Vec<Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
    }
}

/// A route's name; empty without one.
pub(super) fn name(route: &Value) -> &str {
    route.get("name").and_then(Value::as_str).unwrap_or_default()
}
