//! Conditions on requests.

use envoy_types::pb::envoy::config::route::v3 as route;
use mesh::plan::{HeaderMatcher, Match, Matcher};
use route::header_matcher::HeaderMatchSpecifier;
use route::query_parameter_matcher::QueryParameterMatchSpecifier;
use route::route_match::PathSpecifier;

use super::pb;

/// What takes every request.
pub(super) fn everything() -> route::RouteMatch {
    route::RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".to_owned())), ..Default::default() }
}

/// One match.
pub(super) fn condition(condition: &Match) -> route::RouteMatch {
    let path = match &condition.uri {
        None => PathSpecifier::Prefix("/".to_owned()),
        Some(Matcher::Exact(path)) => PathSpecifier::Path(path.clone()),
        Some(Matcher::Prefix(path)) => PathSpecifier::Prefix(path.clone()),
        Some(Matcher::Regex(pattern)) => PathSpecifier::SafeRegex(pb::regex(pattern.as_str())),
    };
    let caseless = condition.ignore_uri_case && !matches!(condition.uri, None | Some(Matcher::Regex(_)));
    let pseudo = [
        (":scheme", &condition.scheme),
        (":method", &condition.method),
        (":authority", &condition.authority),
    ];
    let pseudo = pseudo.into_iter().filter_map(|(name, comparison)| {
        let value = comparison.clone()?;
        Some(header(name, &HeaderMatcher { value: Some(value), invert: false }))
    });
    let named = condition.headers.iter().map(|(name, comparison)| header(name, comparison));
    route::RouteMatch {
        path_specifier: Some(path),
        case_sensitive: caseless.then(|| pb::flag(false)),
        headers: pseudo.chain(named).collect(),
        query_parameters: condition.query.iter().map(|(name, comparison)| query(name, comparison)).collect(),
        ..Default::default()
    }
}

fn header(name: &str, comparison: &HeaderMatcher) -> route::HeaderMatcher {
    let (specifier, missing) = match &comparison.value {
        // Presence is inverted by itself: what is missing is not there, rather than empty.
        None => (HeaderMatchSpecifier::PresentMatch(true), false),
        Some(value) => (HeaderMatchSpecifier::StringMatch(pb::string(value)), comparison.invert),
    };
    route::HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(specifier),
        invert_match: comparison.invert,
        treat_missing_header_as_empty: missing,
    }
}

fn query(name: &str, comparison: &HeaderMatcher) -> route::QueryParameterMatcher {
    let specifier = match &comparison.value {
        None => QueryParameterMatchSpecifier::PresentMatch(true),
        Some(value) => QueryParameterMatchSpecifier::StringMatch(pb::string(value)),
    };
    route::QueryParameterMatcher { name: name.to_owned(), query_parameter_match_specifier: Some(specifier) }
}
