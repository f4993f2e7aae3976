//! Words that the API does not have where only certain words can stand.

use crate::Severity;
use crate::resource::Resource;
use crate::resource::walk::{At, Leaf};

use super::names::nearest;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0104",
    severity: Severity::Error,
    title: "An unknown value",
    explanation: "Modes, algorithms and the like take one of a list of values, in capitals. Istio rejects any other; the built-in proxy uses the default instead.",
    corresponds_to: &["IST0106"],
    check: Check::Leaf(check),
    #[cfg(test)]
    fixture: include_str!("unknown_values.yaml"),
};

fn check(resource: &Resource, at: &At<'_>, leaf: Leaf<'_>, report: &mut Report<'_>) {
    let Leaf::Enum(text, names) = leaf else { return };
    let near = nearest(text, names.iter().copied());
    let hint = match near {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("the values are {}.", names.join(", ")),
    };
    let finding =
        report.add(resource, at, format!("`{text}` is not a value of this field, and is ignored; {hint}"));
    if let Some(name) = near {
        finding.set(format!("Write {name}"), vec![(at.to_string(), Some(name.into()))]);
    }
}
