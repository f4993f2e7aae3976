//! Authorities that are rewritten twice.

use crate::Severity;
use crate::resource::http::{HeaderOperations, Headers};

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0411",
    severity: Severity::Error,
    title: "The authority is set twice",
    explanation: "The upstream gets its authority (the `Host` header) from `rewrite.authority`, or from `Host` or `:authority` in `headers.request.set` or `add`. A rule may use one of them, and a destination one; Istio rejects two.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("authority_twice.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for http in context.http_routes() {
        http.at(|at| {
            let rewrites = http.route.rewrite.as_ref().is_some_and(|rewrite| {
                rewrite.authority.as_deref().is_some_and(|authority| !authority.is_empty())
            });
            let count = names(http.route.headers.as_ref());
            if count + usize::from(rewrites) > 1 {
                let message = "This rule sets the authority (`Host`) more than once: Istio rejects the VirtualService.";
                report.add(http.resource, &at.field("headers").field("request"), message);
            }
            for (index, entry) in http.route.route.iter().enumerate() {
                if names(entry.headers.as_ref()) > 1 {
                    let at = at.field("route");
                    let message = "This destination sets the authority (`Host`) more than once: Istio rejects the VirtualService.";
                    report.add(http.resource, &at.index(index).field("headers").field("request"), message);
                }
            }
        });
    }
}

/// How often a request's authority is set or added.
fn names(headers: Option<&Headers>) -> usize {
    let Some(HeaderOperations { set, add, .. }) = headers.and_then(|headers| headers.request.as_ref()) else {
        return 0;
    };
    let is_authority = |name: &&String| name.eq_ignore_ascii_case("host") || *name == ":authority";
    set.keys().chain(add.keys()).filter(is_authority).count()
}
