//! Applying edits, one after the other.

use serde_json::Value;

use crate::model::Parsed;
use crate::resource::DurationString;
use crate::yaml::{Path, Segment};
use crate::{Mesh, Sources};

use super::bounds::fits;
use super::workspace::Workspace;
use super::{Edit, EditError, FieldEdit, RetrySpec, connections, expiry, fault, routes, summary, weights};

/// Longest summary, in bytes.
const SUMMARY: usize = 1000;

/// What edits lead to.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The new texts. Documents that no edit named are as they were, byte for byte.
    pub sources: Sources,
    /// The new mesh, as read from them.
    pub parsed: Parsed,
    /// Edits that lead back to the old texts, byte for byte.
    pub inverse: Vec<Edit>,
    /// What was done, a phrase for each edit: `reviews: split 100/0 → 90/10`.
    pub summary: String,
}

/// Applies edits in order: all of them, or none.
///
/// What no edit names stays as it is, and the inverse brings back the rest:
///
/// ```
/// use mesh::edit::{RouteTarget, Share, apply};
/// use mesh::{Edit, RouteKey, Sources};
///
/// let text = "
/// apiVersion: networking.istio.io/v1
/// kind: VirtualService
/// metadata: {name: reviews}
/// spec:
///   hosts: [reviews] # by its short name
///   http:
///   - route:
///     - destination: {host: reviews, subset: v1}
///       weight: 100
///     - destination: {host: reviews, subset: v2}
///       weight: 0
/// ";
/// let sources = Sources::single("mesh.yaml", text);
/// let share = |subset: &str, weight| Share {
///     host: "reviews".into(),
///     subset: Some(subset.into()),
///     port: None,
///     weight,
/// };
/// let route = RouteKey { namespace: "default".into(), name: "reviews".into(), index: 0 };
/// let edit = Edit::SetWeights {
///     target: RouteTarget::Route(route),
///     shares: vec![share("v1", 90), share("v2", 10)],
/// };
/// let applied = apply(&sources, &[edit])?;
/// let changed = &applied.sources.0["mesh.yaml"];
/// assert!(changed.contains("# by its short name") && changed.contains("weight: 90"));
/// assert_eq!(apply(&applied.sources, &applied.inverse)?.sources, sources);
/// # Ok::<(), mesh::edit::EditError>(())
/// ```
pub fn apply(sources: &Sources, edits: &[Edit]) -> Result<Applied, EditError> {
    apply_to(&Mesh::parse(sources).mesh, sources, edits)
}

/// As [`apply`], for sources that were read already: `mesh` is what they say.
pub fn apply_to(mesh: &Mesh, sources: &Sources, edits: &[Edit]) -> Result<Applied, EditError> {
    fits(edits)?;
    let mut workspace = Workspace::new(sources.clone(), mesh);
    let mut phrases = String::new();
    for edit in edits {
        if phrases.len() < SUMMARY {
            phrases += if phrases.is_empty() { "" } else { "; " };
            phrases += &summary(workspace.mesh(), edit);
        }
        one(&mut workspace, edit)?;
    }
    let (sources, parsed, inverse) = workspace.finish()?;
    Ok(Applied { sources, parsed, inverse, summary: shortened(phrases) })
}

/// A summary of one line, for people.
fn shortened(mut summary: String) -> String {
    if summary.len() > SUMMARY {
        let end = (0..=SUMMARY).rev().find(|end| summary.is_char_boundary(*end)).unwrap_or(0);
        summary.truncate(end);
        summary.push('…');
    }
    summary
}

