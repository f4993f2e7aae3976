//! Regular expressions that proxies cannot read.

use crate::Severity;
use crate::plan::{Pattern, Patterns, substitution};
use crate::resource::http::StringMatch;
use crate::resource::walk::At;

use super::comparisons::each_comparison;
use super::context::{Context, Http};
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0317",
    severity: Severity::Error,
    title: "An invalid regular expression",
    explanation: "Regular expressions have RE2's syntax (no look-ahead, no back-references), at most 1,024 bytes, and must match the whole value. Nested repetitions may multiply to at most 1,000, and the compiled program may have at most 32,768 instructions, as in Envoy. All of a mesh together may have a million instructions; those beyond are not compiled. `uriRegexRewrite` needs both `match` and `rewrite`, where `\\1` to `\\9` stand for its groups.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("patterns.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    let all = Patterns::of(context.virtual_services().map(|(_, service)| service));
    for http in context.http_routes() {
        http.at(|at| {
            let list = at.field("match");
            for (index, entry) in http.route.r#match.iter().enumerate() {
                each_comparison(entry, &list.index(index), &mut |at, matcher, named| {
                    // A lone star means presence there.
                    if !named || matcher.regex.as_deref() != Some("*") {
                        compare(http, matcher, (at, &all), report);
                    }
                });
            }
            for (index, origin) in
                http.route.cors_policy.iter().flat_map(|cors| &cors.allow_origins).enumerate()
            {
                let at = at.field("corsPolicy");
                compare(http, origin, (&at.field("allowOrigins").index(index), &all), report);
            }
            rewrite(http, (at, &all), report);
        });
    }
}

fn compare(http: Http<'_>, matcher: &StringMatch, (at, all): (&At<'_>, &Patterns), report: &mut Report<'_>) {
    if let Some(problem) = matcher.regex.as_deref().and_then(|regex| problem(regex, all)) {
        report.add(
            http.resource,
            &at.field("regex"),
            format!("{problem}: Istio rejects the VirtualService."),
        );
    }
}

fn rewrite(http: Http<'_>, (at, all): (&At<'_>, &Patterns), report: &mut Report<'_>) {
    let rewrite = http.route.rewrite.as_ref().and_then(|rewrite| rewrite.uri_regex_rewrite.as_ref());
    let Some(rewrite) = rewrite else { return };
    let at = at.field("rewrite");
    let at = at.field("uriRegexRewrite");
    match rewrite.r#match.as_deref().unwrap_or_default() {
        "" => {
            report.add(http.resource, &at.field("match"), "`match` is missing: nothing is rewritten.");
        }
        pattern => {
            if let Some(problem) = problem(pattern, all) {
                report.add(
                    http.resource,
                    &at.field("match"),
                    format!("{problem}: Istio rejects the VirtualService."),
                );
            }
        }
    }
    match rewrite.rewrite.as_deref().unwrap_or_default() {
        "" => {
            report.add(http.resource, &at.field("rewrite"), "`rewrite` is missing: nothing is rewritten.");
        }
        text if substitution(text).is_none() => {
            let message = "A `\\` must be followed by the number of a group, or by another `\\`: Istio rejects the VirtualService.";
            report.add(http.resource, &at.field("rewrite"), message);
        }
        _ => {}
    }
}

/// What is wrong with a pattern.
fn problem(pattern: &str, all: &Patterns) -> Option<String> {
    if all.is_beyond(pattern) {
        return Some(format!(
            "`{}` is left out, because all regular expressions of the mesh together are too large when compiled",
            shortened(pattern)
        ));
    }
    // Most patterns are plain.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte);
    if pattern.len() <= 1024 && pattern.trim_end_matches(".*").bytes().all(plain) {
        return None;
    }
    let error = Pattern::check(pattern).err()?.to_string();
    // The last line says what is wrong; those before it draw it.
    let line = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
    let why = line
        .trim_start_matches("not a regular expression: ")
        .trim_start_matches("not a usable regular expression: ");
    Some(format!("`{}` is not a valid regular expression ({why})", shortened(pattern)))
}

fn shortened(pattern: &str) -> String {
    match pattern.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &pattern[..end]),
        None => pattern.to_owned(),
    }
}
