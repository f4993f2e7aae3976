//! Counts below zero.

use crate::Severity;
use crate::resource::Resource;
use crate::resource::walk::{At, Leaf};

use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0308",
    severity: Severity::Error,
    title: "A count is negative",
    explanation: "Limits, thresholds and sizes are 0 or more; Istio rejects less. 0 mostly means the default, not «none at all».",
    corresponds_to: &["IST0106"],
    check: Check::Leaf(check),
    #[cfg(test)]
    fixture: include_str!("negative.yaml"),
};

/// Numbers that rules of their own look at.
const ELSEWHERE: [&str; 11] = [
    "weight",
    "attempts",
    "number",
    "port",
    "target_port",
    "node_port",
    "ports",
    "http_status",
    "status",
    "redirect_code",
    "value",
];

fn check(resource: &Resource, at: &At<'_>, leaf: Leaf<'_>, report: &mut Report<'_>) {
    let Leaf::Int(count) = leaf else { return };
    let name = at.name();
    if count < 0 && !ELSEWHERE.contains(&name) && !name.ends_with("percent") {
        report.add(resource, at, format!("{count} is negative: Istio rejects it."));
    }
}
