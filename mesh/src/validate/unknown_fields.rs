//! Fields that the API does not have: mistyped, or in the wrong place.

use crate::Severity;
use crate::resource::Resource;
use crate::resource::walk::{At, Leaf};

use super::names::nearest;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0105",
    severity: Severity::Warning,
    title: "An unknown field",
    explanation: "It is kept as it is and has no effect. Most are mistyped or wrongly indented; a newer Istio may have fields that Meshwright does not know.",
    corresponds_to: &["IST0106"],
    check: Check::Leaf(check),
    #[cfg(test)]
    fixture: include_str!("unknown_fields.yaml"),
};

/// Fields that people mistype most: those that rules and policies are made of.
const FIELDS: [&str; 38] = [
    "hosts",
    "host",
    "gateways",
    "http",
    "match",
    "route",
    "destination",
    "subset",
    "subsets",
    "weight",
    "timeout",
    "retries",
    "attempts",
    "perTryTimeout",
    "retryOn",
    "fault",
    "delay",
    "abort",
    "fixedDelay",
    "httpStatus",
    "percentage",
    "value",
    "mirror",
    "mirrorPercentage",
    "redirect",
    "rewrite",
    "headers",
    "corsPolicy",
    "trafficPolicy",
    "loadBalancer",
    "simple",
    "connectionPool",
    "outlierDetection",
    "labels",
    "ports",
    "number",
    "servers",
    "selector",
];

fn check(resource: &Resource, at: &At<'_>, leaf: Leaf<'_>, report: &mut Report<'_>) {
    let Leaf::Unknown(value) = leaf else { return };
    if matches!(resource.spec, crate::resource::Spec::Service(_)) {
        return;
    }
    let At::Key(parent, name) = at else { return };
    let near = nearest(name, FIELDS);
    let hint = near.map_or_else(|| ".".to_owned(), |known| format!("; did you mean `{known}`?"));
    let free = near.filter(|known| !report.has(resource, &parent.key(known)));
    let finding = report.add(
        resource,
        at,
        format!("`{}` has no field `{name}`: it has no effect{hint}", parent.name()),
    );
    if let Some(known) = free {
        let fields = vec![(at.to_string(), None), (parent.key(known).to_string(), Some(value.clone()))];
        finding.set(format!("Rename it to {known}"), fields);
    }
}
