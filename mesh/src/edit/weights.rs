//! The weights of a route's destinations.

use serde_json::{Value, json};

use super::routes;
use super::shape::list;
use super::workspace::Workspace;
use super::{EditError, RouteTarget, Share, connections, fault, service};

/// Sets the destinations of a route and of the copies of it that carry a fault.
pub(super) fn set(
    workspace: &mut Workspace,
    target: &RouteTarget,
    shares: &[Share],
) -> Result<(), EditError> {
    if shares.is_empty() {
        return Err(EditError::NoShares);
    }
    let mut added = Vec::new();
    let is_new = |old: &[Value], share: &Share| !old.iter().any(|destination| is_of(destination, share));
    if let Some((kind, key)) = target.connections() {
        connections::route(workspace, kind, key, |_, all| {
            added = shares.iter().filter(|share| is_new(all, share)).cloned().collect();
            *all = destinations(std::mem::take(all), shares);
            Some(())
        })?;
        return service::ensure_subsets(workspace, target, &added);
    }
    routes::change(workspace, target, |http| {
        for at in fault::with_copies(&http.routes, http.index) {
            let route = &mut http.routes[at];
            if ["redirect", "directResponse", "delegate"].iter().any(|key| route.get(key).is_some()) {
                return Err(EditError::NotForwarding(http.key.clone()));
            }
            let old = list(route.get("route"));
            if at == http.index {
                added = shares.iter().filter(|share| is_new(&old, share)).cloned().collect();
            }
            route["route"] = Value::Array(destinations(old, shares));
        }
        Ok(())
    })?;
    service::ensure_subsets(workspace, target, &added)
}

/// The list of destinations that shares make of an old one. What else an old destination says stays with it.
fn destinations(mut old: Vec<Value>, shares: &[Share]) -> Vec<Value> {
    // Of a destination alone the weight says nothing, and none needs to be written.
    let alone = old.len() == 1 && shares.len() == 1;
    let one = |share: &Share| {
        let found = old.iter().position(|destination| is_of(destination, share)).map(|at| old.remove(at));
        let mut destination = found.unwrap_or_else(|| json!({ "destination": destination(share) }));
        let written = destination.get("weight").and_then(Value::as_u64);
        if written != Some(u64::from(share.weight)) && !(alone && written.is_none() && share.weight == 100) {
            destination["weight"] = Value::from(share.weight);
        }
        destination
    };
    shares.iter().map(one).collect()
}

/// The `destination` of a share.
pub(super) fn destination(share: &Share) -> Value {
    let mut destination = json!({ "host": share.host });
    if let Some(subset) = &share.subset {
        destination["subset"] = Value::from(subset.as_str());
    }
    if let Some(port) = share.port {
        destination["port"] = json!({ "number": port });
    }
    destination
}

/// Whether a route's destination is that of a share.
pub(super) fn is_of(value: &Value, share: &Share) -> bool {
    let text = |pointer| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let port = value.pointer("/destination/port/number").and_then(Value::as_u64);
    text("/destination/host") == Some(share.host.as_str())
        && text("/destination/subset") == share.subset.as_deref()
        && port == share.port.map(u64::from)
}
