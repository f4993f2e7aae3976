//! Matches that an earlier one leaves nothing over for.

use crate::Severity;
use crate::resource::walk::At;

use super::context::Context;
use super::covers::{Shadows, routes};
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0404",
    severity: Severity::Info,
    title: "A match is never used",
    explanation: "An earlier match, of the same rule or of one before it, matches every request that this one would.",
    corresponds_to: &["IST0131"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("shadowed_match.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, service) in context.virtual_services() {
        for list in routes(service) {
            let shadows = Shadows::of(list);
            for (index, route) in shadows.routes().iter().enumerate() {
                // The rule as a whole is told of by MW0403.
                if shadows.catch_all(index).is_some() {
                    continue;
                }
                for entry in 0..route.matches.len() {
                    let Some((by, position)) = shadows.shadow(index, entry) else { continue };
                    let by = if by == index { "of this rule".to_owned() } else { format!("of rule {by}") };
                    let message = format!("Match {position} {by} matches every request that this one would.");
                    let field = At::SPEC.field(route.kind);
                    report.add(resource, &field.index(route.index).field("match").index(entry), message);
                }
            }
        }
    }
}
