//! Routes of connections: `spec.tcp` and `spec.tls`. Their faults are entries of an annotation.

use serde_json::{Map, Value};

use crate::RouteKey;
use crate::annotation::CONNECTION_FAULTS;
use crate::plan::compile::reset::{entries, of};
use crate::resource::{DurationString, Resource};

use super::shape::list;
use super::workspace::Workspace;
use super::{AbortSpec, DelaySpec, EditError, FaultSpec};

/// The fault of a rule of connections: a reset is an abort without a status.
pub fn connection_fault(resource: &Resource, kind: &str, index: usize) -> Option<FaultSpec> {
    let fault = of(resource, kind, index)?;
    let percent = |millionths: u32| f64::from(millionths) / 10_000.0;
    let delay = fault.delay.map(|(share, length)| DelaySpec {
        percent: percent(share),
        millis: u64::try_from(length.as_millis()).unwrap_or(u64::MAX),
    });
    let abort = (fault.reset > 0).then(|| AbortSpec { percent: percent(fault.reset), status: 0 });
    Some(FaultSpec { delay, abort })
}

/// Gives a rule this fault, in place of all that it had.
pub(super) fn inject(
    workspace: &mut Workspace,
    kind: &str,
    key: &RouteKey,
    fault: Option<&FaultSpec>,
) -> Result<(), EditError> {
    route(workspace, kind, key, |value, _| {
        let map = value.as_object_mut()?;
        let metadata = map.entry("metadata").or_insert_with(object).as_object_mut()?;
        let annotations = metadata.entry("annotations").or_insert_with(object).as_object_mut()?;
        let before = annotations.remove(CONNECTION_FAULTS);
        let before = before.as_ref().and_then(Value::as_str).unwrap_or_default();
        let others = |(_, entry): &(&str, Option<_>)| {
            !entry.as_ref().is_some_and(|entry: &crate::plan::compile::reset::Entry<'_>| {
                entry.kind == kind && entry.index == key.index
            })
        };
        let mut all: Vec<String> = entries(before).filter(others).map(|(text, _)| text.to_owned()).collect();
        let name = format!("{kind}[{}]", key.index);
        if let Some(delay) = fault.and_then(|fault| fault.delay) {
            all.push(format!(
                "{name} delay {} {}%",
                DurationString::from_millis(delay.millis),
                delay.percent
            ));
        }
        if let Some(reset) = fault.and_then(|fault| fault.abort) {
            all.push(format!("{name} reset {}%", reset.percent));
        }
        if !all.is_empty() {
            annotations.insert(CONNECTION_FAULTS.to_owned(), Value::from(all.join("; ")));
        } else if annotations.is_empty() {
            metadata.remove("annotations");
        }
        Some(())
    })
}

fn object() -> Value {
    Value::Object(Map::new())
}

/// Changes a document that has this rule; the rule's destinations are given, too, and put back.
pub(super) fn route(
    workspace: &mut Workspace,
    kind: &str,
    key: &RouteKey,
    change: impl FnOnce(&mut Value, &mut Vec<Value>) -> Option<()>,
) -> Result<(), EditError> {
    workspace.change(&key.resource(), |value| {
        let missing = || EditError::NoRoute(key.clone());
        let path = format!("/spec/{kind}/{}", key.index);
        let before = list(value.pointer(&path).ok_or_else(missing)?.get("route"));
        let mut destinations = before.clone();
        change(value, &mut destinations).ok_or_else(missing)?;
        if destinations != before {
            value.pointer_mut(&path).ok_or_else(missing)?["route"] = Value::Array(destinations);
        }
        Ok(())
    })
}
