//! When faults end: an annotation of the VirtualService that the control loop reads.
//!
//! Its value is a list with commas of `route=seconds since 1970`. A route is its name where it has one that no other
//! route of the VirtualService has (and that holds no `,`, `=` or `#`), else `#`, its position, `@` and its identity
//! ([`RouteId`]): `meshwright-fault-end-user-jason=1764000000,#2@30ee17c44e43e1a7=1764000300`. A route that another is put in
//! front of is found by its identity. Its position counts where nothing has that identity, because what it matches or where
//! it goes was changed: a fault that never ends is worse than one that ends with another.

use serde_json::{Map, Value};

use crate::annotation::FAULT_EXPIRES;
use crate::resource::{HttpRoute, Resource, VirtualService};
use crate::{Mesh, RouteId, RouteKey};

use super::fault::Change;
use super::routes::Http;

/// The faults that end, with the time in seconds since 1970. Entries of routes that are gone or have no fault are left
/// out.
pub fn fault_expiries(mesh: &Mesh) -> Vec<(RouteKey, i64)> {
    let expiries = |(resource, service): (&Resource, &VirtualService)| {
        let key = &resource.key;
        let key = |index| RouteKey { namespace: key.namespace.clone(), name: key.name.clone(), index };
        let entries = expiries_of(resource, service).into_iter();
        entries.map(|(index, expires)| (key(index), expires)).collect::<Vec<_>>()
    };
    mesh.virtual_services().flat_map(expiries).collect()
}

/// The same of one VirtualService, by the positions of its routes.
pub fn expiries_of(resource: &Resource, service: &VirtualService) -> Vec<(usize, i64)> {
    let Some(annotation) = resource.metadata.annotations.get(FAULT_EXPIRES) else { return Vec::new() };
    let mut entries = read(annotation, &service.http);
    entries.retain(|(index, _)| service.http[*index].fault.is_some());
    entries
}

/// Carries the annotation along with a change of the routes, and sets or removes the expiry of the changed one.
pub(super) fn follow(http: &mut Http<'_>, change: &Change, expires: Option<i64>) {
    let annotation =
        http.metadata.get("annotations").and_then(|all| all.get(FAULT_EXPIRES)).and_then(Value::as_str);
    // Positions are those before the change, so routes are, too.
    let now: Vec<HttpRoute> = http.routes.iter().map(typed).collect();
    let mut before = now.clone();
    match change {
        Change::Inserted(at) => {
            before.remove(*at);
        }
        Change::Removed(at) => before.insert(*at, HttpRoute::default()),
        Change::At(_) => {}
    }
    let mut entries = annotation.map_or_else(Vec::new, |text| read(text, &before));
    let changed = match change {
        Change::Inserted(at) => {
            for (index, _) in entries.iter_mut().filter(|(index, _)| index >= at) {
                *index += 1;
            }
            *at
        }
        Change::Removed(at) => {
            entries.retain(|(index, _)| index != at);
            for (index, _) in entries.iter_mut().filter(|(index, _)| *index > *at) {
                *index -= 1;
            }
            http.routes.len()
        }
        Change::At(at) => *at,
    };
    entries.retain(|(index, _)| *index != changed);
    if let Some(expires) = expires {
        entries.push((changed, expires));
    }
    entries.sort_unstable();
    let text = write(&entries, &now);
    annotate(http.metadata, text);
}

/// A route as the model reads it; what cannot be read is another one.
fn typed(route: &Value) -> HttpRoute {
    serde_json::from_value(route.clone()).unwrap_or_default()
}

/// Positions and times of an annotation.
fn read(annotation: &str, routes: &[HttpRoute]) -> Vec<(usize, i64)> {
    let identities: Vec<_> = RouteId::all(routes).iter().map(identity).collect();
    let entry = |text: &str| {
        let (route, expires) = text.trim().rsplit_once('=')?;
        let index = match route.strip_prefix('#') {
            Some(place) => {
                let (position, known) = place.split_once('@').unwrap_or((place, ""));
                let same = identities.iter().position(|identity| !known.is_empty() && identity == known);
                same.or_else(|| position.parse().ok().filter(|index| *index < routes.len()))?
            }
            None => routes.iter().position(|other| other.name.as_deref() == Some(route))?,
        };
        Some((index, expires.parse().ok()?))
    };
    annotation.split(',').filter_map(entry).collect()
}

fn write(entries: &[(usize, i64)], routes: &[HttpRoute]) -> String {
    let ids = RouteId::all(routes);
    let entry = |(index, expires): &(usize, i64)| match &ids[*index] {
        RouteId::Name(name) if !name.is_empty() && !name.contains([',', '=', '#']) => {
            format!("{name}={expires}")
        }
        id => format!("#{index}@{}={expires}", identity(id)),
    };
    entries.iter().map(entry).collect::<Vec<_>>().join(",")
}

/// A route's identity in the annotation; empty where its name is the identity and cannot be written.
fn identity(id: &RouteId) -> String {
    match id {
        RouteId::Name(_) => String::new(),
        RouteId::Content(hash, 0) => format!("{hash:016x}"),
        RouteId::Content(hash, place) => format!("{hash:016x}.{place}"),
    }
}

fn annotate(metadata: &mut Map<String, Value>, text: String) {
    if text.is_empty() {
        let Some(all) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return };
        // An empty mapping that was there before stays; one that is left empty goes.
        if all.remove(FAULT_EXPIRES).is_some() && all.is_empty() {
            metadata.remove("annotations");
        }
        return;
    }
    let all = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    if !all.is_object() {
        *all = Value::Object(Map::new());
    }
    all[FAULT_EXPIRES] = Value::from(text);
}
