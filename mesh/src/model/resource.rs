//! From the value of a document to its resources.

use serde_json::Value;

use crate::resource::{Metadata, Resource, Spec};
use crate::yaml::{Path, Problem, Text};
use crate::{Kind, ResourceKey, Severity};

use super::deprecated;
use super::lenient::{self, Findings};
use super::related::Related;

/// A resource in a document.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Where it is: empty, or `items[n]` in a list.
    pub(super) path: Path,
    pub(super) resource: Resource,
    pub(super) related: Related,
}

/// The resources of a document: one, or the entries of a `List`.
pub(super) fn items(text: &Text, problems: &mut Vec<(Option<ResourceKey>, Problem)>) -> Vec<Item> {
    if text.value.is_null() {
        return Vec::new();
    }
    let entries = match &text.value {
        Value::Object(map) if is_list(map) => match map.get("items") {
            Some(Value::Array(items)) => items.as_slice(),
            _ => &[],
        },
        value => return item(text, value, Path::default(), problems).into_iter().collect(),
    };
    let list = Path::default().key("items");
    entries.iter().enumerate().filter_map(|(at, entry)| item(text, entry, list.index(at), problems)).collect()
}

fn is_list(map: &serde_json::Map<String, Value>) -> bool {
    let text = |key| map.get(key).and_then(Value::as_str).unwrap_or_default();
    // A kind of someone's own may end in `List` too; Kubernetes' lists have `items` and no `spec`.
    text("kind") == "List"
        || (text("kind").ends_with("List") && map.contains_key("items") && !map.contains_key("spec"))
}

fn item(
    text: &Text,
    value: &Value,
    path: Path,
    problems: &mut Vec<(Option<ResourceKey>, Problem)>,
) -> Option<Item> {
    let mut found = Findings { tree: &text.tree, base: path.clone(), problems: Vec::new() };
    let resource = resource(value, &mut found);
    let key = resource.as_ref().map(|resource| resource.key.clone());
    problems.extend(found.problems.into_iter().map(|problem| (key.clone(), problem)));
    resource.map(|resource| Item { path, related: Related::of(&resource), resource })
}

fn resource(value: &Value, found: &mut Findings<'_>) -> Option<Resource> {
    let root = Path::default();
    let Value::Object(map) = value else {
        found.add(
            "MW0002",
            Severity::Error,
            &root,
            "This document is not a mapping, as every resource is.".to_owned(),
        );
        return None;
    };
    let text = |key| map.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if kind.is_empty() || api_version.is_empty() {
        let missing = match (kind.is_empty(), api_version.is_empty()) {
            (true, true) => "`apiVersion` and `kind` are",
            (true, false) => "`kind` is",
            _ => "`apiVersion` is",
        };
        let message = format!("{missing} missing: this is not a resource, and it is kept as it is.");
        found.add("MW0002", Severity::Error, &root, message);
        return None;
    }
    let kind = qualified(api_version, kind);
    let metadata: Metadata = lenient::typed(map.get("metadata"), &root.key("metadata"), found);
    let name = metadata.name.clone().unwrap_or_default();
    if name.is_empty() && !matches!(kind, Kind::Other(_)) {
        let message = format!("`metadata.name` is missing: the {kind} cannot be applied.");
        found.add("MW0002", Severity::Error, &root.key("metadata"), message);
    }
    let namespace = metadata.namespace.clone().filter(|namespace| !namespace.is_empty());
    let key = ResourceKey::new(kind, namespace.unwrap_or_else(|| "default".to_owned()), name);
    let spec = spec(&key.kind, value, found);
    let mut resource = Resource { key, api_version: api_version.to_owned(), metadata, spec };
    deprecated::look(&mut resource, value, found);
    Some(resource)
}

fn spec(kind: &Kind, value: &Value, found: &mut Findings<'_>) -> Spec {
    let (spec, at) = (value.get("spec"), Path::default().key("spec"));
    match kind {
        Kind::VirtualService => Spec::VirtualService(Box::new(lenient::typed(spec, &at, found))),
        Kind::DestinationRule => Spec::DestinationRule(Box::new(lenient::typed(spec, &at, found))),
        Kind::ServiceEntry => Spec::ServiceEntry(Box::new(lenient::typed(spec, &at, found))),
        Kind::Gateway => Spec::Gateway(Box::new(lenient::typed(spec, &at, found))),
        Kind::WorkloadEntry => Spec::WorkloadEntry(Box::new(lenient::typed(spec, &at, found))),
        Kind::Service => Spec::Service(Box::new(lenient::typed(spec, &at, found))),
        Kind::Other(_) => Spec::Unknown(value.clone()),
    }
}

/// The kind of a document. Kinds of other groups that share a name with ours (`gateway.networking.k8s.io` has a Gateway)
/// are told apart as kubectl does, by `Kind.group`.
fn qualified(api_version: &str, kind: &str) -> Kind {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    match Kind::from(kind.to_owned()) {
        Kind::Other(name) => Kind::Other(name),
        Kind::Service if group.is_empty() => Kind::Service,
        known if known != Kind::Service && group == "networking.istio.io" => known,
        _ => Kind::Other(format!("{kind}.{group}")),
    }
}
