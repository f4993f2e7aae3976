//! Changes written to the cluster, each as small as can be: what is new by server-side apply, what is there by a patch of what changes
//! with a test of what was there before, what goes with its uid and version. Nothing is ever forced.

use std::collections::HashMap;

use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, Status};
use kube::{Api, Client, Error};
use mesh::{Kind, ResourceKey};
use serde_json::{Value, json};

use crate::MANAGER;
use crate::connect::Connection;
use crate::discover::Served;
use crate::kind;
use crate::mirror::Objects;
use crate::object::Object;
use crate::order::Change;
use crate::patch::{self, Operation};

/// How often a change is merged with another one that came in between.
const TRIES: usize = 4;
/// Where an object has its version.
pub const VERSION: &str = "/metadata/resourceVersion";

/// Writes to the cluster.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    kinds: HashMap<Kind, ApiResource>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

/// What one write asks the server for.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// A new object, by server-side apply.
    Apply(Value),
    /// A patch of what is there.
    Patch(Vec<Operation>),
    /// It goes, if it still is what is known.
    Delete(Preconditions),
}

impl Call {
    /// What a change asks for, of an object as it is known; `None` where there is nothing to do.
    pub fn of(change: &Change, known: Option<&Object>) -> Result<Option<Self>, Why> {
        match (&change.before, &change.after, known) {
            (None, None, _) | (Some(_), None, None) => Ok(None),
            (None, Some(after), None) => Ok(Some(Self::Apply(after.clone()))),
            (_, Some(after), Some(known)) if known.says(after) => Ok(None),
            (None, Some(_), Some(_)) => Err(Why::Conflict(vec!["an object of this name".to_owned()])),
            (Some(_), Some(_), None) => {
                Err(Why::Conflict(vec!["the whole object: it was deleted".to_owned()]))
            }
            (Some(before), Some(after), Some(known)) => {
                let Some(merged) = patch::merge(before, after, &known.value) else {
                    return Err(Why::Conflict(conflicts(before, after, &known.value)));
                };
                let mut operations = patch::diff(&known.value, &merged);
                if operations.is_empty() {
                    return Ok(None);
                }
                // A version that is not the newest is refused as a conflict.
                operations.push(Operation::Replace {
                    path: VERSION.to_owned(),
                    value: json!(known.resource_version),
                });
                Ok(Some(Self::Patch(operations)))
            }
            (Some(before), None, Some(known)) if known.says(before) => {
                Ok(Some(Self::Delete(Preconditions {
                    resource_version: Some(known.resource_version.clone()),
                    uid: Some(known.uid.clone()),
                })))
            }
            (Some(before), None, Some(known)) => {
                Err(Why::Conflict(conflicts(before, &Value::Null, &known.value)))
            }
        }
    }
}

/// A write that was not made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct Refused {
    /// Of which object.
    pub key: ResourceKey,
    /// Why.
    pub why: Why,
}

/// Why a write is not made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Why {
    /// Someone else changed the same fields.
    #[error("{} changed in the cluster meanwhile", .0.join(", "))]
    Conflict(Vec<String>),
    /// The server or a webhook says no; in its words, with the fields that it names.
    #[error("{message}")]
    Invalid {
        /// Its words.
        message: String,
        /// Fields and what is said of each.
        causes: Vec<(String, String)>,
    },
    /// It may not be written.
    #[error("{0}")]
    Forbidden(String),
    /// The server does not have the kind.
    #[error("the cluster has no {0}: its CRD is not installed")]
    NoKind(Kind),
    /// The server does not answer, or not now.
    #[error("{0}")]
    Unreachable(String),
}

impl Why {
    /// Whether the same may be asked again later.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

impl Writer {
    /// A writer of these kinds.
    pub fn new(client: Client, kinds: HashMap<Kind, ApiResource>) -> Self {
        Self { client, kinds }
    }

    /// A writer of all kinds that a server serves.
    pub fn of(connection: &Connection, served: &Served) -> Self {
        let kinds = kind::Kind::ISTIO.into_iter();
        let kinds = kinds.filter_map(|it| Some((Kind::from(it.name().to_owned()), served.resource(it)?)));
        Self::new(connection.client.clone(), kinds.collect())
    }

