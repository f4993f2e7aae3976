//! Matches that cannot be, or never hold.

use std::collections::BTreeMap;

use crate::Severity;
use crate::host;
use crate::resource::http::{HttpMatch, StringMatch};
use crate::resource::walk::At;

use super::comparisons::each_comparison;
use super::context::{Context, Http};
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0316",
    severity: Severity::Error,
    title: "A match is invalid",
    explanation: "A comparison has exactly one of `exact`, `prefix` and `regex`. Istio rejects an empty `prefix` or `regex` where it would match everything. Only gateways know the claims of a JWT (`@request.auth.claims`).",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("matches.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for http in context.http_routes() {
        http.at(|at| {
            let list = at.field("match");
            for (index, entry) in http.route.r#match.iter().enumerate() {
                let at = list.index(index);
                each_comparison(entry, &at, &mut |at, matcher, named| {
                    compare(http, matcher, at, named, report)
                });
                claims(http, entry, &at, report);
            }
        });
    }
}

fn compare(http: Http<'_>, matcher: &StringMatch, at: &At<'_>, may_be_empty: bool, report: &mut Report<'_>) {
    let kinds = [("exact", &matcher.exact), ("prefix", &matcher.prefix), ("regex", &matcher.regex)];
    let mut said = kinds.iter().filter(|(_, text)| text.is_some()).map(|(name, _)| *name);
    match said.next() {
        None if !may_be_empty => {
            let message = "The comparison has no `exact`, `prefix` or `regex`: it matches every request.";
            report.add(http.resource, at, message).severity(Severity::Warning).corresponds_to(&[]);
        }
        None => {}
        Some(first) => {
            for other in said {
                let message =
                    format!("The comparison has `{first}` already: Istio rejects `{other}` beside it.");
                report.add(http.resource, &at.field(other), message);
            }
        }
    }
    for (name, text) in [("prefix", &matcher.prefix), ("regex", &matcher.regex)] {
        // A path begins with nothing, too: that prefix is allowed, and takes all.
        let on_path = name == "prefix" && at.name() == "uri";
        if text.as_deref() == Some("") && !on_path {
            let message = format!(
                "An empty `{name}` would match everything: Istio rejects it; remove the match instead."
            );
            report.add(http.resource, &at.field(name), message);
        }
    }
}

/// Claims of a token are matched by the gateway that checked the token.
fn claims(http: Http<'_>, entry: &HttpMatch, at: &At<'_>, report: &mut Report<'_>) {
    let gateways = if entry.gateways.is_empty() { &http.service.gateways } else { &entry.gateways };
    let on_mesh = host::in_mesh(gateways);
    if !on_mesh || http.service.hosts.is_empty() {
        return;
    }
    let mut look = |field: &'static str, map: &BTreeMap<String, StringMatch>| {
        for name in map.keys().filter(|name| name.starts_with("@request.auth.claims")) {
            let message = "Only gateways know the claims of a JWT: within the mesh the match never applies.";
            report.add(http.resource, &at.field(field).key(name), message);
        }
    };
    look("headers", &entry.headers);
    look("withoutHeaders", &entry.without_headers);
}
