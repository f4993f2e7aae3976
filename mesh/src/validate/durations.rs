//! Durations that are none.

use std::time::Duration;

use crate::Severity;
use crate::resource::Resource;
use crate::resource::walk::{At, Leaf};

use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0306",
    severity: Severity::Error,
    title: "A duration is invalid or too short",
    explanation: "Durations are numbers with units, `1.5s`, `1h30m`, `250ms`, in whole milliseconds, at least 1 ms. 0 turns a timeout off where it can be turned off.",
    corresponds_to: &["IST0106"],
    check: Check::Leaf(check),
    #[cfg(test)]
    fixture: include_str!("durations.yaml"),
};

/// Fields that 0 turns off.
const MAY_BE_ZERO: [&str; 5] =
    ["timeout", "per_try_timeout", "idle_timeout", "max_connection_duration", "ttl"];

fn check(resource: &Resource, at: &At<'_>, leaf: Leaf<'_>, report: &mut Report<'_>) {
    let Leaf::Duration(text) = leaf else { return };
    let problem = match text.parse() {
        Err(error) => error.to_string(),
        Ok(Duration::ZERO) if MAY_BE_ZERO.contains(&at.name()) => return,
        Ok(duration) if duration < Duration::from_millis(1) => "it is less than 1 ms".to_owned(),
        Ok(duration) if !duration.subsec_nanos().is_multiple_of(1_000_000) => {
            "it is not in whole milliseconds".to_owned()
        }
        Ok(_) => return,
    };
    let message = format!("`{text}` is not a valid duration, {problem}: Istio rejects it.");
    let finding = report.add(resource, at, message);
    // A bare number mostly means seconds.
    if !text.0.is_empty() && text.0.bytes().all(|byte| byte.is_ascii_digit()) && text.0 != "0" {
        finding.set(format!("Write {text}s"), vec![(at.to_string(), Some(format!("{text}s").into()))]);
    }
}
