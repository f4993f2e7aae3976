//! Rules that no request reaches.

use crate::Severity;
use crate::resource::walk::At;

use super::context::Context;
use super::covers::{Shadows, routes};
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0403",
    severity: Severity::Warning,
    title: "A rule is never reached",
    explanation: "Rules are tried in order, and the first that matches is used. A rule after one that matches every request, or whose matches are all covered by earlier rules, is never used: put the narrower rule first.",
    corresponds_to: &["IST0130"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("unreachable_rule.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, service) in context.virtual_services() {
        for list in routes(service) {
            let shadows = Shadows::of(list);
            for (index, route) in shadows.routes().iter().enumerate() {
                let field = At::SPEC.field(route.kind);
                let at = field.index(route.index);
                if let Some(first) = shadows.catch_all(index) {
                    let message = format!("Rule {first} matches every request: this rule is never reached.");
                    report.add(resource, &at, message);
                    continue;
                }
                let taken: Option<Vec<usize>> = (0..route.matches.len())
                    .map(|entry| shadows.shadow(index, entry).map(|(by, _)| by).filter(|by| *by != index))
                    .collect();
                if let Some(by) = taken.filter(|by| !by.is_empty()) {
                    let message = format!(
                        "Rule {} matches all that this rule matches: this rule is never reached.",
                        by[0]
                    );
                    report.add(resource, &at, message);
                }
            }
        }
    }
}
