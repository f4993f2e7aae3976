//! What a merged `trafficPolicy` comes to, with Istio's and Envoy's defaults.

use std::time::Duration;

use crate::plan::{
    Balancer, Bounds, ClusterPolicy, ConsistentHash, HashCookie, HashKey, HashTable, Keepalive, Locality,
    Outlier, RetryBudget, Warmup,
};
use crate::resource::DurationString;
use crate::resource::field::Typed;
use crate::resource::traffic_policy::{
    ConnectionPool, ConsistentHash as HashSpec, H2UpgradePolicy, LoadBalancer, LocalityLbSetting,
    OutlierDetection, SimpleLoadBalancer, TrafficPolicy,
};

/// Envoy's default.
const ERRORS: u32 = 5;
/// Envoy's default of the smallest ring.
const RING: u32 = 1024;
/// The largest ring that Envoy makes.
const LARGEST_RING: u32 = 8 * 1024 * 1024;
/// Envoy's default size of a Maglev table.
const MAGLEV: u32 = 65_537;
/// The largest Maglev table that Envoy makes.
const LARGEST_MAGLEV: u32 = 5_000_011;

/// What a policy comes to; one that names no algorithm has the mesh's `default`.
pub(super) fn policy(merged: &TrafficPolicy, default: Balancer) -> ClusterPolicy {
    let balancer = merged.load_balancer.as_ref();
    let asked = balancer.and_then(|it| it.consistent_hash.as_ref());
    let hash = asked.and_then(hash);
    let pool = merged.connection_pool.as_ref();
    let tcp = pool.and_then(|pool| pool.tcp.as_ref());
    let http = pool.and_then(|pool| pool.http.as_ref());
    let upgrade = http.and_then(|http| http.h2_upgrade_policy.as_ref());
    let outlier = merged.outlier_detection.as_ref();
    ClusterPolicy {
        // A hash that no request has a key for goes anywhere.
        balancer: if asked.is_some() && hash.is_none() {
            Balancer::Random
        } else {
            simple(balancer, default)
        },
        hash,
        warmup: balancer.and_then(warmup),
        locality: locality(balancer.and_then(|it| it.locality_lb_setting.as_ref()), outlier.is_some()),
        bounds: bounds(pool, merged),
        outlier: outlier.map(outlier_of),
        connect_timeout: tcp.and_then(|tcp| positive(tcp.connect_timeout.as_ref())),
        http2: upgrade == Some(&H2UpgradePolicy::Upgrade),
        client_protocol: http.and_then(|http| http.use_client_protocol) == Some(true),
        raw: merged.write(),
        health: None,
        from: None,
        tls: None,
        first_address: false,
    }
}

fn simple(balancer: Option<&LoadBalancer>, default: Balancer) -> Balancer {
    match balancer.and_then(|balancer| balancer.simple.as_ref()) {
        Some(SimpleLoadBalancer::RoundRobin) => Balancer::RoundRobin,
        Some(SimpleLoadBalancer::Random) => Balancer::Random,
        Some(SimpleLoadBalancer::Passthrough) => Balancer::Passthrough,
        Some(SimpleLoadBalancer::LeastRequest | SimpleLoadBalancer::LeastConn) => Balancer::LeastRequest,
        _ => default,
    }
}

fn hash(it: &HashSpec) -> Option<ConsistentHash> {
    let key = if let Some(name) = &it.http_header_name {
        HashKey::Header(Some(name.to_ascii_lowercase()).filter(|name| !name.is_empty())?)
    } else if let Some(cookie) = &it.http_cookie {
        let attributes = cookie.attributes.iter();
        HashKey::Cookie(HashCookie {
            name: cookie.name.clone()?,
            path: cookie.path.clone().filter(|path| !path.is_empty()),
            ttl: cookie.ttl.as_ref().and_then(|ttl| ttl.parse().ok()),
            attributes: attributes
                .map(|it| (it.name.clone().unwrap_or_default(), it.value.clone().unwrap_or_default()))
                .collect(),
        })
    } else if it.use_source_ip == Some(true) {
        HashKey::SourceIp
    } else {
        HashKey::Query(it.http_query_parameter_name.clone().filter(|name| !name.is_empty())?)
    };
    let table = match &it.maglev {
        Some(maglev) => HashTable::Maglev(number(maglev.table_size).unwrap_or(MAGLEV).min(LARGEST_MAGLEV)),
        None => {
            let own = it.ring_hash.as_ref().and_then(|ring| ring.minimum_ring_size);
            HashTable::Ring(number(own.or(it.minimum_ring_size)).unwrap_or(RING).min(LARGEST_RING))
        }
    };
    Some(ConsistentHash { key, table })
}