fn one(workspace: &mut Workspace, edit: &Edit) -> Result<(), EditError> {
    match edit {
        Edit::SetWeights { target, shares } => weights::set(workspace, target, shares),
        Edit::InjectFault { target, fault, .. } if target.connections().is_some() => target
            .connections()
            .map_or(Ok(()), |(kind, key)| connections::inject(workspace, kind, key, fault.as_ref())),
        Edit::InjectFault { target, only, fault, expires_at } => routes::change(workspace, target, |http| {
            let change = fault::inject(&mut http.routes, http.index, only.as_ref(), fault.as_ref());
            expiry::follow(http, &change, fault.as_ref().and(*expires_at));
            Ok(())
        }),
        Edit::SetTimeout { target, millis } => {
            routes::change_with_copies(workspace, target, |route| match millis {
                None => remove(route, "timeout"),
                Some(millis) => set_duration(route, "timeout", *millis),
            })
        }
        Edit::SetRetries { target, retries } => {
            routes::change_with_copies(workspace, target, |route| match retries {
                None => remove(route, "retries"),
                Some(retries) => set_retries(route, retries),
            })
        }
        Edit::SetFields { key, fields } => workspace.change(key, |value| {
            fields.iter().try_for_each(|FieldEdit { path, value: new }| {
                set_field(value, path, new.as_ref()).ok_or_else(|| EditError::NoField(path.clone()))
            })
        }),
        Edit::ReplaceResource { key, yaml } => workspace.replace(key, yaml),
        Edit::AddResource { file, yaml } => workspace.add(file, yaml),
        Edit::RemoveResource { key } => workspace.remove(key),
        Edit::SetFiles { files } => workspace.set_files(files.clone()),
    }
}

fn remove(map: &mut Value, key: &str) {
    if let Some(map) = map.as_object_mut() {
        map.remove(key);
    }
}

/// Writes a duration, unless what stands there is as long.
fn set_duration(map: &mut Value, key: &str, millis: u64) {
    let there = map.get(key).and_then(Value::as_str).map(|text| DurationString(text.to_owned()).parse());
    let same = there.is_some_and(|there| there.is_ok_and(|there| there.as_millis() == u128::from(millis)));
    if !same {
        map[key] = Value::from(DurationString::from_millis(millis).0);
    }
}

fn set_retries(route: &mut Value, spec: &RetrySpec) {
    if !route.get("retries").is_some_and(Value::is_object) {
        route["retries"] = Value::Object(serde_json::Map::new());
    }
    let retries = &mut route["retries"];
    retries["attempts"] = Value::from(spec.attempts);
    match spec.per_try_timeout_millis {
        Some(millis) => set_duration(retries, "perTryTimeout", millis),
        None => remove(retries, "perTryTimeout"),
    }
    match &spec.retry_on {
        Some(on) => retries["retryOn"] = Value::from(on.as_str()),
        None => remove(retries, "retryOn"),
    }
}

/// Sets one field and makes the mappings on the way to it; `None` when a step leads through something else. Removing
/// what is not there changes nothing.
fn set_field(value: &mut Value, path: &str, new: Option<&Value>) -> Option<()> {
    let path = Path::parse(path)?;
    let (last, parents) = path.0.split_last()?;
    let mut at = value;
    for segment in parents {
        at = match segment {
            Segment::Key(key) => {
                if at.is_null() {
                    *at = Value::Object(serde_json::Map::new());
                }
                let map = at.as_object_mut()?;
                if new.is_none() && !map.contains_key(key) {
                    return Some(());
                }
                map.entry(key.as_str()).or_insert(Value::Null)
            }
            Segment::Index(index) => at.as_array_mut()?.get_mut(*index)?,
        };
    }
    match (last, new) {
        (Segment::Key(key), Some(new)) => {
            if at.is_null() {
                *at = Value::Object(serde_json::Map::new());
            }
            at.as_object_mut()?.insert(key.clone(), new.clone());
        }
        (Segment::Key(key), None) => {
            if !at.is_null() {
                at.as_object_mut()?.remove(key);
            }
        }
        (Segment::Index(index), Some(new)) => {
            let list = at.as_array_mut()?;
            if *index == list.len() {
                list.push(new.clone());
            } else {
                *list.get_mut(*index)? = new.clone();
            }
        }
        (Segment::Index(index), None) => {
            let list = at.as_array_mut()?;
            if *index < list.len() {
                list.remove(*index);
            }
        }
    }
    Some(())
}
