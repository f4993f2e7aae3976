//! What Envoy's lines mean.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh::plan::ClusterKey;
use mesh::{Plan, Source};
use proxy::{EjectedFor, Limit, Name, Notice, ObservationKey, Stats};
use serde_json::Value;
use xds::translate::names;

/// One line.
pub(super) enum Said {
    /// A request or a connection has ended.
    Ended(Ended),
    /// Something is otherwise with an endpoint.
    Notice(Notice),
}

/// A request or a connection that has ended.
pub(super) struct Ended(Value);

pub(super) fn read(line: &str, source: &Arc<Source>) -> Option<Said> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line.get("kind").is_some() {
        Some(Said::Ended(Ended(line)))
    } else if line.get("action").is_some() {
        ejection(&line, source).map(Said::Notice)
    } else {
        health(&line).map(Said::Notice)
    }
}

impl Ended {
    pub(super) fn observation(&self, plan: &Plan) -> (ObservationKey, Stats) {
        let line = &self.0;
        let text = |field: &str| line[field].as_str().unwrap_or("").to_owned();
        let number = |field: &str| line[field].as_u64().unwrap_or(0);
        let cluster = names::parse_cluster(&text("cluster"));
        let endpoints = plan.clusters.iter().filter(|it| Some(&it.key) == cluster.as_ref());
        let upstream = text("upstream");
        let instance = endpoints
            .flat_map(|it| &it.endpoints)
            .find(|it| format!("{}:{}", it.address, it.port) == upstream);
        let subset = cluster.as_ref().and_then(|key| key.subset.clone());
        let key = ObservationKey {
            source: Arc::new(Source::clone(&plan.source)),
            revision: plan.revision,
            route: names::parse_route(&text("route")),
            host: Name::of_mesh(&cluster.map_or_else(|| text("authority"), |key| key.host)),
            version: instance
                .map_or_else(|| subset.clone().unwrap_or_default(), |it| it.version().to_owned()),
            subset,
        };
        let flags = text("flags").replace('-', "");
        let each = flags.split(',').filter(|flag| !flag.is_empty());
        let mut stats = Stats {
            flags: each.map(|flag| (&*Box::leak(flag.to_owned().into_boxed_str()), 1)).collect(),
            bytes_sent: number("received"),
            bytes_received: number("sent"),
            ..Stats::default()
        };
        if text("kind") == "tcp" {
            (stats.chosen, stats.connections_opened, stats.connections_closed) = (1, 1, 1);
            return (key, stats);
        }
        (stats.chosen, stats.requests) = (1, 1);
        stats.codes = HashMap::from([(u16::try_from(number("code")).unwrap(), 1)]);
        stats.latency.record(number("duration") * 1000).unwrap();
        stats.retries = number("attempts").saturating_sub(1);
        (key, stats)
    }
}

fn ejection(line: &Value, source: &Arc<Source>) -> Option<Notice> {
    let cluster = names::parse_cluster(line["cluster_name"].as_str()?)?;
    let (address, port) = line["upstream_url"].as_str()?.rsplit_once(':')?;
    let (address, port) = (address.to_owned(), port.parse().ok()?);
    let (source, at) = (Arc::clone(source), Instant::now());
    if line["action"] == "UNEJECT" {
        return Some(Notice::Returned { source, cluster, address, port, at });
    }
    let why = match line["type"].as_str().unwrap_or("CONSECUTIVE_5XX") {
        "CONSECUTIVE_5XX" => EjectedFor::Errors,
        "CONSECUTIVE_GATEWAY_FAILURE" => EjectedFor::GatewayErrors,
        "CONSECUTIVE_LOCAL_ORIGIN_FAILURE" => EjectedFor::LocalFailures,
        other => panic!("ejected for {other}"),
    };
    let times = u32::try_from(line["num_ejections"].as_u64().unwrap_or(0)).ok()?;
    let enforced = line["enforced"].as_bool().unwrap_or(false);
    let length = Duration::ZERO;
    enforced.then_some(Notice::Ejected { source, cluster, address, port, why, times, length, at })
}

fn health(line: &Value) -> Option<Notice> {
    let host = names::parse_cluster(line["cluster_name"].as_str()?)?.host;
    let socket = &line["host"]["socket_address"];
    let address = socket["address"].as_str()?.to_owned();
    let port = u16::try_from(socket["port_value"].as_u64()?).ok()?;
    let at = Instant::now();
    let first = line["health_check_failure_event"]["first_check"] == true;
    if line.get("add_healthy_event").is_some() {
        Some(Notice::Healthy { host, address, port, at })
    } else if line.get("eject_unhealthy_event").is_some() || first {
        // Its words are its own.
        Some(Notice::Unhealthy { host, address, port, why: String::new(), at })
    } else {
        None
    }
}

/// What a gauge of a breaker says.
pub(super) fn breaker(gauge: &str, open: bool, source: &Source) -> Option<Notice> {
    let (cluster, gauge) = gauge.strip_prefix("cluster.")?.split_once(".circuit_breakers.default.")?;
    let limit = match gauge {
        "cx_open" => Limit::Connections,
        "rq_pending_open" => Limit::Pending,
        "rq_open" => Limit::Requests,
        "rq_retry_open" => Limit::Retries,
        _ => return None,
    };
    let cluster: ClusterKey = names::parse_cluster(cluster)?;
    Some(Notice::Breaker { source: Arc::new(source.clone()), cluster, limit, open, at: Instant::now() })
}
