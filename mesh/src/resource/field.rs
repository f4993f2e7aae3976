//! Fields of messages from values and to them.
//!
//! One loop for all messages: each shows it a list of names and a list of fields. The same lists are walked for validation. A derived
//! reader would name no place of a wrong value behind flattened fields, and would not take zero values for absent ones.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::scalar::DurationString;
use super::service::IntOrString;
use super::walk::{At, Leaf, Walk, camel_case};
use crate::yaml::{Path, Segment};

/// Fields of a message that Meshwright does not understand, as they stand.
pub type Extra = BTreeMap<String, serde_json::Value>;

/// Where a value is not of the type that stands there.
///
/// It is boxed: what hands it on mostly has nothing to hand on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` must be {}", self.path(), self.expected())]
pub(crate) struct Wrong(Box<Misfit>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Misfit {
    /// From the inside out.
    path: Vec<Segment>,
    expected: &'static str,
}

impl Wrong {
    #[cold]
    pub(crate) fn new(expected: &'static str) -> Self {
        Self(Box::new(Misfit { path: Vec::new(), expected }))
    }

    fn within(mut self, segment: Segment) -> Self {
        self.0.path.push(segment);
        self
    }

    /// The place, within the value that was read.
    pub(crate) fn path(&self) -> Path {
        Path(self.0.path.iter().rev().cloned().collect())
    }

    /// What must stand there, in words.
    pub(crate) fn expected(&self) -> &'static str {
        self.0.expected
    }
}

/// What stands in a field, an entry of a list or of a map.
pub(crate) trait Typed: Default + Walk {
    /// Takes a value into one that is fresh. Read in place, a message is not moved from hand to hand on its way into the
    /// resource, which takes more code than all the reading.
    fn fill(&mut self, value: &Value) -> Result<(), Wrong>;

    /// Reads a value.
    fn read(value: &Value) -> Result<Self, Wrong> {
        let mut read = Self::default();
        read.fill(value)?;
        Ok(read)
    }

    /// The value as it is written.
    fn write(&self) -> Value;

    /// Whether it is a scalar's zero value.
    fn is_zero(&self) -> bool {
        false
    }
}

/// A field of a message: optional or a collection.
pub(crate) trait Field: Walk {
    /// Takes a value in.
    fn take(&mut self, value: &Value) -> Result<(), Wrong>;

    /// What is written; nothing where it is empty.
    fn give(&self) -> Option<Value>;

    /// Makes a scalar that has its zero value absent.
    fn forget_zero(&mut self) {}
}

/// The name of a field.
#[derive(Debug)]
pub(crate) struct Name {
    /// As the type has it.
    pub(crate) field: &'static str,
    /// Its names in YAML, the first of which is written. None: the field's own in camel case.
    pub(crate) keys: &'static [&'static str],
    /// Its zero value is a value. Otherwise that is as good as nothing.
    pub(crate) present: bool,
}

impl Name {
    fn is(&self, key: &str) -> bool {
        if !self.keys.is_empty() {
            return self.keys.contains(&key);
        }
        camel_case(self.field).eq(key.bytes())
    }

    fn written(&self) -> String {
        match self.keys.first() {
            Some(key) => (*key).to_owned(),
            None => camel_case(self.field).map(char::from).collect(),
        }
    }
}

/// Reads a message into its fields.
pub(crate) fn read(
    value: &Value,
    names: &[Name],
    fields: &mut [&mut dyn Field],
    extra: &mut Extra,
) -> Result<(), Wrong> {
    let Value::Object(map) = value else { return Err(Wrong::new("a mapping")) };
    for (key, value) in map {
        match names.iter().zip(&mut *fields).find(|(name, _)| name.is(key)) {
            Some((name, field)) => {
                field.take(value).map_err(|wrong| wrong.within(Segment::Key(key.clone())))?;
                if !name.present {
                    field.forget_zero();
                }
            }
            None => {
                extra.insert(key.clone(), value.clone());
            }
        }
    }
    Ok(())
}

/// The value of a message.
pub(crate) fn write(names: &[Name], fields: &[&dyn Field], extra: &Extra) -> Value {
    let mut map = Map::new();
    for (name, field) in names.iter().zip(fields) {
        if let Some(value) = field.give() {
            map.insert(name.written(), value);
        }
    }
    map.extend(extra.iter().map(|(key, value)| (key.clone(), value.clone())));
    Value::Object(map)
}

/// Walks over a message.
pub(crate) fn walk(
    names: &[Name],
    fields: &[&dyn Field],
    extra: &Extra,
    at: &At<'_>,
    see: &mut dyn FnMut(&At<'_>, Leaf<'_>),
) {
    for (name, field) in names.iter().zip(fields) {
        field.walk(&at.field(name.field), see);
    }
    for (key, value) in extra {
        see(&at.key(key), Leaf::Unknown(value));
    }
}