    /// Asks the server whether it would take all of these changes, and writes nothing.
    pub async fn check(&self, changes: &[Change], objects: &Objects) -> Vec<Refused> {
        let checks =
            changes.iter().map(|change| self.put(change, objects.get(&change.key).map(AsRef::as_ref), true));
        join_all(checks).await.into_iter().filter_map(Result::err).collect()
    }

    /// Makes one change; the object as it is then, `None` where it is gone or nothing was to be done. A change that came in between is
    /// kept where it was of other fields.
    pub async fn write(&self, change: &Change, known: Option<&Object>) -> Result<Option<Object>, Refused> {
        self.put(change, known, false).await
    }

    /// Makes others the owners of an object's fields again; `None` where it has changed meanwhile.
    pub async fn give_back(&self, object: &Object, managed: &[ManagedFieldsEntry]) -> Option<Object> {
        let resource = self.kinds.get(&object.key.kind)?;
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &object.key.namespace, resource);
        let operations = json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": managed},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": object.resource_version},
        ]);
        let operations = serde_json::from_value(operations).ok()?;
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patched = api.patch(&object.key.name, &params, &Patch::Json::<()>(operations)).await;
        patched.ok().and_then(|it| Object::of(object.key.kind.clone(), it))
    }

    async fn put(
        &self,
        change: &Change,
        known: Option<&Object>,
        dry_run: bool,
    ) -> Result<Option<Object>, Refused> {
        let refused = |why| Refused { key: change.key.clone(), why };
        let Some(resource) = self.kinds.get(&change.key.kind) else {
            return Err(refused(Why::NoKind(change.key.kind.clone())));
        };
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &change.key.namespace, resource);
        let mut known = known.cloned();
        let mut last = None;
        for _ in 0..TRIES {
            match self.once(&api, resource, change, known.as_ref(), dry_run).await {
                Ok(object) => return Ok(object.and_then(|it| Object::of(change.key.kind.clone(), it))),
                Err(Failed::Stale) => {
                    // Who may watch objects may not always get one.
                    let named = ListParams::default().fields(&format!("metadata.name={}", change.key.name));
                    let now = api.list(&named).await.map_err(|error| refused(why(&error)))?;
                    known =
                        now.items.into_iter().next().and_then(|it| Object::of(change.key.kind.clone(), it));
                }
                Err(Failed::For(why)) => return Err(refused(why)),
                Err(Failed::Unknown(error)) => {
                    last = Some(why(&error));
                    break;
                }
            }
        }
        Err(refused(
            last.unwrap_or_else(|| Why::Unreachable("the object changes too fast to be written".to_owned())),
        ))
    }

    async fn once(
        &self,
        api: &Api<DynamicObject>,
        resource: &ApiResource,
        change: &Change,
        known: Option<&Object>,
        dry_run: bool,
    ) -> Result<Option<DynamicObject>, Failed> {
        let name = &change.key.name;
        match Call::of(change, known).map_err(Failed::For)? {
            None => Ok(None),
            Some(Call::Apply(mut object)) => {
                object["apiVersion"] = json!(resource.api_version);
                object["metadata"]["namespace"] = json!(change.key.namespace);
                let mut params = PatchParams::apply(MANAGER).validation_strict();
                params.dry_run = dry_run;
                let applied = api.patch(name, &params, &Patch::Apply(&object)).await;
                applied.map(Some).map_err(Failed::of)
            }
            Some(Call::Patch(operations)) => {
                let operations = serde_json::to_value(operations).and_then(serde_json::from_value);
                let Ok(operations) = operations else { return Ok(None) };
                let strict = PatchParams::default().validation_strict();
                let params = PatchParams { dry_run, field_manager: Some(MANAGER.to_owned()), ..strict };
                let patched = api.patch(name, &params, &Patch::Json::<()>(operations)).await;
                patched.map(Some).map_err(Failed::of)
            }
            Some(Call::Delete(preconditions)) => {
                let mut params = DeleteParams::background().preconditions(preconditions);
                params.dry_run = dry_run;
                match api.delete(name, &params).await {
                    Ok(_) => Ok(None),
                    Err(Error::Api(status)) if status.code == 404 => Ok(None),
                    Err(error) => Err(Failed::of(error)),
                }
            }
        }
    }
}

