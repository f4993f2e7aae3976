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
    title: "A load balancer contradicts itself, or is incomplete",
    explanation: "A policy has one algorithm, and a hash one key and one table. The size of a Maglev table is a prime of 5,000,011 at most. A warmup needs its duration.",
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
            let message = "`localityLbSetting` and `zoneAwareLbSetting` exclude each other: a cluster refuses the rule.";
            report.add(policy.resource, &at.field("zoneAwareLbSetting"), message);
        }
        if let Some(wanted) = &balancer.warmup {
            warmup(policy, wanted, &at.field("warmup"), report);
        }
        if let Some(hash) = &balancer.consistent_hash {
            let at = at.field("consistentHash");
            if balancer.simple.is_some() {
                let message = "`simple` and `consistentHash` exclude each other: a cluster refuses the rule.";
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
            "`duration` is missing: a cluster refuses the rule.",
        );
    }
    if warmup.aggression.is_some_and(|aggression| aggression <= 0.0) {
        let message = "`aggression` must be greater than 0: a cluster refuses the rule.";
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
            let message = "The hash has no key, a header, cookie, query parameter or source address: each request goes anywhere.";
            report.add(policy.resource, at, message).severity(Severity::Warning).corresponds_to(&[]);
        }
        Some(first) => {
            for other in keys {
                let message = format!(
                    "The hash has the key `{first}` already: `{other}` beside it is refused by a cluster."
                );
                report.add(policy.resource, &at.field(other), message);
            }
        }
    }
    if hash.ring_hash.is_some() && hash.maglev.is_some() {
        let message = "`ringHash` and `maglev` exclude each other: a cluster refuses the rule.";
        report.add(policy.resource, &at.field("maglev"), message);
    }
    for (field, name) in [
        ("httpHeaderName", &hash.http_header_name),
        ("httpQueryParameterName", &hash.http_query_parameter_name),
    ] {
        if name.as_deref() == Some("") {
            let message = "The name to hash by is empty: Envoy refuses every route to the service.";
            report.add(policy.resource, &at.field(field), message);
        }
    }
    let size = hash.maglev.as_ref().map(|maglev| maglev.table_size);
    if size == Some(None) {
        let message = "A Maglev table needs its `tableSize`, 65537 for example: a cluster refuses the rule.";
        report.add(policy.resource, &at.field("maglev").field("tableSize"), message);
    }
    if let Some(Some(size)) = size
        && (size > LARGEST_TABLE || !is_prime(size))
    {
        let message = format!(
            "A Maglev table of {size} entries cannot be, it takes a prime of {LARGEST_TABLE} at most: a cluster refuses it."
        );
        report.add(policy.resource, &at.field("maglev").field("tableSize"), message);
    }
    let Some(cookie) = &hash.http_cookie else { return };
    let at = at.field("httpCookie");
    if cookie.name.as_deref().is_none_or(str::is_empty) {
        report.add(
            policy.resource,
            &at.field("name"),
            "The cookie has no `name`: a cluster refuses the rule.",
        );
    }
    for (index, attribute) in cookie.attributes.iter().enumerate() {
        let there = attribute.name.as_deref().is_some_and(|name| !name.is_empty());
        if !there {
            let message = "The attribute has no `name`: a cluster refuses the rule.";
            report.add(policy.resource, &at.field("attributes").index(index).field("name"), message);
        } else if cookie.attributes[..index].iter().any(|other| other.name == attribute.name) {
            let name = attribute.name.as_deref().unwrap_or_default();
            let message =
                format!("The cookie has the attribute `{name}` already: a cluster refuses the rule.");
            report.add(policy.resource, &at.field("attributes").index(index).field("name"), message);
        }
    }
}

fn is_prime(number: i64) -> bool {
    number > 1 && (2..).take_while(|divisor| divisor * divisor <= number).all(|divisor| number % divisor != 0)
}
