//! Commands in the values of headers that Envoy does not know.

use crate::Severity;
use crate::plan::{HeaderValue, Part, Token, tokens};

use super::context::Context;
use super::headers::each_way;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0445",
    severity: Severity::Warning,
    title: "A header value with a command that Envoy does not know",
    explanation: "Istio passes the text between two `%` in a header value to Envoy as a command operator. If Envoy does not know it, it rejects all routes of the port: it keeps those that it has, and later changes do not take effect. The built-in proxy sends the command as plain text. A percent sign is written `%%`.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("unknown_commands.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    each_way(context, &mut |resource, operations, at| {
        for (field, map) in [("set", &operations.set), ("add", &operations.add)] {
            for (name, value) in map {
                // What cannot be read at all is an error of its own.
                if tokens(value).any(|token| matches!(token, Token::Broken(_))) {
                    continue;
                }
                for part in HeaderValue::new(value).parts() {
                    if let Part::Written(command) = part {
                        let message = format!(
                            "Envoy does not know `{command}`, and rejects all routes of the port because of it."
                        );
                        report.add(resource, &at.field(field).key(name), message);
                    }
                }
            }
        }
    });
}
