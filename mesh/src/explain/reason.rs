//! Sentences: why a rule took a request, did not, or was left out of the plan.

use super::Seen;
use crate::plan::compile::Skip;
use crate::plan::{HeaderMatcher, Match, Matcher};
use crate::registry::Viewer;
use crate::resource::http::{HttpMatch, HttpRoute};
use crate::route::matching::{parameter, split_query};
use crate::route::{Mismatch, Request, Values, values};

/// Why a condition did not hold.
pub(super) fn mismatch(why: &Mismatch<'_>, seen: &Seen<'_>) -> String {
    let (path, query) = split_query(seen.path());
    match why {
        Mismatch::Uri(wanted, ignore_case) => {
            format!("path is {path:?}, the rule wants {}{}", wants(wanted), any_case(*ignore_case))
        }
        Mismatch::Method(wanted) => {
            format!("method is {:?}, the rule wants {}", seen.method(), wants(wanted))
        }
        Mismatch::Scheme(wanted) => {
            format!("scheme is {:?}, the rule wants {}", seen.scheme(), wants(wanted))
        }
        Mismatch::Authority(wanted) => {
            format!("authority is {:?}, the rule wants {}", seen.authority(), wants(wanted))
        }
        Mismatch::Header(name, wanted) => {
            format!("header {name} {}, the rule wants {}", is(&values(seen, name)), asks(wanted))
        }
        Mismatch::Query(name, wanted) => {
            format!(
                "query parameter {name} {}, the rule wants {}",
                is(&parameter(query, name).into()),
                asks(wanted)
            )
        }
    }
}

/// Why a condition held.
pub(super) fn held(condition: Option<&Match>, seen: &Seen<'_>) -> String {
    let Some(condition) = condition else { return "the rule has no conditions".to_owned() };
    let (path, query) = split_query(seen.path());
    let mut parts = Vec::new();
    if let Some(uri) = &condition.uri {
        parts.push(format!("path {path:?} is {}{}", wants(uri), any_case(condition.ignore_uri_case)));
    }
    for (what, value, wanted) in [
        ("method", seen.method(), &condition.method),
        ("scheme", seen.scheme(), &condition.scheme),
        ("authority", seen.authority(), &condition.authority),
    ] {
        parts.extend(wanted.as_ref().map(|wanted| format!("{what} {value:?} is {}", wants(wanted))));
    }
    for (name, wanted) in &condition.headers {
        let is = is(&values(seen, name));
        parts.push(format!("header {name} {is}, as the rule wants {}", asks(wanted)));
    }
    for (name, wanted) in &condition.query {
        let is = is(&parameter(query, name).into());
        parts.push(format!("query parameter {name} {is}, as the rule wants {}", asks(wanted)));
    }
    if parts.is_empty() {
        "the rule's conditions on the request are empty".to_owned()
    } else {
        parts.join("; ")
    }
}

/// Why a rule, or a match of it, is not in the plan.
pub(super) fn skipped(
    why: Skip,
    rule: &HttpRoute,
    part: Option<usize>,
    viewer: &Viewer,
    port: u16,
) -> String {
    let candidate = part.and_then(|part| rule.r#match.get(part));
    match why {
        Skip::SourceLabels => {
            candidate.map_or_else(String::new, |candidate| missing_label(candidate, viewer))
        }
        Skip::SourceNamespace => {
            let wanted = candidate.and_then(|candidate| candidate.source_namespace.as_deref()).unwrap_or("");
            format!("the source is in namespace {:?}, the rule wants {wanted:?}", viewer.namespace)
        }
        Skip::Gateways => {
            let named = candidate.map(|candidate| candidate.gateways.join(", ")).unwrap_or_default();
            format!("the rule is for traffic of gateways {named}, and this is none of it")
        }
        Skip::Port => {
            let wanted = candidate.and_then(|candidate| candidate.port).unwrap_or_default();
            format!("the rule is for port {wanted}, the request comes in on {port}")
        }
        Skip::Unreachable => "it is never reached: a rule before it takes every request".to_owned(),
        Skip::Comparison => {
            "it is left out: a regular expression or an empty prefix in it cannot be compared with".to_owned()
        }
        Skip::Claims => "it is left out: it asks for claims of a token, which nobody checks here".to_owned(),
        Skip::NoAction => "it is left out: it does not say what to do".to_owned(),
        Skip::RedirectStatus => "it is left out: its status is none of 301, 302, 303, 307 and 308".to_owned(),
        Skip::NoWeight => "it is left out: none of its destinations has any weight".to_owned(),
        Skip::DelegateMissing => {
            let named = rule.delegate.as_ref().and_then(|delegate| delegate.name.as_deref()).unwrap_or("");
            format!("it is left out: the delegate {named:?} does not exist, or has hosts")
        }
        Skip::DelegateHidden => "it is left out: its delegate is not exported to this namespace".to_owned(),
        Skip::DelegateNested => "it is left out: a delegate cannot delegate again".to_owned(),
        Skip::DelegateConflict => {
            "it is left out: it matches requests that the rule that delegates does not".to_owned()
        }
    }
}

fn missing_label(candidate: &HttpMatch, viewer: &Viewer) -> String {
    let missing = candidate.source_labels.iter().find(|(key, value)| viewer.labels.get(*key) != Some(value));
    match missing {
        None => String::new(),
        Some((key, wanted)) => match viewer.labels.get(key) {
            Some(value) => format!("label {key} of the source is {value:?}, the rule wants {wanted:?}"),
            None => format!("the source has no label {key}, the rule wants {wanted:?}"),
        },
    }
}

fn wants(matcher: &Matcher) -> String {
    match matcher {
        Matcher::Exact(text) => format!("exactly {text:?}"),
        Matcher::Prefix(text) => format!("something that begins with {text:?}"),
        Matcher::Regex(pattern) => format!("a match of the regular expression {:?}", pattern.as_str()),
    }
}

fn asks(matcher: &HeaderMatcher) -> String {
    match (&matcher.value, matcher.invert) {
        (None, false) => "it to be there".to_owned(),
        (None, true) => "it to be absent".to_owned(),
        (Some(value), false) => wants(value),
        (Some(value), true) => format!("anything but {}", wants(value)),
    }
}

fn is(values: &Values<'_>) -> String {
    if values.is_empty() {
        return "is absent".to_owned();
    }
    let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    format!("is {}", values.join(" and "))
}

fn any_case(ignore: bool) -> &'static str {
    if ignore { ", in any case" } else { "" }
}