fn warmup(balancer: &LoadBalancer) -> Option<Warmup> {
    let long = balancer.warmup.as_ref();
    let window = long.and_then(|it| it.duration.as_ref()).or(balancer.warmup_duration_secs.as_ref());
    Some(Warmup {
        window: positive(window)?,
        minimum: long.and_then(|it| it.minimum_percent).unwrap_or(10.0).clamp(0.0, 100.0),
        aggression: long.and_then(|it| it.aggression).filter(|it| *it > 0.0).unwrap_or(1.0),
    })
}

/// Without outlier detection nobody notices that an endpoint fails, so nothing fails over.
fn locality(setting: Option<&LocalityLbSetting>, detected: bool) -> Option<Locality> {
    let enabled = setting.is_none_or(|setting| setting.enabled != Some(false));
    let mut locality = Locality { fails_over: detected, ..Locality::default() };
    if let Some(setting) = setting {
        let share = |(to, weight): (&String, &i64)| Some((to.clone(), number(Some(*weight))?));
        for entry in &setting.distribute {
            let to = entry.to.iter().filter_map(share).collect();
            locality.distribute.push((entry.from.clone().unwrap_or_default(), to));
        }
        for entry in &setting.failover {
            let region = |region: &Option<String>| region.clone().unwrap_or_default();
            locality.failover.push((region(&entry.from), region(&entry.to)));
        }
        locality.failover_priority.clone_from(&setting.failover_priority);
    }
    Some(locality).filter(|it| enabled && (it.fails_over || !it.distribute.is_empty()))
}

fn bounds(pool: Option<&ConnectionPool>, merged: &TrafficPolicy) -> Bounds {
    let tcp = pool.and_then(|pool| pool.tcp.as_ref());
    let http = pool.and_then(|pool| pool.http.as_ref());
    let idle = http.and_then(|http| positive(http.idle_timeout.as_ref()));
    let alive = tcp.and_then(|tcp| tcp.tcp_keepalive.as_ref());
    Bounds {
        connections: tcp.and_then(|tcp| number(tcp.max_connections)),
        pending: http.and_then(|http| number(http.http1_max_pending_requests)),
        requests: http.and_then(|http| number(http.http2_max_requests)),
        retries: http.and_then(|http| number(http.max_retries)),
        retry_budget: merged.retry_budget.as_ref().map(|budget| RetryBudget {
            parts_per_million: millionths(budget.percent.unwrap_or(20.0)),
            at_least: budget.min_retry_concurrency.map_or(3, clamped),
        }),
        requests_per_connection: http.and_then(|http| number(http.max_requests_per_connection)),
        streams_per_connection: http.and_then(|http| number(http.max_concurrent_streams)),
        connection_duration: tcp.and_then(|tcp| positive(tcp.max_connection_duration.as_ref())),
        idle_timeout: idle.or_else(|| tcp.and_then(|tcp| positive(tcp.idle_timeout.as_ref()))),
        keepalive: alive.map(|alive| Keepalive {
            probes: number(alive.probes),
            time: positive(alive.time.as_ref()),
            interval: positive(alive.interval.as_ref()),
        }),
    }
}

fn outlier_of(it: &OutlierDetection) -> Outlier {
    // Errors that are not counted are 0; gateway errors are counted only where they are asked for.
    let split = it.split_external_local_origin_errors == Some(true);
    let some = |count: i64| Some(clamped(count)).filter(|count| *count > 0);
    let time = |text: &Option<DurationString>, default| {
        positive(text.as_ref()).unwrap_or(Duration::from_secs(default))
    };
    let percent = |value: Option<i64>, default| value.map_or(default, |it| clamped(it).min(100));
    let code = |code: &i64| u16::try_from(*code).ok();
    Outlier {
        errors: it.consecutive_5xx_errors.map_or(Some(ERRORS), some),
        gateway_errors: it.consecutive_gateway_errors.and_then(some),
        local_failures: it.consecutive_local_origin_failures.map_or(Some(ERRORS), some).filter(|_| split),
        codes: it.outlier_detection_http_error_codes.iter().filter_map(code).collect(),
        interval: time(&it.interval, 10),
        base_ejection: time(&it.base_ejection_time, 30),
        max_ejected: percent(it.max_ejection_percent, 10),
        min_healthy: percent(it.min_health_percent, 0),
    }
}

/// What is 0 or less is not set.
fn number(it: Option<i64>) -> Option<u32> {
    it.filter(|number| *number > 0).map(clamped)
}

fn clamped(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

fn positive(text: Option<&DurationString>) -> Option<Duration> {
    text.and_then(|text| text.parse().ok()).filter(|it| !it.is_zero())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and a million")]
fn millionths(percent: f64) -> u32 {
    (percent.clamp(0.0, 100.0) * 10_000.0) as u32
}
