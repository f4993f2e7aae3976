//! One match of a rule as a condition on requests, and the questions about the source that are answered here and now.

use std::collections::BTreeMap;

use super::scope::Scope;
use super::trace::Skip;
use crate::labels::selects;
use crate::plan::{HeaderMatcher, Match, Matcher, Patterns};
use crate::resource::http::{HttpMatch, StringMatch};

/// Whether a match is for this source and listener.
pub(super) fn applies(candidate: &HttpMatch, scope: &Scope<'_>) -> Result<(), Skip> {
    let it = candidate;
    bound_to(it.port, &it.gateways, &it.source_labels, it.source_namespace.as_deref(), scope)
}

/// Whether what a match asks of port, gateway and source holds here.
pub(super) fn bound_to(
    port: Option<i64>,
    gateways: &[String],
    source_labels: &BTreeMap<String, String>,
    source_namespace: Option<&str>,
    scope: &Scope<'_>,
) -> Result<(), Skip> {
    if port.is_some_and(|port| port != 0 && port != i64::from(scope.port)) {
        return Err(Skip::Port);
    }
    // Gateways that are named stand in place of what is asked of the source.
    if !gateways.is_empty() {
        let bound = gateways.iter().any(|gateway| gateway == scope.gateway);
        return if bound { Ok(()) } else { Err(Skip::Gateways) };
    }
    if !selects(source_labels, &scope.viewer.labels) {
        return Err(Skip::SourceLabels);
    }
    match source_namespace {
        None | Some("") => Ok(()),
        Some(namespace) if namespace == scope.viewer.namespace => Ok(()),
        Some(_) => Err(Skip::SourceNamespace),
    }
}

/// The condition that a match makes.
pub(super) fn condition(candidate: &HttpMatch, patterns: &Patterns) -> Result<Match, Skip> {
    let mut headers = Vec::new();
    for (asked, invert) in [(&candidate.headers, false), (&candidate.without_headers, true)] {
        for (name, value) in asked {
            if name.starts_with("@request.auth.claims") {
                return Err(Skip::Claims);
            }
            headers.push((
                name.to_ascii_lowercase(),
                HeaderMatcher { value: comparison(value, patterns)?, invert },
            ));
        }
    }
    headers.sort_by(|a, b| a.0.cmp(&b.0));
    let mut query = Vec::new();
    for (name, value) in &candidate.query_params {
        query.push((name.clone(), HeaderMatcher { value: comparison(value, patterns)?, invert: false }));
    }
    let single = |it: &Option<StringMatch>| it.as_ref().map_or(Ok(None), |it| comparison(it, patterns));
    Ok(Match {
        name: candidate.name.clone().filter(|name| !name.is_empty()),
        uri: candidate.uri.as_ref().map_or(Ok(None), |it| uri(it, patterns))?,
        ignore_uri_case: candidate.ignore_uri_case.unwrap_or(false),
        scheme: single(&candidate.scheme)?,
        method: single(&candidate.method)?,
        authority: single(&candidate.authority)?,
        headers,
        query,
    })
}

/// Whether a condition holds for every request: no header, no query, and the path `/` or anything.
pub(super) fn is_catch_all(condition: &Match) -> bool {
    let any_path = match &condition.uri {
        None => true,
        Some(Matcher::Prefix(prefix)) => prefix == "/",
        Some(Matcher::Regex(pattern)) => pattern.as_str() == ".*",
        Some(Matcher::Exact(_)) => false,
    };
    let plain = condition.scheme.is_none() && condition.method.is_none() && condition.authority.is_none();
    any_path && plain && condition.headers.is_empty() && condition.query.is_empty()
}

/// A comparison of a path.
fn uri(it: &StringMatch, patterns: &Patterns) -> Result<Option<Matcher>, Skip> {
    match (&it.exact, &it.prefix, &it.regex) {
        (Some(exact), ..) => Ok(Some(Matcher::Exact(exact.clone()))),
        (_, Some(prefix), _) => Ok(Some(Matcher::Prefix(prefix.clone()))),
        (_, _, Some(regex)) => pattern(regex, patterns).map(Some),
        _ => Ok(None),
    }
}

/// A comparison of anything else; `None` asks for presence alone, which `{}` and the regex `*` do.
pub(super) fn comparison(it: &StringMatch, patterns: &Patterns) -> Result<Option<Matcher>, Skip> {
    match (&it.exact, &it.prefix, &it.regex) {
        (Some(exact), ..) => Ok(Some(Matcher::Exact(exact.clone()))),
        (_, Some(prefix), _) if prefix.is_empty() => Err(Skip::Comparison),
        (_, Some(prefix), _) => Ok(Some(Matcher::Prefix(prefix.clone()))),
        (_, _, Some(regex)) if regex == "*" => Ok(None),
        (_, _, Some(regex)) => pattern(regex, patterns).map(Some),
        _ => Ok(None),
    }
}

fn pattern(regex: &str, patterns: &Patterns) -> Result<Matcher, Skip> {
    if regex.is_empty() {
        return Err(Skip::Comparison);
    }
    patterns.whole(regex).map(Matcher::Regex).ok_or(Skip::Comparison)
}
