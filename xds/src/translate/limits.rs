//! Circuit breakers, outlier detection, and what holds for each connection.

use envoy::circuit_breakers::Thresholds;
use envoy::circuit_breakers::thresholds::RetryBudget;
use envoy_types::pb::envoy::config::cluster::v3 as envoy;
use envoy_types::pb::envoy::config::core::v3 as core;
use mesh::plan::{Bounds, Outlier};

use super::pb;

/// No limit: Envoy's own default is 1,024, and 3 of retries.
const UNLIMITED: u32 = u32::MAX;
/// Parts in a percent, of a million.
const PERCENT: f64 = 10_000.0;
/// All ejections that are due are made.
const ENFORCED: u32 = 100;

pub(super) fn breakers(bounds: &Bounds) -> envoy::CircuitBreakers {
    let limit = |limit: Option<u32>| Some(pb::number(limit.unwrap_or(UNLIMITED)));
    let budget = bounds.retry_budget.map(|budget| RetryBudget {
        budget_percent: Some(pb::percent(f64::from(budget.parts_per_million) / PERCENT)),
        min_retry_concurrency: Some(pb::number(budget.at_least)),
        ..Default::default()
    });
    let thresholds = Thresholds {
        max_connections: limit(bounds.connections),
        max_pending_requests: limit(bounds.pending),
        max_requests: limit(bounds.requests),
        max_retries: limit(bounds.retries),
        retry_budget: budget,
        ..Default::default()
    };
    envoy::CircuitBreakers { thresholds: vec![thresholds], ..Default::default() }
}

pub(super) fn outlier(outlier: &Outlier) -> envoy::OutlierDetection {
    let enforced = |threshold: Option<u32>| Some(pb::number(threshold.map_or(0, |_| ENFORCED)));
    let count = |threshold: Option<u32>| threshold.map(pb::number);
    envoy::OutlierDetection {
        consecutive_5xx: count(outlier.errors),
        enforcing_consecutive_5xx: enforced(outlier.errors),
        consecutive_gateway_failure: count(outlier.gateway_errors),
        enforcing_consecutive_gateway_failure: enforced(outlier.gateway_errors),
        split_external_local_origin_errors: outlier.local_failures.is_some(),
        consecutive_local_origin_failure: count(outlier.local_failures),
        enforcing_consecutive_local_origin_failure: outlier.local_failures.map(|_| pb::number(ENFORCED)),
        enforcing_success_rate: Some(pb::number(0)),
        enforcing_local_origin_success_rate: outlier.local_failures.map(|_| pb::number(0)),
        interval: Some(pb::duration(outlier.interval)),
        base_ejection_time: Some(pb::duration(outlier.base_ejection)),
        max_ejection_percent: Some(pb::number(outlier.max_ejected)),
        ..Default::default()
    }
}

pub(super) fn connection(bounds: &Bounds) -> Option<envoy::UpstreamConnectionOptions> {
    let keepalive = bounds.keepalive?;
    let seconds = |it: Option<std::time::Duration>| {
        it.map(|it| pb::number(u32::try_from(it.as_secs().max(1)).unwrap_or(u32::MAX)))
    };
    Some(envoy::UpstreamConnectionOptions {
        tcp_keepalive: Some(core::TcpKeepalive {
            keepalive_probes: keepalive.probes.map(pb::number),
            keepalive_time: seconds(keepalive.time),
            keepalive_interval: seconds(keepalive.interval),
        }),
        ..Default::default()
    })
}
