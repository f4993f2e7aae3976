//! Matching a request against a route's conditions, and saying which condition did not hold.

use super::Request;
use super::values::{Values, values};
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
        if !wanted.matches(&values(request, name)) {
            return Err(Mismatch::Header(name, wanted));
        }
    }
    for (name, wanted) in &candidate.query {
        if !wanted.matches(&Values::from(parameter(query, name))) {
            return Err(Mismatch::Query(name, wanted));
        }
    }
    Ok(())
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

impl HeaderMatcher {
    /// Whether values match: one of them is enough, and where it is inverted, one is too many.
    pub fn matches(&self, values: &Values<'_>) -> bool {
        let held = match &self.value {
            None => !values.is_empty(),
            // Inverted, what is missing counts as empty.
            Some(wanted) if values.is_empty() => self.invert && wanted.matches(""),
            Some(wanted) => values.iter().any(|value| wanted.matches(value)),
        };
        held != self.invert
    }
}
