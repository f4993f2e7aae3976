//! Walking over every field of a resource, for what holds wherever a kind of value stands: unknown fields, durations,
//! percentages, ports, enums.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::scalar::DurationString;
use super::service::IntOrString;

/// A place within a resource. A chain on the stack: nothing is allocated until it is printed.
#[derive(Debug, Clone, Copy)]
pub enum At<'p> {
    /// The first step: `spec`.
    Root(&'static str),
    /// A field of a message. Snake case is printed in camel case.
    Field(&'p At<'p>, &'static str),
    /// A key of a map, or a field that the types do not have.
    Key(&'p At<'p>, &'p str),
    /// An entry of a list, from 0.
    Index(&'p At<'p>, usize),
}

/// A value that rules want to see wherever it stands.
#[derive(Debug, Clone, Copy)]
pub enum Leaf<'r> {
    /// A field that the API does not have.
    Unknown(&'r Value),
    /// A duration.
    Duration(&'r DurationString),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A value of an enum that the API does not have, and those that it has.
    Enum(&'r str, &'static [&'static str]),
}

/// What can be walked over.
pub trait Walk {
    /// Shows every leaf with its place.
    fn walk(&self, at: &At<'_>, see: &mut dyn FnMut(&At<'_>, Leaf<'_>));
}

impl At<'static> {
    /// The `spec` of a resource.
    pub const SPEC: Self = Self::Root("spec");
}

impl<'p> At<'p> {
    /// A field of the message at this place.
    #[must_use]
    pub fn field(&'p self, name: &'static str) -> At<'p> {
        At::Field(self, name)
    }

    /// A key of the map at this place.
    #[must_use]
    pub fn key(&'p self, key: &'p str) -> At<'p> {
        At::Key(self, key)
    }

    /// An entry of the list at this place.
    #[must_use]
    pub fn index(&'p self, index: usize) -> At<'p> {
        At::Index(self, index)
    }

    /// The place that this one is in.
    pub fn parent(&self) -> Option<&'p At<'p>> {
        match self {
            Self::Root(_) => None,
            Self::Field(parent, _) | Self::Key(parent, _) | Self::Index(parent, _) => Some(parent),
        }
    }

    /// The name of the last field on the way here, as the types have it.
    pub fn name(&self) -> &str {
        match self {
            Self::Root(name) | Self::Field(_, name) => name.strip_prefix("r#").unwrap_or(name),
            Self::Key(parent, _) | Self::Index(parent, _) => parent.name(),
        }
    }

    /// As [`crate::yaml::Path`], which prints it with quotes where they are needed.
    pub fn path(&self) -> crate::yaml::Path {
        match self {
            Self::Root(name) => crate::yaml::Path::default().key(*name),
            Self::Field(parent, name) => {
                parent.path().key(camel_case(name).map(char::from).collect::<String>())
            }
            Self::Key(parent, key) => parent.path().key(*key),
            Self::Index(parent, index) => parent.path().index(*index),
        }
    }
}

/// The name of a field in camel case. Names in Rust are ASCII.
pub(crate) fn camel_case(name: &str) -> impl Iterator<Item = u8> {
    let mut upper = false;
    name.strip_prefix("r#").unwrap_or(name).bytes().filter_map(move |byte| {
        if byte == b'_' {
            upper = true;
            return None;
        }
        Some(if std::mem::take(&mut upper) { byte.to_ascii_uppercase() } else { byte })
    })
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().fmt(f)
    }
}

impl Walk for DurationString {
    fn walk(&self, at: &At<'_>, see: &mut dyn FnMut(&At<'_>, Leaf<'_>)) {
        see(at, Leaf::Duration(self));
    }
}

impl Walk for i64 {
    fn walk(&self, at: &At<'_>, see: &mut dyn FnMut(&At<'_>, Leaf<'_>)) {
        see(at, Leaf::Int(*self));
    }
}

impl Walk for f64 {
    fn walk(&self, at: &At<'_>, see: &mut dyn FnMut(&At<'_>, Leaf<'_>)) {
        see(at, Leaf::Float(*self));
    }
}

impl Walk for String {
    fn walk(&self, _: &At<'_>, _: &mut dyn FnMut(&At<'_>, Leaf<'_>)) {}
}

impl Walk for bool {
    fn walk(&self, _: &At<'_>, _: &mut dyn FnMut(&At<'_>, Leaf<'_>)) {}
}

impl Walk for IntOrString {
    fn walk(&self, at: &At<'_>, see: &mut dyn FnMut(&At<'_>, Leaf<'_>)) {
        if let Self::Int(number) = self {
            see(at, Leaf::Int(*number));
        }
    }
}

impl<T: Walk> Walk for Option<T> {
    fn walk(&self, at: &At<'_>, see: &mut dyn FnMut(&At<'_>, Leaf<'_>)) {
        if let Some(value) = self {
            value.walk(at, see);
        }
    }
}

impl<T: Walk> Walk for Vec<T> {
    fn walk(&self, at: &At<'_>, see: &mut dyn FnMut(&At<'_>, Leaf<'_>)) {
        for (index, value) in self.iter().enumerate() {
            value.walk(&at.index(index), see);
        }
    }
}

impl<T: Walk> Walk for BTreeMap<String, T> {
    fn walk(&self, at: &At<'_>, see: &mut dyn FnMut(&At<'_>, Leaf<'_>)) {
        for (key, value) in self {
            value.walk(&at.key(key), see);
        }
    }
}

impl super::Spec {
    /// Shows every leaf of the spec with its place. A kind that is not understood has none.
    pub fn walk(&self, see: &mut dyn FnMut(&At<'_>, Leaf<'_>)) {
        let at = &At::SPEC;
        match self {
            Self::VirtualService(spec) => spec.walk(at, see),
            Self::DestinationRule(spec) => spec.walk(at, see),
            Self::ServiceEntry(spec) => spec.walk(at, see),
            Self::Gateway(spec) => spec.walk(at, see),
            Self::WorkloadEntry(spec) => spec.walk(at, see),
            Self::Service(spec) => spec.walk(at, see),
            Self::Unknown(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mesh, Sources};

    #[test]
    fn leaves_are_shown_with_their_places() {
        let text = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  http:
  - timeout: 1s
    wieght: 3
    match: [{port: 80, sourceLabels: {a.b: x}}]
    redirect: {derivePort: SOMEWHERE, redirectCode: 301}
    mirrorPercentage: {value: 1.5}
";
        let mesh = Mesh::parse(&Sources::single("a.yaml", text)).mesh;
        let mut seen = Vec::new();
        for resource in mesh.resources() {
            resource.spec.walk(&mut |at, leaf| {
                seen.push(match leaf {
                    Leaf::Enum(text, _) => format!("{at} is not {text}"),
                    Leaf::Unknown(value) => format!("{at} has {value}"),
                    Leaf::Duration(duration) => format!("{at} lasts {duration}"),
                    Leaf::Int(number) => format!("{at} = {number}"),
                    Leaf::Float(number) => format!("{at} = {number}"),
                });
            });
        }
        let expected = [
            "spec.http[0].match[0].port = 80",
            "spec.http[0].redirect.derivePort is not SOMEWHERE",
            "spec.http[0].redirect.redirectCode = 301",
            "spec.http[0].timeout lasts 1s",
            "spec.http[0].mirrorPercentage.value = 1.5",
            "spec.http[0].wieght has 3",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn names_are_in_camel_case() {
        for (name, expected) in [
            ("r#match", "match"),
            ("http2_max_requests", "http2MaxRequests"),
            ("consecutive_5xx_errors", "consecutive5xxErrors"),
        ] {
            assert_eq!(camel_case(name).map(char::from).collect::<String>(), expected);
        }
    }
}
