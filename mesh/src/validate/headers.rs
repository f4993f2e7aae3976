//! Header names and values that cannot be sent.

use std::collections::BTreeMap;

use crate::Severity;
use crate::plan::{Token, tokens};
use crate::resource::Resource;
use crate::resource::http::{HeaderOperations, Headers};
use crate::resource::walk::At;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0315",
    severity: Severity::Error,
    title: "A header name or value is invalid",
    explanation: "Header names consist of letters, digits and some other characters; a pseudo-header has one colon, at the beginning. In values `%…%` is a command operator, as in Envoy's access log format, and `%%` a percent sign.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("headers.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    each_way(context, &mut |resource, operations, at| one_way(resource, operations, at, report));
    for http in context.http_routes() {
        http.at(|at| {
            for (index, entry) in http.route.r#match.iter().enumerate() {
                let at = at.field("match");
                for (field, map) in [("headers", &entry.headers), ("withoutHeaders", &entry.without_headers)]
                {
                    for name in map.keys() {
                        if let Some(problem) = name_problem(name) {
                            let message = format!(
                                "`{name}` is not a valid header name, {problem}: the match never holds."
                            );
                            report.add(http.resource, &at.index(index).field(field).key(name), message);
                        }
                    }
                }
            }
        });
    }
}

/// All operations on headers, of requests and of responses.
pub(super) fn each_way(context: &Context<'_>, work: &mut dyn FnMut(&Resource, &HeaderOperations, &At<'_>)) {
    for http in context.http_routes() {
        let mut both = |headers: Option<&Headers>, at: &At<'_>| {
            let Some(headers) = headers else { return };
            for (name, operations) in [("request", &headers.request), ("response", &headers.response)] {
                if let Some(operations) = operations {
                    work(http.resource, operations, &at.field(name));
                }
            }
        };
        http.at(|at| {
            both(http.route.headers.as_ref(), &at.field("headers"));
            for (index, entry) in http.route.route.iter().enumerate() {
                both(entry.headers.as_ref(), &at.field("route").index(index).field("headers"));
            }
        });
    }
}

fn one_way(resource: &Resource, operations: &HeaderOperations, at: &At<'_>, report: &mut Report<'_>) {
    let mut check = |field: &'static str, map: &BTreeMap<String, String>| {
        let at = at.field(field);
        for (name, value) in map {
            if let Some(problem) = name_problem(name) {
                let message = format!(
                    "`{name}` is not a valid header name, {problem}: Istio rejects the VirtualService."
                );
                report.add(resource, &at.key(name), message);
            }
            if let Some(problem) = value_problem(value) {
                let message = format!(
                    "`{value}` is not a valid header value, {problem}: Istio rejects the VirtualService."
                );
                report.add(resource, &at.key(name), message);
            }
        }
    };
    check("set", &operations.set);
    check("add", &operations.add);
    for (index, name) in operations.remove.iter().enumerate() {
        if let Some(problem) = name_problem(name) {
            let message =
                format!("`{name}` is not a valid header name, {problem}: Istio rejects the VirtualService.");
            report.add(resource, &at.field("remove").index(index), message);
        }
    }
}

/// What is wrong with a header's name.
pub(super) fn name_problem(name: &str) -> Option<&'static str> {
    // Claims of a token are matched by a name of their own.
    if name.starts_with("@request.auth.claims") {
        return None;
    }
    let plain = name.strip_prefix(':').unwrap_or(name);
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if plain.is_empty() {
        Some("it is empty")
    } else if !plain.bytes().all(token) {
        Some("it has characters that a name cannot have")
    } else {
        None
    }
}

/// What is wrong with a value in which `%…%` are commands. What a cluster refuses is also what Istio's own validation does.
fn value_problem(value: &str) -> Option<&'static str> {
    tokens(value).find_map(|token| match token {
        Token::Text(_) | Token::Command { length: None, .. } => None,
        Token::Command { .. } => Some("a `%` must follow the `)` directly"),
        Token::Broken(_) => {
            Some("a `%` is not closed, or does not begin an Envoy command operator (`%%` is a percent sign)")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (value, good) in [
            ("", true),
            ("plain", true),
            ("%HOSTNAME%", true),
            ("100%%", true),
            ("prefix %HOSTNAME% suffix", true),
            ("%REQ(X-A?:PATH)%-%START_TIME(%%Y)%", true),
            ("%START_TIME(%Y-%m-%d)%", true),
            ("%REQ(X-A):3%", false),
            ("%START_TIME%%", false),
            ("abcd%oijasodifj", false),
            ("%lower%", false),
        ] {
            assert_eq!(value_problem(value).is_none(), good, "{value}");
        }
    }
}
