//! Rules that say two things at once.

use crate::Severity;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0103",
    severity: Severity::Error,
    title: "Settings that exclude each other",
    explanation: "A rule has one action: `route`, `redirect`, `directResponse` or `delegate`. Of several, `redirect` is used before `directResponse`, and that before `route`; the others are ignored. So are settings for forwarding beside another action, `fault` excepted. Some fields of a redirect, a rewrite or a body exclude each other in the same way.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("one_action.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for http in context.http_routes() {
        let route = http.route;
        let actions = [
            ("redirect", route.redirect.is_some()),
            ("directResponse", route.direct_response.is_some()),
            ("route", !route.route.is_empty()),
            ("delegate", route.delegate.is_some()),
        ];
        let mut said = actions.iter().filter(|(_, there)| *there).map(|(name, _)| *name);
        let (first, others) = (said.next(), said.collect::<Vec<_>>());
        http.at(|at| {
            for other in &others {
                let first = first.unwrap_or_default();
                let message = format!("The rule has `{first}` already: `{other}` beside it is ignored.");
                let fields = vec![(at.field(other).to_string(), None)];
                report.add(http.resource, &at.field(other), message).set(format!("Remove {other}"), fields);
            }
            if let (Some(redirect), true) = (&route.redirect, others.is_empty()) {
                if redirect.uri.is_some() && redirect.prefix_rewrite.is_some() {
                    let message = "`uri` replaces the whole path and `prefixRewrite` its beginning: only one of them can be set.";
                    report.add(http.resource, &at.field("redirect").field("prefixRewrite"), message);
                }
                // Without a condition on the path any has the prefix `/`.
                let whole = |entry: &crate::resource::http::HttpMatch| {
                    entry.uri.as_ref().is_some_and(|uri| uri.prefix.is_none())
                };
                if redirect.prefix_rewrite.is_some() && route.r#match.iter().any(whole) {
                    let message = "`prefixRewrite` needs matches by `uri.prefix`: there is no prefix to replace.";
                    report.add(http.resource, &at.field("redirect").field("prefixRewrite"), message);
                }
                if redirect.port.is_some() && redirect.derive_port.is_some() {
                    let message = "`port` and `derivePort` both choose the port: only one of them can be set.";
                    report.add(http.resource, &at.field("redirect").field("derivePort"), message);
                }
            }
            if let Some(rewrite) = &route.rewrite {
                if route.redirect.is_some() {
                    let message = "The rule redirects and forwards nothing: `rewrite` beside it is ignored.";
                    report.add(http.resource, &at.field("rewrite"), message);
                }
                if rewrite.uri.is_some() && rewrite.uri_regex_rewrite.is_some() {
                    let message = "`uri` and `uriRegexRewrite` both change the path: only one of them can be set.";
                    report.add(http.resource, &at.field("rewrite").field("uriRegexRewrite"), message);
                }
            }
            if let Some(body) = route.direct_response.as_ref().and_then(|answer| answer.body.as_ref())
                && body.string.is_some()
                && body.bytes.is_some()
            {
                let message = "A body is `string` or `bytes`: only one of them can be set.";
                report.add(http.resource, &at.field("directResponse").field("body").field("bytes"), message);
            }
        });
    }
}
