//! Subsets and policies that are there twice.

use std::collections::HashSet;

use crate::Severity;
use crate::resource::walk::At;
use crate::resource::{DestinationRule, Resource};

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0402",
    severity: Severity::Warning,
    title: "A subset or a host's policy is defined twice",
    explanation: "The DestinationRules of a namespace for the same host are merged: of two subsets with the same name the first one is used, and of several policies for the whole host that of the oldest rule.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("duplicate_subsets.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    let list = At::SPEC.field("subsets");
    for (resource, spec) in context.rules() {
        let mut earlier: HashSet<&str> = HashSet::new();
        for (index, subset) in spec.subsets.iter().enumerate() {
            let name = subset.name.as_deref().unwrap_or_default();
            if !name.is_empty() && !earlier.insert(name) {
                let message = format!("Subset `{name}` is already defined: this one is never used.");
                report.add(resource, &list.index(index).field("name"), message);
            }
        }
        if spec.workload_selector.is_none() {
            others(context, resource, spec, report);
        }
    }
}

/// Rules for the same host in the same namespace that count before this one.
fn others(context: &Context<'_>, resource: &Resource, spec: &DestinationRule, report: &mut Report<'_>) {
    let Some(host) = spec.host.as_deref().filter(|host| !host.is_empty()) else { return };
    let full = context.qualify(resource, host);
    let Some(rules) = context.destination_rules().find(&full) else { return };
    let list = At::SPEC.field("subsets");
    for (other, theirs) in rules {
        if other.key.namespace != resource.key.namespace
            || theirs.workload_selector.is_some()
            || other.age() >= resource.age()
        {
            continue;
        }
        // A wildcard's rules are found for hosts that it covers, too.
        if context.qualify(other, theirs.host.as_deref().unwrap_or_default()) != full {
            continue;
        }
        if spec.traffic_policy.is_some() && theirs.traffic_policy.is_some() {
            let message = format!(
                "`{}` sets a policy for `{host}` too and is older: this policy is never used.",
                other.key.name
            );
            report.add(resource, &At::SPEC.field("trafficPolicy"), message);
        }
        let defined: HashSet<&str> =
            theirs.subsets.iter().filter_map(|subset| subset.name.as_deref()).collect();
        for (index, subset) in spec.subsets.iter().enumerate() {
            let name = subset.name.as_deref().unwrap_or_default();
            if !name.is_empty() && defined.contains(name) {
                let message = format!(
                    "`{}` defines subset `{name}` too and is older: this one is never used.",
                    other.key.name
                );
                report.add(resource, &list.index(index).field("name"), message);
            }
        }
    }
}
