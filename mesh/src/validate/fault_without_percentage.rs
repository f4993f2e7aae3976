//! Faults that happen to nobody.

use serde_json::json;

use crate::Severity;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0412",
    severity: Severity::Warning,
    title: "A fault affects no request",
    explanation: "Istio takes a delay or an abort without `percentage` as 0 %: nothing is injected, as with an explicit 0.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("fault_without_percentage.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for http in context.http_routes() {
        let Some(fault) = &http.route.fault else { continue };
        let delay = fault.delay.as_ref().map(|delay| ("delay", &delay.percentage, delay.percent));
        let abort = fault.abort.as_ref().map(|abort| ("abort", &abort.percentage, abort.percent));
        for (name, percentage, percent) in delay.into_iter().chain(abort) {
            let nothing = match (percentage, percent) {
                (Some(percentage), _) => percentage.value.unwrap_or_default() == 0.0,
                (None, percent) => percent.unwrap_or_default() == 0,
            };
            if nothing {
                let told = if percentage.is_some() || percent.is_some() {
                    "is for 0 %"
                } else {
                    "has no `percentage`"
                };
                let message = format!("The {name} {told}: it affects no request.");
                http.at(|at| {
                    let at = at.field("fault");
                    let at = at.field(name);
                    let all = vec![(at.field("percentage").to_string(), Some(json!({ "value": 100 })))];
                    report.add(http.resource, &at, message).set("Inject it into all requests", all);
                });
            }
        }
    }
}
