//! The policy behind a service, for all of it, for a subset or for a port: what holds, where it comes from, and the edit that
//! changes it. Pure.
//!
//! Policies are read as they are written. As in Istio, `loadBalancer`, `connectionPool`, `outlierDetection` and `retryBudget` are whole: a
//! subset's takes the place of the rule's, and a port's own policy that of all of them. An edit that begins such a part for a subset
//! or a port takes along what held until then, so that it changes nothing but what it says.

mod change;
mod health;
mod places;
mod table;
#[cfg(test)]
mod tests;
mod typed;

use mesh::{Document, Kind, Mesh, ResourceKey, Settings, host};
use serde_json::{Map, Value};

pub use change::{balance, change, edit};
pub use table::{Field, GROUPS, Unit, fields};
pub use typed::value;

/// What a policy is for: all of the service, one of its subsets, one of its ports, or a port of a subset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// The subset.
    pub subset: Option<String>,
    /// The port.
    pub port: Option<u16>,
}

impl Scope {
    /// `subset v1, port 9080`; empty for all of the service.
    pub fn words(&self) -> String {
        let subset = self.subset.as_ref().map(|subset| format!("subset {subset}"));
        let port = self.port.map(|port| format!("port {port}"));
        let and = if subset.is_some() && port.is_some() { ", " } else { "" };
        format!("{}{and}{}", subset.unwrap_or_default(), port.unwrap_or_default())
    }
}

/// The DestinationRules of a service.
#[derive(Clone, Copy)]
pub struct Rules<'m> {
    mesh: &'m Mesh,
    /// Its fully qualified host.
    host: &'m str,
    /// Those that are for it, the first above the others.
    keys: &'m [ResourceKey],
}

/// What a field comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// What is set right here, as it is typed; empty where nothing is.
    pub own: String,
    /// What holds, in words.
    pub effective: String,
    /// Where that comes from.
    pub origin: String,
    /// It has a meaning.
    pub visible: bool,
}

/// Those of a service's resources that are its DestinationRules: those of its own host, else the one that covers it.
pub fn keys(mesh: &Mesh, settings: &Settings, resources: &[ResourceKey], service: &str) -> Vec<ResourceKey> {
    let mut keys = Vec::new();
    let mut wide = None;
    for key in resources.iter().filter(|key| key.kind == Kind::DestinationRule) {
        let named = mesh.document(key).and_then(|document| document.value("spec.host")?.as_str());
        let named = named.map(|named| host::qualify(named, &key.namespace, &settings.domain));
        if named.is_some_and(|named| named == service) {
            keys.push(key.clone());
        } else if wide.is_none() {
            wide = Some(key.clone());
        }
    }
    if keys.is_empty() {
        keys.extend(wide);
    }
    keys
}

impl<'m> Rules<'m> {
    /// The rules with these keys, of a service.
    pub fn new(mesh: &'m Mesh, host: &'m str, keys: &'m [ResourceKey]) -> Self {
        Self { mesh, host, keys }
    }

    /// What a policy can be for: the service, each subset, each of these ports, and the ports that subsets treat in their own way.
    pub fn scopes(self, ports: &[u16]) -> Vec<Scope> {
        let (mut subsets, mut both) = (Vec::new(), Vec::new());
        for (_, document) in self.documents() {
            for subset in list(document.value("spec.subsets")) {
                let Some(name) = subset.get("name").and_then(Value::as_str) else { continue };
                let name = Some(name.to_owned());
                let own = subset.get("trafficPolicy").and_then(|policy| policy.get("portLevelSettings"));
                for port in list(own).iter().filter_map(number) {
                    both.push(Scope { subset: name.clone(), port: Some(port) });
                }
                subsets.push(Scope { subset: name, port: None });
            }
        }
        let mut scopes = vec![Scope::default()];
        scopes.append(&mut subsets);
        scopes.extend(ports.iter().map(|port| Scope { subset: None, port: Some(*port) }));
        scopes.append(&mut both);
        scopes
    }

