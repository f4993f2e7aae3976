//! What becomes of a path: its normal form, rewrites on the way upstream, and the `Location` of a redirect.

mod normal;

pub use normal::{Refused, normalize};

use super::matching::split_query;
use super::{Chosen, Decision, Request};
use crate::plan::{Matcher, Redirect, split_authority};

/// The path (with its query) that a forwarded request goes upstream with; `None` when it stays.
pub fn rewrite_path(decision: &Decision<'_>, path: &str) -> Option<String> {
    let Decision::Forward(chosen, forward, _) = decision else { return None };
    let rewrite = forward.rewrite.as_ref()?;
    let (bare, query) = path.split_at(split_query(path).0.len());
    if let Some((pattern, substitution)) = &rewrite.regex {
        return Some(pattern.replace(bare, substitution) + query);
    }
    Some(replace_matched(chosen, bare, rewrite.uri.as_deref()?) + query)
}

/// The matched prefix replaced, or the whole path after an exact or regex match. A route without a condition on the path
/// matched the prefix `/`.
fn replace_matched(chosen: &Chosen<'_>, path: &str, by: &str) -> String {
    let matched = match chosen.matched.and_then(|matched| matched.uri.as_ref()) {
        None => 1,
        Some(Matcher::Prefix(prefix)) => prefix.len(),
        Some(Matcher::Exact(_) | Matcher::Regex(_)) => path.len(),
    };
    by.to_owned() + path.get(matched..).unwrap_or("")
}

/// The `Location` of a redirect. `None` when the decision is none.
///
/// As Envoy builds it: the query is kept unless the new path has one, a port in the authority is kept unless the redirect
/// has its own or the scheme changes and it was the old one's default.
pub fn location(decision: &Decision<'_>, request: &impl Request) -> Option<String> {
    let Decision::Redirect(chosen, redirect) = decision else { return None };
    let scheme = redirect.scheme.as_deref().unwrap_or(request.scheme());
    let port = redirect.port.map(|port| format!(":{port}")).unwrap_or_default();
    let authority = match &redirect.authority {
        Some(authority) => authority,
        None => kept_authority(redirect, scheme, request),
    };
    let (bare, query) = request.path().split_at(split_query(request.path()).0.len());
    let path = match redirect.uri.as_deref() {
        None | Some("") => bare.to_owned(),
        Some(prefix) if redirect.replace_prefix => replace_matched(chosen, bare, prefix),
        Some(uri) => uri.to_owned(),
    };
    let query = if path.contains('?') { "" } else { query };
    Some(format!("{scheme}://{authority}{port}{path}{query}"))
}

/// Where a request itself leads. Envoy says so in direct responses whose status wants a location.
pub fn own_location(request: &impl Request) -> String {
    format!("{}://{}{}", request.scheme(), request.authority(), request.path())
}

fn kept_authority<'r>(redirect: &Redirect, scheme: &str, request: &'r impl Request) -> &'r str {
    let authority = request.authority();
    let bare = split_authority(authority).0;
    let default = match request.scheme() {
        "https" => ":443",
        _ => ":80",
    };
    let left_behind = scheme != request.scheme() && authority[bare.len()..] == *default;
    if redirect.port.is_some() || left_behind { bare } else { authority }
}
