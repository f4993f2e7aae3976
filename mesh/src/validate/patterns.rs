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
    title: "A regular expression cannot be read",
    explanation: "Patterns are in RE2's syntax, 1,024 bytes at most, and must match the whole value: there is no look-ahead and no back-reference. Repetitions within each other come to 1,000 times at most, and what Envoy compiles of a pattern to 32,768 instructions. All patterns of a mesh together may have a million; those beyond are not compiled. A rewrite by pattern needs both its `match` and its `rewrite`, which names groups by `\\1` to `\\9`.",
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
        report.add(http.resource, &at.field("regex"), format!("{problem}: a cluster refuses the rule."));
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
                    format!("{problem}: a cluster refuses the rule."),
                );
            }
        }
    }
    match rewrite.rewrite.as_deref().unwrap_or_default() {
        "" => {
            report.add(http.resource, &at.field("rewrite"), "`rewrite` is missing: nothing is rewritten.");
        }
        text if substitution(text).is_none() => {
            let message = "A `\\` must be followed by the number of a group, or by another `\\`: a cluster refuses the rule.";
            report.add(http.resource, &at.field("rewrite"), message);
        }
        _ => {}
    }
}

/// What is wrong with a pattern.
fn problem(pattern: &str, all: &Patterns) -> Option<String> {
    if all.is_beyond(pattern) {
        return Some(format!(
            "`{}` is left out, all regular expressions of the mesh together are too large when they are compiled",
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
    Some(format!("`{}` cannot be read, {line}", shortened(pattern)))
}

fn shortened(pattern: &str) -> String {
    match pattern.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &pattern[..end]),
        None => pattern.to_owned(),
    }
}
