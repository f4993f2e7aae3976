//! The HTTP routes of a VirtualService as values, under change.

use serde_json::{Map, Value};

use crate::RouteKey;

use super::shape::list;
use super::workspace::Workspace;
use super::{EditError, RouteTarget, fault, service};

/// The routes of a VirtualService, and the one that an edit is about.
pub(super) struct Http<'v> {
    /// `spec.http`.
    pub(super) routes: Vec<Value>,
    /// Position of the route.
    pub(super) index: usize,
    /// What names the route.
    pub(super) key: RouteKey,
    /// `metadata`.
    pub(super) metadata: &'v mut Map<String, Value>,
}

/// Changes the routes of the VirtualService that a target is in; it is made where there is none.
pub(super) fn change(
    workspace: &mut Workspace,
    target: &RouteTarget,
    change: impl FnOnce(&mut Http<'_>) -> Result<(), EditError>,
) -> Result<(), EditError> {
    let key = match target {
        RouteTarget::Route(key) => key.clone(),
        RouteTarget::Service(host) => service::default_route(workspace, host)?,
        // What else can be set of a route is for requests.
        RouteTarget::Tcp(key) | RouteTarget::Tls(key) => return Err(EditError::NoRoute(key.clone())),
    };
    workspace.change(&key.resource(), |value| {
        let mut routes = list(value.pointer("/spec/http"));
        if key.index >= routes.len() {
            return Err(EditError::NoRoute(key.clone()));
        }
        if !routes[key.index].is_object() {
            routes[key.index] = Value::Object(Map::new());
        }
        let Some(map) = value.as_object_mut() else { return Err(EditError::NoRoute(key.clone())) };
        let mut none = Map::new();
        let metadata = map.get_mut("metadata").and_then(Value::as_object_mut).unwrap_or(&mut none);
        let mut http = Http { routes, index: key.index, key: key.clone(), metadata };
        change(&mut http)?;
        let routes = http.routes;
        value["spec"]["http"] = Value::Array(routes);
        Ok(())
    })
}

/// Changes a route, and the copies of it that carry a fault for some requests: they are the same route to people.
pub(super) fn change_with_copies(
    workspace: &mut Workspace,
    target: &RouteTarget,
    change_one: impl Fn(&mut Value),
) -> Result<(), EditError> {
    change(workspace, target, |http| {
        for at in fault::with_copies(&http.routes, http.index) {
            change_one(&mut http.routes[at]);
        }
        Ok(())
    })
}
