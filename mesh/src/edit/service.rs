//! A service that no VirtualService names yet: its default route is made when it is first edited.

use serde_json::{Value, json};

use crate::resource::{DestinationRule, HttpRoute, Resource, VirtualService};
use crate::{Kind, Mesh, ResourceKey, RouteKey, host, yaml};

use super::shape::list;
use super::workspace::Workspace;
use super::{Edit, EditError, RouteTarget, Share, fault};

const API_VERSION: &str = "networking.istio.io/v1";

/// What a fully qualified host says of its service.
struct Named {
    /// What the service is called within its namespace: the host, when it is no service of Kubernetes.
    host: String,
    namespace: String,
    domain: String,
}

/// The default route of a service, made where it is missing: the first route without a match, in the VirtualService that
/// has the host and applies to the mesh.
pub(super) fn default_route(workspace: &mut Workspace, service: &str) -> Result<RouteKey, EditError> {
    let named = named(workspace.mesh(), service);
    let found = virtual_service(workspace.mesh(), service, &named.domain).map(|(resource, spec)| {
        let plain =
            |route: &HttpRoute| route.r#match.is_empty() && !fault::is_fault_copy(route.name.as_deref());
        (resource.key.clone(), spec.http.iter().position(plain), spec.http.len())
    });
    let route_key = |key: &ResourceKey, index| RouteKey {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        index,
    };
    let route = json!({ "route": [{ "destination": { "host": named.host } }] });
    match found {
        Some((key, Some(index), _)) => Ok(route_key(&key, index)),
        Some((key, None, count)) => {
            workspace.change(&key, |value| {
                let mut routes = list(value.pointer("/spec/http"));
                routes.push(route);
                match value.get_mut("spec").and_then(Value::as_object_mut) {
                    Some(spec) => {
                        spec.insert("http".to_owned(), Value::Array(routes));
                        Ok(())
                    }
                    None => Err(EditError::NoResource(key.clone())),
                }
            })?;
            Ok(route_key(&key, count))
        }
        None => {
            let key = free_key(workspace.mesh(), Kind::VirtualService, &named);
            let spec = json!({ "hosts": [named.host], "http": [route] });
            create(workspace, service, &named, &key, &spec)?;
            Ok(route_key(&key, 0))
        }
    }
}

/// Adds the subsets that new destinations name and no DestinationRule has. Their instances are those whose label
/// `version` is the subset's name.
pub(super) fn ensure_subsets(
    workspace: &mut Workspace,
    target: &RouteTarget,
    added: &[Share],
) -> Result<(), EditError> {
    for share in added {
        let Some(subset) = &share.subset else { continue };
        let service = qualified(workspace.mesh(), target, &share.host);
        let named = named(workspace.mesh(), &service);
        let rules: Vec<_> = destination_rules(workspace.mesh(), &service, &named.domain)
            .map(|(resource, rule)| (resource.key.clone(), has_subset(rule, subset)))
            .collect();
        if rules.iter().any(|(_, has)| *has) {
            continue;
        }
        let entry = json!({ "name": subset, "labels": { "version": subset } });
        match rules.first() {
            Some((key, _)) => workspace.change(key, |value| {
                let mut subsets = list(value.pointer("/spec/subsets"));
                subsets.push(entry);
                if let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) {
                    spec.insert("subsets".to_owned(), Value::Array(subsets));
                }
                Ok(())
            })?,
            None => {
                let key = free_key(workspace.mesh(), Kind::DestinationRule, &named);
                let spec = json!({ "host": named.host, "subsets": [entry] });
                create(workspace, &service, &named, &key, &spec)?;
            }
        }
    }
    Ok(())
}

fn has_subset(rule: &DestinationRule, subset: &str) -> bool {
    rule.subsets.iter().any(|one| one.name.as_deref() == Some(subset))
}

/// The fully qualified host of a share of a target.
fn qualified(mesh: &Mesh, target: &RouteTarget, of: &str) -> String {
    match target {
        RouteTarget::Service(service) => {
            let named = named(mesh, service);
            host::qualify(of, &named.namespace, &named.domain).into_owned()
        }
        // The domain is the mesh's and compares with itself only.
        RouteTarget::Route(key) | RouteTarget::Tcp(key) | RouteTarget::Tls(key) => {
            host::qualify(of, &key.namespace, "cluster.local").into_owned()
        }
    }
}

/// The parts of a fully qualified host. One that Kubernetes did not make is its own name, in the namespace of the
/// ServiceEntry that has it.
fn named(mesh: &Mesh, service: &str) -> Named {
    let parts: Vec<&str> = service.splitn(4, '.').collect();
    if let [name, namespace, "svc", domain] = parts.as_slice() {
        return Named {
            host: (*name).to_owned(),
            namespace: (*namespace).to_owned(),
            domain: (*domain).to_owned(),
        };
    }
    let entry = mesh.service_entries().find(|(_, entry)| entry.hosts.iter().any(|host| host == service));
    let namespace =
        entry.map_or_else(|| "default".to_owned(), |(resource, _)| resource.key.namespace.clone());
    Named { host: service.to_owned(), namespace, domain: "cluster.local".to_owned() }
}

