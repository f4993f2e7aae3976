//! Matching a request against a route's conditions, and saying which condition did not hold.

use std::borrow::Cow;

use super::Request;
use crate::plan::{HeaderMatcher, Match, Matcher, Route};

/// The first condition of a match that a request does not meet. Nothing is formatted until someone asks why.
#[derive(Debug, Clone, Copy)]
pub enum Mismatch<'p> {
    /// The path.
    Uri(&'p Matcher, IgnoreCase),
    /// The scheme.
    Scheme(&'p Matcher),
    /// The method.
    Method(&'p Matcher),
    /// The authority.
    Authority(&'p Matcher),
    /// A header, by name.
    Header(&'p str, &'p HeaderMatcher),
    /// A query parameter, by name.
    Query(&'p str, &'p HeaderMatcher),
}

/// Whether a path is compared without regard to case.
pub type IgnoreCase = bool;

/// The match of a route that a request meets: `Some(None)` for a route without conditions, `None` when none holds.
pub fn first_match<'p>(route: &'p Route, request: &impl Request) -> Option<Option<&'p Match>> {
    if route.matches.is_empty() {
        return Some(None);
    }
    route.matches.iter().find(|candidate| check(candidate, request).is_ok()).map(Some)
}

/// Checks a request against one match, condition by condition.
pub fn check<'p>(candidate: &'p Match, request: &impl Request) -> Result<(), Mismatch<'p>> {
    let (path, query) = split_query(request.path());
    if let Some(uri) = &candidate.uri
        && !uri.matches_case(path, candidate.ignore_uri_case)
    {
        return Err(Mismatch::Uri(uri, candidate.ignore_uri_case));
    }
    if let Some(method) = candidate.method.as_ref().filter(|wanted| !wanted.matches(request.method())) {
        return Err(Mismatch::Method(method));
    }
    if let Some(scheme) = candidate.scheme.as_ref().filter(|wanted| !wanted.matches(request.scheme())) {
        return Err(Mismatch::Scheme(scheme));
    }
    if let Some(authority) =
        candidate.authority.as_ref().filter(|wanted| !wanted.matches(request.authority()))
    {
        return Err(Mismatch::Authority(authority));
    }
    for (name, wanted) in &candidate.headers {
        if !wanted.matches(header(request, name).as_deref()) {
            return Err(Mismatch::Header(name, wanted));
        }
    }
    for (name, wanted) in &candidate.query {
        if !wanted.matches(parameter(query, name)) {
            return Err(Mismatch::Query(name, wanted));
        }
    }
    Ok(())
}

/// A header of a request; pseudo headers and `host` by their names.
pub fn header<'r>(request: &'r impl Request, name: &str) -> Option<Cow<'r, str>> {
    match name {
        ":method" => Some(Cow::Borrowed(request.method())),
        ":scheme" => Some(Cow::Borrowed(request.scheme())),
        ":authority" | "host" => Some(Cow::Borrowed(request.authority())),
        ":path" => Some(Cow::Borrowed(request.path())),
        _ => request.header(name),
    }
}

/// A path's part before the `?`, and its query.
pub fn split_query(path: &str) -> (&str, &str) {
    path.split_once('?').unwrap_or((path, ""))
}

/// The first value of a query parameter, as it was sent.
pub fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find_map(|(key, value)| (key == name && !key.is_empty()).then_some(value))
}

impl Matcher {
    /// Whether the text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.matches_case(text, false)
    }

    /// Whether the text matches; exact and prefix can leave ASCII case out.
    pub fn matches_case(&self, text: &str, ignore_case: IgnoreCase) -> bool {
        match self {
            Self::Exact(exact) if ignore_case => text.eq_ignore_ascii_case(exact),
            Self::Exact(exact) => text == exact,
            Self::Prefix(prefix) if ignore_case => text
                .as_bytes()
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes())),
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Regex(pattern) => pattern.matches(text),
        }
    }
}

impl HeaderMatcher {
    /// Whether a value that may be missing matches.
    pub fn matches(&self, value: Option<&str>) -> bool {
        match &self.value {
            None => value.is_some() != self.invert,
            // Inverted, what is missing counts as empty.
            Some(wanted) if self.invert => !wanted.matches(value.unwrap_or("")),
            Some(wanted) => value.is_some_and(|value| wanted.matches(value)),
        }
    }
}
