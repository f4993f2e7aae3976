//! Cross-origin policies that cannot be.

use crate::Severity;

use super::context::Context;
use super::headers::name_problem;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0318",
    severity: Severity::Error,
    title: "A CORS policy is invalid",
    explanation: "An entry of `allowOrigins` needs a value that is not empty, `allowMethods` lists HTTP methods, and `allowHeaders` and `exposeHeaders` list names of headers.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("cors.yaml"),
};

const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"];

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for http in context.http_routes() {
        let Some(cors) = &http.route.cors_policy else { continue };
        http.at(|at| {
            let at = at.field("corsPolicy");
            for (index, origin) in cors.allow_origins.iter().enumerate() {
                let empty = |text: &Option<String>| text.as_deref() == Some("");
                let nothing = origin.exact.is_none() && origin.prefix.is_none() && origin.regex.is_none();
                if nothing || empty(&origin.exact) || empty(&origin.prefix) || empty(&origin.regex) {
                    let message = "The comparison is empty, so no origin can match: Istio rejects the VirtualService.";
                    report.add(http.resource, &at.field("allowOrigins").index(index), message);
                }
            }
            for (index, method) in cors.allow_methods.iter().enumerate() {
                if !METHODS.contains(&method.as_str()) {
                    let message = format!("`{method}` is not an HTTP method: Istio rejects the VirtualService.");
                    report.add(http.resource, &at.field("allowMethods").index(index), message);
                }
            }
            for (field, names) in
                [("allowHeaders", &cors.allow_headers), ("exposeHeaders", &cors.expose_headers)]
            {
                for (index, name) in names.iter().enumerate() {
                    if let Some(problem) = name_problem(name) {
                        let message =
                            format!("`{name}` is not a valid header name, {problem}: Istio rejects the VirtualService.");
                        report.add(http.resource, &at.field(field).index(index), message);
                    }
                }
            }
        });
    }
}
