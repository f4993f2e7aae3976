//! Percentages beyond 0 and 100.

use crate::Severity;
use crate::resource::Resource;
use crate::resource::walk::{At, Leaf};

use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0303",
    severity: Severity::Error,
    title: "A percentage is not between 0 and 100",
    explanation: "Istio rejects it. Faults and mirrors work in millionths: a percentage below 0.0001 is taken as 0.",
    corresponds_to: &["IST0106"],
    check: Check::Leaf(check),
    #[cfg(test)]
    fixture: include_str!("percentages.yaml"),
};

fn check(resource: &Resource, at: &At<'_>, leaf: Leaf<'_>, report: &mut Report<'_>) {
    let value = match leaf {
        // No value of a percentage is so large that the conversion would matter.
        Leaf::Int(value) if is_percent(at) => value as f64,
        Leaf::Float(value) if is_percent(at) => value,
        _ => return,
    };
    if !(0.0..=100.0).contains(&value) {
        report.add(resource, at, format!("{value} is not a percentage from 0 to 100: Istio rejects it."));
    } else if value > 0.0 && value < 0.0001 {
        let message =
            format!("{value} % is less than one in a million, which is taken as 0: no request is affected.");
        report.add(resource, at, message).severity(Severity::Warning).corresponds_to(&[]);
    }
}

fn is_percent(at: &At<'_>) -> bool {
    match at.name() {
        "percent" | "mirror_percent" | "max_ejection_percent" | "min_health_percent" | "minimum_percent" => {
            true
        }
        "value" => at.parent().is_some_and(|parent| parent.name().ends_with("percentage")),
        _ => false,
    }
}