impl<T: Typed> Field for Option<T> {
    fn take(&mut self, value: &Value) -> Result<(), Wrong> {
        *self = None;
        if value.is_null() { Ok(()) } else { self.insert(T::default()).fill(value) }
    }

    fn give(&self) -> Option<Value> {
        self.as_ref().map(T::write)
    }

    fn forget_zero(&mut self) {
        self.take_if(|value| value.is_zero());
    }
}

impl<T: Typed> Field for Vec<T> {
    fn take(&mut self, value: &Value) -> Result<(), Wrong> {
        self.clear();
        list(value, &mut |item| {
            self.push(T::default());
            self.last_mut().map_or(Ok(()), |entry| entry.fill(item))
        })
    }

    fn give(&self) -> Option<Value> {
        (!self.is_empty()).then(|| Value::Array(self.iter().map(T::write).collect()))
    }
}

impl<T: Typed> Field for BTreeMap<String, T> {
    fn take(&mut self, value: &Value) -> Result<(), Wrong> {
        self.clear();
        let Value::Object(map) = value else { return Err(Wrong::new("a mapping")) };
        for (key, item) in map {
            let read = T::read(item).map_err(|wrong| wrong.within(Segment::Key(key.clone())))?;
            self.insert(key.clone(), read);
        }
        Ok(())
    }

    fn give(&self) -> Option<Value> {
        let mut map = Map::new();
        map.extend(self.iter().map(|(key, item)| (key.clone(), item.write())));
        (!map.is_empty()).then_some(Value::Object(map))
    }
}

/// Reads the entries of a list.
fn list(value: &Value, entry: &mut dyn FnMut(&Value) -> Result<(), Wrong>) -> Result<(), Wrong> {
    let Value::Array(items) = value else { return Err(Wrong::new("a list")) };
    for (index, item) in items.iter().enumerate() {
        entry(item).map_err(|wrong| wrong.within(Segment::Index(index)))?;
    }
    Ok(())
}

/// Text, which most types of the API are.
pub(crate) fn text(value: &Value) -> Result<String, Wrong> {
    value.as_str().map(str::to_owned).ok_or_else(|| Wrong::new("text"))
}

impl Typed for String {
    fn fill(&mut self, value: &Value) -> Result<(), Wrong> {
        *self = text(value)?;
        Ok(())
    }

    fn write(&self) -> Value {
        Value::from(self.as_str())
    }

    fn is_zero(&self) -> bool {
        self.is_empty()
    }
}

impl Typed for bool {
    fn fill(&mut self, value: &Value) -> Result<(), Wrong> {
        *self = value.as_bool().ok_or_else(|| Wrong::new("`true` or `false`"))?;
        Ok(())
    }

    fn write(&self) -> Value {
        Value::Bool(*self)
    }

    fn is_zero(&self) -> bool {
        !*self
    }
}

impl Typed for i64 {
    fn fill(&mut self, value: &Value) -> Result<(), Wrong> {
        *self = value.as_i64().ok_or_else(|| Wrong::new("a whole number"))?;
        Ok(())
    }

    fn write(&self) -> Value {
        Value::from(*self)
    }

    fn is_zero(&self) -> bool {
        *self == 0
    }
}

impl Typed for f64 {
    fn fill(&mut self, value: &Value) -> Result<(), Wrong> {
        *self = value.as_f64().ok_or_else(|| Wrong::new("a number"))?;
        Ok(())
    }

    fn write(&self) -> Value {
        Value::from(*self)
    }

    fn is_zero(&self) -> bool {
        *self == 0.0
    }
}

impl Typed for DurationString {
    fn fill(&mut self, value: &Value) -> Result<(), Wrong> {
        self.0.fill(value)
    }

    fn write(&self) -> Value {
        Value::from(self.0.as_str())
    }
}

impl Typed for IntOrString {
    fn fill(&mut self, value: &Value) -> Result<(), Wrong> {
        *self = match value {
            Value::String(text) => Self::String(text.clone()),
            value => Self::Int(value.as_i64().ok_or_else(|| Wrong::new("of another type"))?),
        };
        Ok(())
    }

    fn write(&self) -> Value {
        match self {
            Self::Int(number) => Value::from(*number),
            Self::String(text) => Value::from(text.as_str()),
        }
    }

    fn is_zero(&self) -> bool {
        match self {
            Self::Int(number) => *number == 0,
            Self::String(text) => text.is_empty(),
        }
    }
}
