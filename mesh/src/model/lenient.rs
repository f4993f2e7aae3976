//! Reading a value as a type without failing: a field of the wrong type is mended or left out, and told of.

use serde_json::Value;

use crate::resource::field::{Typed, Wrong};
use crate::yaml::{Path, Problem, Remedy, Segment, Tree};
use crate::{Severity, yaml};

/// What is found on the way.
pub(super) struct Findings<'t> {
    pub(super) tree: &'t Tree,
    /// Where the resource is in the document. Paths of findings are within the resource.
    pub(super) base: Path,
    pub(super) problems: Vec<Problem>,
}

impl Findings<'_> {
    pub(super) fn add(&mut self, code: &'static str, severity: Severity, path: &Path, message: String) {
        self.add_with(code, severity, path, message, None);
    }

    /// Adds a finding that some fields with other values mend.
    pub(super) fn add_with(
        &mut self,
        code: &'static str,
        severity: Severity,
        path: &Path,
        message: String,
        fix: Option<(&'static str, Vec<(Path, Option<Value>)>)>,
    ) {
        let offset = self.tree.offset(&self.base.join(path));
        let fix = fix.map(|(title, fields)| (title.into(), Remedy::Fields(fields)));
        self.problems.push(Problem {
            code,
            severity,
            path: path.clone(),
            offset,
            message: message.into(),
            fix,
        });
    }
}

/// More wrong fields than this in one resource are not mended one by one.
const MOST: usize = 200;
/// Each turn looks at the whole resource again. A large one has fewer turns, so that all of them look at this many nodes.
const WORK: usize = 5_000_000;

/// The value at `base` (within the resource) as a `T`. What cannot be read as its type is left out.
pub(super) fn typed<T: Typed>(value: Option<&Value>, base: &Path, found: &mut Findings<'_>) -> T {
    let mut read = T::default();
    let mut attempt = |value: &Value| {
        read = T::default();
        read.fill(value)
    };
    match value {
        Some(value) if !value.is_null() && !readable(value, &mut attempt, base, found) => T::default(),
        _ => read,
    }
}

/// Attempts to read a value until nothing is wrong with it any more.
fn readable(
    value: &Value,
    attempt: &mut dyn FnMut(&Value) -> Result<(), Wrong>,
    base: &Path,
    found: &mut Findings<'_>,
) -> bool {
    let Err(mut wrong) = attempt(value) else { return true };
    let mut value = value.clone();
    let most = (WORK / found.tree.len().max(1)).clamp(10, MOST);
    for _ in 0..most {
        mend(&mut value, &wrong, attempt, base, found);
        match attempt(&value) {
            Ok(()) => return true,
            Err(next) => wrong = next,
        }
    }
    false
}

/// Makes the value at `path` readable, or takes it out.
fn mend(
    value: &mut Value,
    wrong: &Wrong,
    attempt: &mut dyn FnMut(&Value) -> Result<(), Wrong>,
    base: &Path,
    found: &mut Findings<'_>,
) {
    let (path, expected) = (&wrong.path(), wrong.expected());
    let full = base.join(path);
    let Some(wrong) = pointer(value, path).cloned() else {
        // No such place: nothing to take out, so all goes.
        *value = Value::Object(serde_json::Map::new());
        return;
    };
    for (candidate, code, message) in candidates(&wrong, &full) {
        if let Some(place) = pointer(value, path) {
            *place = candidate.clone();
        }
        if attempt(value).err().is_none_or(|next| next.path() != *path) {
            if let Some(code) = code {
                let title = if code == "MW0013" { "Make it a list" } else { "Write it as the right type" };
                let fix = Some((title, vec![(full.clone(), Some(candidate))]));
                found.add_with(code, Severity::Warning, &full, message, fix);
            }
            return;
        }
    }
    remove(value, path);
    // In Kubernetes null is as good as not there.
    if !wrong.is_null() {
        let name = full.0.last().map_or_else(String::new, last_name);
        let message = format!("{name} must be {expected}; it is left out.");
        found.add("MW0004", Severity::Error, &full, message);
    }
}

/// What may have been meant, and what to say if so.
fn candidates(wrong: &Value, path: &Path) -> Vec<(Value, Option<&'static str>, String)> {
    let name = path.0.last().map_or_else(String::new, last_name);
    let mut all = Vec::new();
    match wrong {
        Value::Object(_) => {
            let message =
                format!("{name} must be a list, but is a mapping; it is read as a list of one entry.");
            all.push((Value::Array(vec![wrong.clone()]), Some("MW0013"), message));
        }
        Value::Number(number) => {
            if let Some(whole) = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15)
            {
                // The fraction is zero and the number fits.
                all.push((Value::from(whole as i64), None, String::new()));
            }
            let message =
                format!("{name} must be text; without quotes it is a number, which Kubernetes rejects.");
            all.push((Value::String(yaml::written(number)), Some("MW0014"), message));
        }
        Value::Bool(truth) => {
            let message =
                format!("{name} must be text; without quotes it is a boolean, which Kubernetes rejects.");
            all.push((Value::String(truth.to_string()), Some("MW0014"), message));
        }
        Value::String(text) => {
            let message = format!("{name} must not be in quotes: it is text then, which Kubernetes rejects.");
            if let number @ (Value::Number(_) | Value::Bool(_)) = yaml::resolve(text) {
                all.push((number, Some("MW0014"), message));
            }
            let message =
                format!("{name} must be a list, but is a single value; it is read as a list of one entry.");
            all.push((Value::Array(vec![wrong.clone()]), Some("MW0013"), message));
        }
        Value::Null | Value::Array(_) => {}
    }
    all
}

fn last_name(segment: &Segment) -> String {
    match segment {
        Segment::Key(key) => format!("`{key}`"),
        Segment::Index(index) => format!("Entry {index}"),
    }
}

fn pointer<'v>(value: &'v mut Value, path: &Path) -> Option<&'v mut Value> {
    path.0.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get_mut(key),
        Segment::Index(index) => value.get_mut(index),
    })
}

/// Takes a field out. An entry of a list stays as an empty one, so that the numbers of the others hold.
fn remove(value: &mut Value, path: &Path) {
    let Some((last, parents)) = path.0.split_last() else {
        *value = Value::Object(serde_json::Map::new());
        return;
    };
    let Some(parent) = pointer(value, &Path(parents.to_vec())) else { return };
    match (last, parent) {
        (Segment::Key(key), Value::Object(map)) => {
            map.remove(key);
        }
        (Segment::Index(index), Value::Array(items)) => match items.get_mut(*index) {
            Some(item) if item.as_object().is_none_or(|map| !map.is_empty()) => {
                *item = Value::Object(serde_json::Map::new());
            }
            // An empty mapping would not do either: a list of text, where nothing else can stand.
            Some(_) => {
                items.remove(*index);
            }
            None => {}
        },
        _ => {}
    }
}