fn virtual_service<'m>(
    mesh: &'m Mesh,
    service: &str,
    domain: &str,
) -> Option<(&'m Resource, &'m VirtualService)> {
    mesh.virtual_services().find(|(resource, spec)| {
        let in_mesh = host::in_mesh(&spec.gateways);
        let own = |host: &String| host::qualify(host, &resource.key.namespace, domain) == service;
        in_mesh && spec.hosts.iter().any(own)
    })
}

fn destination_rules<'m>(
    mesh: &'m Mesh,
    service: &'m str,
    domain: &'m str,
) -> impl Iterator<Item = (&'m Resource, &'m DestinationRule)> {
    mesh.destination_rules().filter(move |(resource, rule)| {
        rule.host
            .as_deref()
            .is_some_and(|host| host::qualify(host, &resource.key.namespace, domain) == service)
    })
}

/// A key that no resource has: the service's name, with a number where it is taken.
fn free_key(mesh: &Mesh, kind: Kind, named: &Named) -> ResourceKey {
    let name: String =
        named.host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let name = name.trim_matches(['-', '.']).to_ascii_lowercase();
    let names = std::iter::once(name.clone()).chain((2..).map(|number| format!("{name}-{number}")));
    let mut keys = names.map(|name| ResourceKey::new(kind.clone(), named.namespace.as_str(), name));
    // The names never end, and a mesh has an end.
    keys.find(|key| mesh.document(key).is_none()).unwrap_or_else(|| ResourceKey::new(kind, "default", name))
}

/// The edit that gives a service a DestinationRule with this `trafficPolicy` and these annotations.
pub fn add_rule(mesh: &Mesh, service: &str, policy: Option<Value>, annotations: Option<Value>) -> Edit {
    let named = named(mesh, service);
    let key = free_key(mesh, Kind::DestinationRule, &named);
    let mut spec = json!({ "host": named.host });
    if let Some(policy) = policy {
        spec["trafficPolicy"] = policy;
    }
    let (file, yaml) = new(mesh, service, &named, &key, &spec, annotations);
    Edit::AddResource { file, yaml }
}

fn create(
    workspace: &mut Workspace,
    service: &str,
    named: &Named,
    key: &ResourceKey,
    spec: &Value,
) -> Result<(), EditError> {
    let (file, yaml) = new(workspace.mesh(), service, named, key, spec, None);
    workspace.add(&file, &yaml)
}

/// The file and the text of a new resource of a service.
fn new(
    mesh: &Mesh,
    service: &str,
    named: &Named,
    key: &ResourceKey,
    spec: &Value,
    annotations: Option<Value>,
) -> (String, String) {
    let mut metadata = json!({ "name": key.name });
    if key.namespace != "default" {
        metadata["namespace"] = Value::from(key.namespace.as_str());
    }
    if let Some(annotations) = annotations {
        metadata["annotations"] = annotations;
    }
    let value =
        json!({ "apiVersion": API_VERSION, "kind": key.kind.as_str(), "metadata": metadata, "spec": spec });
    (home(mesh, service, named, key), yaml::document(&value))
}

/// The file for a new resource of a service: where its other traffic rules are, else a file of its own beside the
/// service's other resources; the only file of a mesh that has one.
fn home(mesh: &Mesh, service: &str, named: &Named, key: &ResourceKey) -> String {
    let file_of = |key: &ResourceKey| mesh.document(key).map(|document| document.file().to_owned());
    let mut files: Vec<&str> = mesh.documents().iter().map(crate::Document::file).collect();
    files.dedup();
    if let [only] = files.as_slice() {
        return (*only).to_owned();
    }
    let rules = destination_rules(mesh, service, &named.domain).map(|(resource, _)| resource);
    let services = virtual_service(mesh, service, &named.domain).map(|(resource, _)| resource);
    if let Some(file) = rules.chain(services).find_map(|resource| file_of(&resource.key)) {
        return file;
    }
    let entry = mesh.service_entries().find(|(_, entry)| entry.hosts.iter().any(|host| host == service));
    let kubernetes = ResourceKey::new(Kind::Service, named.namespace.as_str(), named.host.as_str());
    let beside = entry.and_then(|(resource, _)| file_of(&resource.key)).or_else(|| file_of(&kubernetes));
    let folder = beside.as_deref().and_then(|file| file.rsplit_once('/')).map_or("", |(folder, _)| folder);
    let separator = if folder.is_empty() { "" } else { "/" };
    format!("{folder}{separator}{}.yaml", key.name)
}
