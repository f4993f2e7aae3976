//! Load balancers that contradict themselves, or are incomplete.

use crate::Severity;
use crate::resource::traffic_policy::{ConsistentHash, Warmup};
use crate::resource::walk::At;

use super::context::Context;
use super::policies::{Policy, each_policy};
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0310",
    severity: Severity::Error,
    title: "Load balancer settings are missing or contradict each other",
    explanation: "`simple` and `consistentHash` exclude each other. `consistentHash` has one key, and `ringHash` or `maglev`, whose `tableSize` is a prime number of at most 5,000,011. `warmup` needs `duration`.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("load_balancer.yaml"),
};

/// The largest Maglev table that Envoy makes.
const LARGEST_TABLE: i64 = 5_000_011;

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    each_policy(context, &mut |at, policy| {
        let Some(balancer) = policy.load_balancer else { return };
        let at = at.field("loadBalancer");
        if balancer.locality_lb_setting.is_some() && balancer.zone_aware_lb_setting.is_some() {
            let message = "`localityLbSetting` and `zoneAwareLbSetting` exclude each other: Istio rejects the DestinationRule.";
            report.add(policy.resource, &at.field("zoneAwareLbSetting"), message);
        }
        if let Some(wanted) = &balancer.warmup {
            warmup(policy, wanted, &at.field("warmup"), report);
        }
        if let Some(hash) = &balancer.consistent_hash {
            let at = at.field("consistentHash");
            if balancer.simple.is_some() {
                let message =
                    "`simple` and `consistentHash` exclude each other: Istio rejects the DestinationRule.";
                report.add(policy.resource, &at, message);
            }
            consistent_hash(policy, hash, &at, report);
        }
    });
}

fn warmup(policy: Policy<'_>, warmup: &Warmup, at: &At<'_>, report: &mut Report<'_>) {
    if warmup.duration.is_none() {
        report.add(
            policy.resource,
            &at.field("duration"),
            "`duration` is missing: Istio rejects the DestinationRule.",
        );
    }
    if warmup.aggression.is_some_and(|aggression| aggression <= 0.0) {
        let message = "`aggression` must be greater than 0: Istio rejects the DestinationRule.";
        report.add(policy.resource, &at.field("aggression"), message);
    }
}

fn consistent_hash(policy: Policy<'_>, hash: &ConsistentHash, at: &At<'_>, report: &mut Report<'_>) {
    let keys = [
        ("httpHeaderName", hash.http_header_name.is_some()),
        ("httpCookie", hash.http_cookie.is_some()),
        ("useSourceIp", hash.use_source_ip.is_some()),
        ("httpQueryParameterName", hash.http_query_parameter_name.is_some()),
    ];
    let mut keys = keys.into_iter().filter(|(_, there)| *there).map(|(name, _)| name);
    match keys.next() {
        None => {
            let message = "`consistentHash` has no key (header, cookie, query parameter or source IP): requests are not bound to an instance.";
            report.add(policy.resource, at, message).severity(Severity::Warning).corresponds_to(&[]);
        }
        Some(first) => {
            for other in keys {
                let message = format!(
                    "`consistentHash` has the key `{first}` already: Istio rejects `{other}` beside it."
                );
                report.add(policy.resource, &at.field(other), message);
            }
        }
    }
    if hash.ring_hash.is_some() && hash.maglev.is_some() {
        let message = "`ringHash` and `maglev` exclude each other: Istio rejects the DestinationRule.";
        report.add(policy.resource, &at.field("maglev"), message);
    }
    for (field, name) in [
        ("httpHeaderName", &hash.http_header_name),
        ("httpQueryParameterName", &hash.http_query_parameter_name),
    ] {
        if name.as_deref() == Some("") {
            let message = "The name is empty: Envoy rejects every route to the service.";
            report.add(policy.resource, &at.field(field), message);
        }
    }
    let size = hash.maglev.as_ref().map(|maglev| maglev.table_size);
    if size == Some(None) {
        let message = "`maglev` needs `tableSize`, for example 65537: Istio rejects the DestinationRule.";
        report.add(policy.resource, &at.field("maglev").field("tableSize"), message);
    }
    if let Some(Some(size)) = size
        && (size > LARGEST_TABLE || !is_prime(size))
    {
        let message = format!(
            "`tableSize` must be a prime number of at most {LARGEST_TABLE}, not {size}: Istio rejects the DestinationRule."
        );
        report.add(policy.resource, &at.field("maglev").field("tableSize"), message);
    }
    let Some(cookie) = &hash.http_cookie else { return };
    let at = at.field("httpCookie");
    if cookie.name.as_deref().is_none_or(str::is_empty) {
        report.add(
            policy.resource,
            &at.field("name"),
            "The cookie has no `name`: Istio rejects the DestinationRule.",
        );
    }
    for (index, attribute) in cookie.attributes.iter().enumerate() {
        let there = attribute.name.as_deref().is_some_and(|name| !name.is_empty());
        if !there {
            let message = "The attribute has no `name`: Istio rejects the DestinationRule.";
            report.add(policy.resource, &at.field("attributes").index(index).field("name"), message);
        } else if cookie.attributes[..index].iter().any(|other| other.name == attribute.name) {
            let name = attribute.name.as_deref().unwrap_or_default();
            let message =
                format!("The cookie has the attribute `{name}` already: Istio rejects the DestinationRule.");
            report.add(policy.resource, &at.field("attributes").index(index).field("name"), message);
        }
    }
}

fn is_prime(number: i64) -> bool {
    number > 1 && (2..).take_while(|divisor| divisor * divisor <= number).all(|divisor| number % divisor != 0)
}