/// The fields that a change and the cluster both changed.
fn conflicts(before: &Value, after: &Value, now: &Value) -> Vec<String> {
    let ours = patch::owned_fields(&patch::diff(before, after));
    let theirs = patch::owned_fields(&patch::diff(before, now));
    let both: Vec<String> = ours.iter().filter(|it| theirs.contains(it)).map(|it| field(it)).collect();
    if both.is_empty() { theirs.iter().map(|it| field(it)).collect() } else { both }
}

/// A pointer as people write fields: `/spec/http` is `spec.http`.
pub fn field(pointer: &str) -> String {
    pointer
        .split('/')
        .skip(1)
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect::<Vec<_>>()
        .join(".")
}

enum Failed {
    /// The object is another by now.
    Stale,
    For(Why),
    Unknown(Error),
}

impl Failed {
    fn of(error: Error) -> Self {
        match error {
            // 422 by a `test`: the value is another, which the version would have told too.
            Error::Api(status) if status.code == 409 && status.reason == "Conflict" && !applies(&status) => {
                Self::Stale
            }
            error => Self::Unknown(error),
        }
    }
}

/// Whether a conflict is one of server-side apply: about fields, not versions.
fn applies(status: &Status) -> bool {
    status.details.iter().flat_map(|it| &it.causes).any(|it| it.reason == "FieldManagerConflict")
}

fn why(error: &Error) -> Why {
    let Error::Api(status) = error else { return Why::Unreachable(crate::words::of(error)) };
    let causes: Vec<_> = status.details.iter().flat_map(|it| &it.causes).collect();
    match status.code {
        403 if status.reason == "Forbidden" && !status.message.contains("admission webhook") => {
            Why::Forbidden(status.message.clone())
        }
        409 if applies(status) => {
            Why::Conflict(causes.iter().map(|it| it.field.trim_start_matches('.').to_owned()).collect())
        }
        400..=499 if !matches!(status.code, 401 | 408 | 429) => Why::Invalid {
            message: brief(&status.message),
            causes: causes.iter().map(|it| cause(&it.field, &it.message)).collect(),
        },
        _ => Why::Unreachable(status.message.clone()),
    }
}

/// A field and what is said of it. What the server says of a patch as a whole is about the field that it names, and repeats the object.
fn cause(field: &str, message: &str) -> (String, String) {
    if let Some((_, said)) = message.rsplit_once("strict decoding error: ") {
        let unknown = said.split('"').nth(1).filter(|_| said.starts_with("unknown field"));
        return (unknown.unwrap_or_default().to_owned(), brief(said));
    }
    (field.to_owned(), brief(message))
}

/// Bytes of a value that are repeated.
const REPEATED: usize = 100;
/// Characters of what a server says.
const SAID: usize = 600;

/// What a server says, without the whole object in it.
fn brief(message: &str) -> String {
    let mut text = message.to_owned();
    if let Some((before, rest)) = message.split_once("Invalid value: \"")
        && let Some((value, after)) = rest.rsplit_once("\": ")
        && value.len() > REPEATED
    {
        text = format!("{before}{after}");
    }
    match text.char_indices().nth(SAID) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_about_a_field() {
        let object = format!("{{\\\"spec\\\":\\\"{}\\\"}}", "x".repeat(500));
        let strict =
            format!("Invalid value: \"{object}\": strict decoding error: unknown field \"spec.bogus\"");
        let said = ("spec.bogus".to_owned(), "unknown field \"spec.bogus\"".to_owned());
        assert_eq!(cause("patch", &strict), said);
        let short = "Invalid value: \"x\": must be a number";
        assert_eq!(cause("spec.a", short), ("spec.a".to_owned(), short.to_owned()));
        let long = format!("Invalid value: \"{object}\": too many routes");
        assert_eq!(cause("spec.http", &long), ("spec.http".to_owned(), "too many routes".to_owned()));
        assert!(brief(&"é".repeat(5_000)).chars().count() <= SAID + 1);
    }
}
