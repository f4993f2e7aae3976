//! Locality settings that contradict themselves.

use crate::Severity;
use crate::resource::traffic_policy::{LocalityDistribute, LocalityFailover};
use crate::resource::walk::At;

use super::context::Context;
use super::policies::{Policy, each_policy};
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0311",
    severity: Severity::Error,
    title: "Locality settings contradict each other",
    explanation: "The weights in `distribute` sum up to 100, none is 0, and localities do not overlap. `distribute` excludes `failover` and `failoverPriority`. Failover goes from one region to another, and needs `outlierDetection` to notice that instances fail.",
    corresponds_to: &["IST0106", "IST0133"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("locality.yaml"),
};

const REGION: &str = "topology.kubernetes.io/region";
const ZONE: &str = "topology.kubernetes.io/zone";

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    each_policy(context, &mut |at, policy| {
        let Some(balancer) = policy.load_balancer else { return };
        let at = at.field("loadBalancer");
        if let Some(setting) = &balancer.locality_lb_setting {
            let at = at.field("localityLbSetting");
            let fails_over = !setting.failover.is_empty() || !setting.failover_priority.is_empty();
            if !setting.distribute.is_empty() && fails_over {
                let message = "`distribute` excludes `failover` and `failoverPriority`: Istio rejects the DestinationRule.";
                report.add(policy.resource, &at.field("distribute"), message).corresponds_to(&["IST0106"]);
            }
            distribute(policy, &setting.distribute, &at.field("distribute"), report);
            failover(policy, &setting.failover, &setting.failover_priority, &at, report);
            if fails_over && policy.outlier_detection.is_none() {
                let message = "Without `outlierDetection` failures go unnoticed: traffic never fails over.";
                let place = if setting.failover.is_empty() { "failoverPriority" } else { "failover" };
                let finding = report.add(policy.resource, &at.field(place), message);
                finding.severity(Severity::Warning).corresponds_to(&["IST0133"]);
            }
        }
        if let Some(setting) = &balancer.zone_aware_lb_setting {
            let at = at.field("zoneAwareLbSetting");
            failover(policy, &setting.failover, &setting.failover_priority, &at, report);
            for (index, label) in setting.failover_priority.iter().enumerate() {
                if label.split('=').next() == Some(ZONE) {
                    let message = "`zoneAwareLbSetting` orders by zone already: Istio rejects the label.";
                    let at = at.field("failoverPriority");
                    report.add(policy.resource, &at.index(index), message).corresponds_to(&["IST0106"]);
                }
            }
        }
    });
}

fn distribute(policy: Policy<'_>, list: &[LocalityDistribute], at: &At<'_>, report: &mut Report<'_>) {
    let mut add = |at: &At<'_>, message: String| {
        report.add(policy.resource, at, message).corresponds_to(&["IST0106"]);
    };
    for (index, entry) in list.iter().enumerate() {
        let at = at.index(index);
        let sum: i64 = entry.to.values().fold(0, |sum, weight| sum.saturating_add(*weight));
        if sum != 100 {
            add(
                &at.field("to"),
                format!(
                    "The weights sum up to {sum}, but must sum up to 100: Istio rejects the DestinationRule."
                ),
            );
        }
        for (locality, weight) in &entry.to {
            if *weight <= 0 {
                let to = at.field("to");
                add(
                    &to.key(locality),
                    format!(
                        "The weight of `{locality}` is {weight}, which Istio rejects: remove the locality instead."
                    ),
                );
            }
        }
        let from = entry.from.as_deref().unwrap_or_default();
        overlaps(
            from,
            list[..index].iter().filter_map(|other| other.from.as_deref()),
            &at.field("from"),
            &mut add,
        );
        for (at_end, locality) in entry.to.keys().enumerate() {
            let to = at.field("to");
            overlaps(locality, entry.to.keys().take(at_end).map(String::as_str), &to.key(locality), &mut add);
        }
    }
}

/// Tells of a locality that has its wildcard in the wrong place, or meets one before it.
fn overlaps<'l>(
    locality: &str,
    earlier: impl Iterator<Item = &'l str>,
    at: &At<'_>,
    add: &mut dyn FnMut(&At<'_>, String),
) {
    if let Some(star) = locality.find('*')
        && star + 1 < locality.len()
    {
        add(at, format!("`{locality}`: a wildcard is allowed only at the end."));
    }
    for other in earlier {
        if meet(locality, other) {
            add(at, format!("`{locality}` and `{other}` overlap: Istio rejects the DestinationRule."));
        }
    }
}

/// Whether two localities overlap. What is left out at the end stands for all.
fn meet(a: &str, b: &str) -> bool {
    let mut pairs = a.split('/').zip(b.split('/'));
    pairs.all(|(a, b)| a == b || a == "*" || b == "*")
}

fn failover(
    policy: Policy<'_>,
    list: &[LocalityFailover],
    priority: &[String],
    at: &At<'_>,
    report: &mut Report<'_>,
) {
    let mut add = |at: &At<'_>, message: String| {
        report.add(policy.resource, at, message).corresponds_to(&["IST0106"]);
    };
    let field = at.field("failover");
    for (index, entry) in list.iter().enumerate() {
        let at = field.index(index);
        for (name, region) in [("from", &entry.from), ("to", &entry.to)] {
            let region = region.as_deref().unwrap_or_default();
            if region.contains(['*', '/']) {
                add(
                    &at.field(name),
                    format!("`{region}` is not a single region, and failover is between regions."),
                );
            }
        }
        if entry.from == entry.to {
            add(&at, "`from` and `to` are the same region: failover needs another one.".to_owned());
        }
    }
    for (index, label) in priority.iter().enumerate() {
        if !list.is_empty() && label.split('=').next() == Some(REGION) {
            let at = at.field("failoverPriority");
            add(
                &at.index(index),
                "`failover` orders the regions already: Istio rejects the label beside it.".to_owned(),
            );
        }
    }
}
