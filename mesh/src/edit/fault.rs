//! Faults of routes, and the copies of a route that carry one for some requests only.
//!
//! A fault acts on all requests of a route. For those with a header alone, a copy of the route stands right in front of
//! it, with the header in each of its matches and a name that begins with [`COPY_PREFIX`]. Edits of the route are made on
//! its copies, too, and removing the fault removes the copy.

use serde_json::{Value, json};

use crate::resource::DurationString;

use super::shape::{list, name};
use super::{FaultSpec, HeaderEquals};

/// How the names of copies begin; the header and its value follow.
pub const COPY_PREFIX: &str = "meshwright-fault-";

/// Whether a route of this name is such a copy.
pub fn is_fault_copy(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.starts_with(COPY_PREFIX))
}

/// What injecting did to the list of routes.
pub(super) enum Change {
    /// Nothing, or something on the route at this position.
    At(usize),
    /// A copy was put at this position.
    Inserted(usize),
    /// The copy at this position was removed.
    Removed(usize),
}

/// Injects or removes a fault of the route at `index`.
pub(super) fn inject(
    routes: &mut Vec<Value>,
    index: usize,
    only: Option<&HeaderEquals>,
    fault: Option<&FaultSpec>,
) -> Change {
    let own = only.is_none_or(|only| requires(&routes[index], only));
    let at = if own { Some(index) } else { only.and_then(|only| find_copy(routes, index, only)) };
    match (at, only, fault) {
        (Some(at), _, Some(fault)) => {
            set(&mut routes[at], fault);
            Change::At(at)
        }
        (None, Some(only), Some(fault)) => {
            let mut copy = copy(&routes[index], only);
            set(&mut copy, fault);
            routes.insert(index, copy);
            Change::Inserted(index)
        }
        (Some(at), _, None) if is_fault_copy(Some(name(&routes[at]))) => {
            routes.remove(at);
            Change::Removed(at)
        }
        (Some(at), _, None) => {
            if let Some(route) = routes[at].as_object_mut() {
                route.remove("fault");
            }
            Change::At(at)
        }
        // There is no such fault to remove.
        (None, _, _) => Change::At(index),
    }
}

/// The positions of a route and of its copies.
pub(super) fn with_copies(routes: &[Value], index: usize) -> Vec<usize> {
    let mut all = vec![index];
    if !is_fault_copy(Some(name(&routes[index]))) {
        all.extend(copies(routes, index));
    }
    all
}

/// The positions of the copies in front of a route, from the nearest.
fn copies(routes: &[Value], index: usize) -> impl Iterator<Item = usize> {
    (0..index).rev().take_while(|at| is_fault_copy(Some(name(&routes[*at]))))
}

fn find_copy(routes: &[Value], index: usize, only: &HeaderEquals) -> Option<usize> {
    copies(routes, index).find(|at| requires(&routes[*at], only))
}

/// Whether a route only ever matches requests with this header.
fn requires(route: &Value, only: &HeaderEquals) -> bool {
    let matches = list(route.get("match"));
    let has = |one: &Value| {
        let headers = one.get("headers").and_then(Value::as_object);
        headers.is_some_and(|headers| {
            headers.iter().any(|(header, value)| {
                header.eq_ignore_ascii_case(&only.name)
                    && value.get("exact").and_then(Value::as_str) == Some(&only.value)
            })
        })
    };
    !matches.is_empty() && matches.iter().all(has)
}

/// A copy of a route for requests with a header.
fn copy(route: &Value, only: &HeaderEquals) -> Value {
    let mut copy = route.clone();
    let mut matches = list(route.get("match"));
    if matches.is_empty() {
        matches.push(json!({}));
    }
    for one in &mut matches {
        if !one.is_object() {
            *one = json!({});
        }
        part(one, "headers")[&only.name] = json!({ "exact": only.value });
    }
    copy["match"] = Value::Array(matches);
    copy["name"] = Value::from(format!("{COPY_PREFIX}{}-{}", slug(&only.name), slug(&only.value)));
    copy
}

fn slug(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' }).collect()
}

/// Writes a fault into a route; fields that say the same already stay as they are.
fn set(route: &mut Value, spec: &FaultSpec) {
    let fault = part(route, "fault");
    match &spec.delay {
        Some(delay) => {
            let there = part(fault, "delay");
            let millis = there.get("fixedDelay").and_then(Value::as_str);
            let same = millis.map(|text| DurationString(text.to_owned()).parse());
            if !same.is_some_and(|same| same.is_ok_and(|same| same.as_millis() == u128::from(delay.millis))) {
                there["fixedDelay"] = Value::from(DurationString::from_millis(delay.millis).0);
            }
            remove(there, &["exponentialDelay"]);
            set_percent(there, delay.percent);
        }
        None => remove(fault, &["delay"]),
    }
    match &spec.abort {
        Some(abort) => {
            let there = part(fault, "abort");
            there["httpStatus"] = Value::from(abort.status);
            remove(there, &["grpcStatus", "http2Error"]);
            set_percent(there, abort.percent);
        }
        None => remove(fault, &["abort"]),
    }
}

/// The mapping below a key, made where it is not one.
fn part<'v>(map: &'v mut Value, key: &str) -> &'v mut Value {
    if !map.get(key).is_some_and(Value::is_object) {
        map[key] = json!({});
    }
    &mut map[key]
}

/// The percentage in its present form; an integer `percent` that says the same stays.
fn set_percent(of: &mut Value, percent: f64) {
    let written = of.pointer("/percentage/value").or_else(|| of.get("percent")).and_then(Value::as_f64);
    if written == Some(percent) {
        return;
    }
    remove(of, &["percent"]);
    let whole = percent.fract() == 0.0 && percent.abs() <= 1e9;
    // Whole, and small enough for any integer.
    part(of, "percentage")["value"] = if whole { Value::from(percent as i64) } else { Value::from(percent) };
}

fn remove(value: &mut Value, keys: &[&str]) {
    if let Some(map) = value.as_object_mut() {
        for key in keys {
            map.remove(*key);
        }
    }
}
