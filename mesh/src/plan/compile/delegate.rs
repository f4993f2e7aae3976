//! Merging a delegate's rule into the root's: the delegate's match must be part of the root's, and what it leaves unset it
//! inherits. (Istio's `mergeHTTPRoute` and `hasConflict`.)

use std::collections::BTreeMap;

use crate::resource::http::{HttpMatch, HttpRoute, StringMatch};

/// The rule that both make together; `None` when they conflict.
pub(super) fn merge_route(root: &HttpRoute, leaf: &HttpRoute) -> Option<HttpRoute> {
    if conflicts(root, leaf) {
        return None;
    }
    let mut merged = leaf.clone();
    merged.r#match = merge_matches(&root.r#match, &leaf.r#match);
    merged.name = joined(root.name.as_deref(), leaf.name.as_deref());
    inherit(&mut merged.rewrite, root.rewrite.as_ref());
    inherit(&mut merged.direct_response, root.direct_response.as_ref());
    inherit(&mut merged.timeout, root.timeout.as_ref());
    inherit(&mut merged.retries, root.retries.as_ref());
    inherit(&mut merged.fault, root.fault.as_ref());
    inherit(&mut merged.mirror, root.mirror.as_ref());
    inherit(&mut merged.mirror_percent, root.mirror_percent.as_ref());
    inherit(&mut merged.mirror_percentage, root.mirror_percentage.as_ref());
    inherit(&mut merged.cors_policy, root.cors_policy.as_ref());
    inherit(&mut merged.headers, root.headers.as_ref());
    if merged.mirrors.is_empty() {
        merged.mirrors.clone_from(&root.mirrors);
    }
    Some(merged)
}

/// Whether some match of the delegate's rule is part of none of the root's. (Without making the rule: validation asks, and
/// the page need not know how one is made.)
pub(super) fn conflicts(root: &HttpRoute, leaf: &HttpRoute) -> bool {
    let outside = |part| root.r#match.iter().all(|whole| conflict(whole, part));
    !root.r#match.is_empty() && leaf.r#match.iter().any(outside)
}

/// Each match of the delegate with each of the root's that covers it.
fn merge_matches(root: &[HttpMatch], leaf: &[HttpMatch]) -> Vec<HttpMatch> {
    if root.is_empty() {
        return leaf.to_vec();
    }
    if leaf.is_empty() {
        return root.to_vec();
    }
    let covering =
        |part| root.iter().filter(move |whole| !conflict(whole, part)).map(move |whole| (whole, part));
    leaf.iter().flat_map(covering).map(|(whole, part)| merge_match(whole, part)).collect()
}

fn merge_match(root: &HttpMatch, leaf: &HttpMatch) -> HttpMatch {
    let mut merged = leaf.clone();
    merged.name = joined(root.name.as_deref(), leaf.name.as_deref());
    inherit(&mut merged.uri, root.uri.as_ref());
    inherit(&mut merged.scheme, root.scheme.as_ref());
    inherit(&mut merged.method, root.method.as_ref());
    inherit(&mut merged.authority, root.authority.as_ref());
    inherit(&mut merged.port, root.port.as_ref());
    inherit(&mut merged.source_namespace, root.source_namespace.as_ref());
    inherit(&mut merged.stat_prefix, root.stat_prefix.as_ref());
    unite(&mut merged.headers, &root.headers);
    unite(&mut merged.without_headers, &root.without_headers);
    unite(&mut merged.query_params, &root.query_params);
    unite(&mut merged.source_labels, &root.source_labels);
    if merged.gateways.is_empty() {
        merged.gateways.clone_from(&root.gateways);
    }
    merged
}

/// Whether a delegate's match is not part of the root's.
fn conflict(root: &HttpMatch, leaf: &HttpMatch) -> bool {
    let single = [
        (&root.uri, &leaf.uri),
        (&root.scheme, &leaf.scheme),
        (&root.method, &leaf.method),
        (&root.authority, &leaf.authority),
    ];
    let maps = [
        (&root.headers, &leaf.headers),
        (&root.without_headers, &leaf.without_headers),
        (&root.query_params, &leaf.query_params),
    ];
    single.into_iter().any(|(root, leaf)| string_conflict(root.as_ref(), leaf.as_ref()))
        || maps
            .into_iter()
            .any(|(root, leaf)| leaf.iter().any(|(name, value)| string_conflict(root.get(name), Some(value))))
        || root.ignore_uri_case.unwrap_or(false) != leaf.ignore_uri_case.unwrap_or(false)
        || matches!((root.port, leaf.port), (Some(root), Some(leaf)) if root != leaf && root > 0 && leaf > 0)
        || root
            .source_namespace
            .as_ref()
            .is_some_and(|it| !it.is_empty() && leaf.source_namespace.as_ref() != Some(it))
        || leaf
            .source_labels
            .iter()
            .any(|(key, value)| root.source_labels.get(key).is_some_and(|it| it != value))
        || (!root.gateways.is_empty() && leaf.gateways.iter().any(|gateway| !root.gateways.contains(gateway)))
}

fn string_conflict(root: Option<&StringMatch>, leaf: Option<&StringMatch>) -> bool {
    let (Some(root), Some(leaf)) = (root, leaf) else { return false };
    let set = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
    let any = |it: &StringMatch| set(&it.exact).or(set(&it.prefix)).or(set(&it.regex)).is_some();
    // Nobody can tell whether one regular expression covers another.
    if (set(&root.regex).is_some() && any(leaf)) || (set(&leaf.regex).is_some() && any(root)) {
        return true;
    }
    if let Some(exact) = set(&root.exact) {
        return set(&leaf.exact) != Some(exact);
    }
    match (set(&root.prefix), set(&leaf.prefix).or(set(&leaf.exact))) {
        (Some(prefix), Some(leaf)) => !leaf.starts_with(&prefix),
        _ => true,
    }
}

fn joined(root: Option<&str>, leaf: Option<&str>) -> Option<String> {
    match (root.filter(|it| !it.is_empty()), leaf.filter(|it| !it.is_empty())) {
        (Some(root), Some(leaf)) => Some(format!("{root}-{leaf}")),
        (root, leaf) => leaf.or(root).map(str::to_owned),
    }
}

fn inherit<T: Clone>(own: &mut Option<T>, root: Option<&T>) {
    if own.is_none() {
        *own = root.cloned();
    }
}

fn unite<T: Clone>(own: &mut BTreeMap<String, T>, root: &BTreeMap<String, T>) {
    for (key, value) in root {
        own.entry(key.clone()).or_insert_with(|| value.clone());
    }
}