    /// Every field of the table for a scope.
    pub fn shown(self, scope: &Scope, settings: &Settings) -> Vec<Shown> {
        let layers = self.layers(scope);
        let own = self.place(scope).and_then(|place| place.value());
        let check = self.place(&Scope::default()).and_then(|place| health::read(&place));
        let checks: Vec<_> =
            check.iter().map(|check| (format!("DestinationRule {}", check.0), &check.1)).collect();
        let shown = |field: &'static Field| {
            if field.path.starts_with(table::HEALTH) {
                // It is for all of the service, and so is what edits it.
                let mut shown = table::shown(field, checks.first().map(|check| check.1), &checks);
                shown.visible &= *scope == Scope::default();
                return shown;
            }
            let mut shown = table::shown(field, own, &layers);
            if field.path == "loadBalancer" && shown.origin == table::DEFAULT {
                settings.load_balancer.name().clone_into(&mut shown.effective);
                "mesh default".clone_into(&mut shown.origin);
            }
            // A port's own policy cannot have one.
            shown.visible &= scope.port.is_none() || !field.path.starts_with("retryBudget");
            shown
        };
        fields().map(shown).collect()
    }

    fn documents(self) -> impl Iterator<Item = (&'m ResourceKey, &'m Document)> {
        self.keys.iter().filter_map(move |key| Some((key, self.mesh.document(key)?)))
    }

    /// Where a scope's own policy stands, or would; `None` without a rule.
    fn place(self, scope: &Scope) -> Option<Place<'m>> {
        let mut place = match &scope.subset {
            Some(name) => self.documents().find_map(|(key, document)| {
                let named = |subset: &Value| subset.get("name").and_then(Value::as_str) == Some(name);
                let at = list(document.value("spec.subsets")).iter().position(named)?;
                Some(Place { key, document, path: format!("spec.subsets[{at}].trafficPolicy"), new: false })
            })?,
            None => {
                let with =
                    self.documents().find(|(_, document)| document.value("spec.trafficPolicy").is_some());
                let (key, document) = with.or_else(|| self.documents().next())?;
                Place { key, document, path: "spec.trafficPolicy".to_owned(), new: false }
            }
        };
        if let Some(port) = scope.port {
            let entries = list(place.document.value(&format!("{}.portLevelSettings", place.path)));
            let at = entries.iter().position(|entry| number(entry) == Some(port));
            place.new = at.is_none();
            place.path = format!("{}.portLevelSettings[{}]", place.path, at.unwrap_or(entries.len()));
        }
        Some(place)
    }

    /// The policies that a field is looked for in, the nearest first, each with its name.
    fn layers(self, scope: &Scope) -> Vec<(String, &'m Value)> {
        let mut layers = Vec::new();
        for subset in scope.subset.iter().cloned().map(Some).chain([None]) {
            let near = Scope { subset: subset.clone(), port: scope.port };
            let own = self.place(&near).and_then(|place| place.value()).filter(|_| near.port.is_some());
            if let Some(policy) = own {
                layers.push((near.words(), policy));
                break;
            }
            let whole = Scope { port: None, ..near };
            let Some(place) = self.place(&whole) else { continue };
            let name = match whole.subset {
                Some(_) => whole.words(),
                None => format!("DestinationRule {}", place.key.name),
            };
            layers.extend(place.value().map(|policy| (name, policy)));
        }
        layers
    }
}

/// Where a policy stands.
struct Place<'m> {
    key: &'m ResourceKey,
    document: &'m Document,
    path: String,
    /// An entry for a port that is not there yet.
    new: bool,
}

impl<'m> Place<'m> {
    fn value(&self) -> Option<&'m Value> {
        self.document.value(&self.path).filter(|value| !value.is_null())
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The port that an entry of `portLevelSettings` is for.
fn number(entry: &Value) -> Option<u16> {
    u16::try_from(entry.get("port")?.get("number")?.as_u64()?).ok()
}

/// The value of a field in the first policy that has its part, and that policy's name.
fn find<'l>(layers: &'l [(String, &Value)], path: &str) -> Option<(&'l Value, &'l str)> {
    let part = path.split('.').next().unwrap_or(path);
    let (name, policy) = layers.iter().find(|(_, policy)| at(policy, part).is_some())?;
    Some((at(policy, path)?, name))
}

fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, key| value.get(key)).filter(|value| !value.is_null())
}

/// A value with another one at a path within it.
fn set(mut value: Value, path: &str, new: Value) -> Value {
    let mut at = &mut value;
    for key in path.split('.') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[key];
    }
    *at = new;
    value
}
