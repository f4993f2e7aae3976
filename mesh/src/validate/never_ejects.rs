//! Outlier detection that can never eject anything.

use crate::Severity;
use crate::labels::selects;
use crate::resource::destination_rule::Subset;
use crate::resource::traffic_policy::OutlierDetection;
use crate::resource::walk::At;

use super::context::Context;
use super::rule::{Check, Report, Rule};
use super::services::instances;

pub(super) const RULE: Rule = Rule {
    code: "MW0420",
    severity: Severity::Warning,
    title: "Outlier detection can never eject an instance",
    explanation: "At most `maxEjectionPercent` of the instances (10 % unless set) may be ejected at a time. With few instances a single one is more than that: of 3 instances each is 33 %. Until the service has enough instances none is ever ejected, whatever errors it has.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("never_ejects.yaml"),
};

/// What Envoy takes when nothing is set.
const DEFAULT_PERCENT: i64 = 10;

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, rule) in context.rules() {
        let Some(host) = rule.host.as_deref().filter(|host| !host.is_empty()) else { continue };
        let known = context.services.any(&context.qualify(resource, host)).and_then(instances);
        let Some(known) = known else { continue };
        let count = |subset: Option<&Subset>| {
            known
                .iter()
                .filter(|instance| subset.is_none_or(|subset| selects(&subset.labels, &instance.labels)))
                .count()
        };
        let mut tell = |detection: Option<&OutlierDetection>, subset: Option<&Subset>, at: &At<'_>| {
            let Some(detection) = detection else { return };
            let count = i64::try_from(count(subset)).unwrap_or(i64::MAX);
            let most = detection.max_ejection_percent.unwrap_or(DEFAULT_PERCENT);
            if count > 0 && 100 / count > most {
                let message = match count {
                    1 => format!(
                        "The only instance is 100 % of them, and `maxEjectionPercent` is {most}: it is never ejected."
                    ),
                    _ => format!(
                        "Each of the {count} instances is {} % of them, and `maxEjectionPercent` is {most}: none is ever ejected.",
                        100 / count
                    ),
                };
                let at = at.field("outlierDetection");
                let all = vec![(at.field("maxEjectionPercent").to_string(), Some(100.into()))];
                report.add(resource, &at, message).set("Let any instance be ejected", all);
            }
        };
        let policy = rule.traffic_policy.as_ref();
        tell(
            policy.and_then(|policy| policy.outlier_detection.as_ref()),
            None,
            &At::SPEC.field("trafficPolicy"),
        );
        let list = At::SPEC.field("subsets");
        for (index, subset) in rule.subsets.iter().enumerate() {
            let policy = subset.traffic_policy.as_ref();
            let detection = policy.and_then(|policy| policy.outlier_detection.as_ref());
            tell(detection, Some(subset), &list.index(index).field("trafficPolicy"));
        }
    }
}
