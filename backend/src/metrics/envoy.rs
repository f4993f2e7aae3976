//! What Envoy says of its clusters, under Envoy's names, so that dashboards made for it show ejections, limits, retries and
//! health here too.
//!
//! A cluster is `outbound|PORT|SUBSET|HOST`, as `cluster_name` (Istio's label) and `envoy_cluster_name`; where a host has several
//! ports, counts of requests leave the port out, since they are kept by host. `source` says whose cluster it is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mesh::Source;
use mesh::plan::{ClusterKey, Endpoint};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use proxy::observation::{ObservationKey, Stats};
use proxy::{EjectedFor, Limit, Name, Notice};
use xds::translate::names::cluster as name;

use super::there::There;

/// All that has been counted since the start, and what holds now.
#[derive(Debug, Default)]
pub(super) struct Envoy(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By source, host and subset.
    traffic: HashMap<(Arc<Source>, Name, Option<String>), Traffic>,
    /// Endpoints that are out, with their clusters.
    ejected: HashSet<(Arc<Source>, ClusterKey, Place)>,
    ejections: HashMap<(Arc<Source>, ClusterKey, EjectedFor), i64>,
    /// Limits that were reached, and whether they are now.
    open: HashMap<(Arc<Source>, ClusterKey, Limit), bool>,
    /// Hosts with those of their endpoints whose health checks fail.
    ill: HashSet<(String, Place)>,
    known: Vec<(ClusterKey, Vec<Place>)>,
}

/// Address and port.
type Place = (String, u16);

#[derive(Debug, Default)]
struct Traffic {
    codes: BTreeMap<u16, i64>,
    flags: HashMap<&'static str, i64>,
    retries: i64,
}

/// Whose cluster it is, and its name twice: as Istio and as Envoy label it.
type Labels = [(&'static str, String); 3];

/// Envoy's counters have no suffix, which only metrics of no type have here.
const PLAIN: MetricType = MetricType::Unknown;

/// Envoy's counters that a response flag stands for.
const BY_FLAG: [(&str, &str); 7] = [
    ("envoy_cluster_upstream_rq_pending_overflow", "UO"),
    ("envoy_cluster_upstream_rq_timeout", "UT"),
    ("envoy_cluster_upstream_rq_retry_limit_exceeded", "URX"),
    ("envoy_cluster_upstream_rq_rx_reset", "UR"),
    ("envoy_cluster_upstream_cx_connect_fail", "UF"),
    ("envoy_cluster_upstream_cx_none_healthy", "UH"),
    ("envoy_cluster_upstream_cx_destroy_with_active_rq", "UC"),
];

impl Envoy {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each entry is whole, whatever became of the thread that changed it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns which clusters there are.
    pub(super) fn know<'m>(&self, endpoints: impl Iterator<Item = (&'m ClusterKey, &'m Endpoint)>) {
        let mut clusters: BTreeMap<&ClusterKey, Vec<Place>> = BTreeMap::new();
        for (key, endpoint) in endpoints {
            clusters.entry(key).or_default().push((endpoint.address.clone(), endpoint.port));
        }
        let mut state = self.state();
        let there: HashSet<&Place> = clusters.values().flatten().collect();
        // Nobody will say that an instance is well that has gone.
        state.ill.retain(|(_, place)| there.contains(place));
        state.ejected.retain(|(_, _, place)| there.contains(place));
        state.known = clusters.into_iter().map(|(key, places)| (key.clone(), places)).collect();
    }

    pub(super) fn observe(&self, key: &ObservationKey, stats: &Stats) {
        if stats.requests == 0 {
            return;
        }
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let mut state = self.state();
        let cluster = (Arc::clone(&key.source), key.host.clone(), key.subset.clone());
        let traffic = state.traffic.entry(cluster).or_default();
        for (code, requests) in &stats.codes {
            *traffic.codes.entry(*code).or_default() += count(*requests);
        }
        for (flag, requests) in &stats.flags {
            *traffic.flags.entry(flag).or_default() += count(*requests);
        }
        traffic.retries += count(stats.retries);
    }

    /// Drops what is gone.
    pub(super) fn follow(&self, there: &There<'_>) {
        let mut state = self.state();
        state.traffic.retain(|(source, host, subset), _| {
            there.has(source, host, subset.as_deref().unwrap_or_default())
        });
        let has =
            |source: &Source, key: &ClusterKey| there.has_cluster(source, &key.host, key.subset.as_deref());
        state.ejected.retain(|(source, key, _)| has(source, key));
        state.ejections.retain(|(source, key, _), _| has(source, key));
        state.open.retain(|(source, key, _), _| has(source, key));
    }

    pub(super) fn notice(&self, notice: &Notice) {
        let mut state = self.state();
        match notice.clone() {
            Notice::Ejected { source, cluster, address, port, why, .. } => {
                *state.ejections.entry((Arc::clone(&source), cluster.clone(), why)).or_default() += 1;
                state.ejected.insert((source, cluster, (address, port)));
            }
            Notice::Returned { source, cluster, address, port, .. } => {
                state.ejected.remove(&(source, cluster, (address, port)));
            }
            Notice::Unhealthy { host, address, port, .. } => drop(state.ill.insert((host, (address, port)))),
            Notice::Healthy { host, address, port, .. } => drop(state.ill.remove(&(host, (address, port)))),
            Notice::Breaker { source, cluster, limit, open, .. } => {
                state.open.insert((source, cluster, limit), open);
            }
            Notice::FirstRequest { .. } | Notice::Unreachable { .. } | Notice::Reachable { .. } => {}
        }
    }
}

impl State {
    /// The name of a host's cluster; `None` for what is no cluster.
    fn name(&self, host: &str, subset: Option<&str>) -> Option<String> {
        let of_host = self.known.iter().filter(|(key, _)| key.host == host);
        let ports: BTreeSet<u16> = of_host.map(|(key, _)| key.port).collect();
        let port = match ports.len() {
            0 => return None,
            1 => ports.first().map(u16::to_string).unwrap_or_default(),
            _ => String::new(),
        };
        Some(format!("outbound|{port}|{}|{host}", subset.unwrap_or_default()))
    }
}

fn labels(source: &str, name: String) -> Labels {
    [("source", source.to_owned()), ("cluster_name", name.clone()), ("envoy_cluster_name", name)]
}

/// The same, with one more that both label, each in its way.
fn with<'l>(labels: &'l Labels, [istio, envoy]: [&'l str; 2], value: u16) -> [(&'l str, String); 5] {
    let [source, name, again] = labels.clone();
    [source, name, again, (istio, value.to_string()), (envoy, value.to_string())]
}

/// What a registry collects from.
#[derive(Debug)]
pub(super) struct Shared(pub(super) Arc<Envoy>);

impl Collector for Shared {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let state = self.0.state();
        let mut traffic: Vec<(Labels, &Traffic)> = state
            .traffic
            .iter()
            .filter_map(|((source, host, subset), traffic)| {
                Some((labels(&super::source(source), state.name(host, subset.as_deref())?), traffic))
            })
            .collect();
        traffic.sort_by(|(one, _), (other, _)| one.cmp(other));

        let mut family =
            encoder.encode_descriptor("envoy_cluster_upstream_rq_total", "Requests", None, PLAIN)?;
        for (labels, traffic) in &traffic {
            family.encode_family(labels)?.encode_gauge(&traffic.codes.values().sum::<i64>())?;
        }
        let mut family =
            encoder.encode_descriptor("envoy_cluster_upstream_rq", "Requests by status", None, PLAIN)?;
        for (labels, traffic) in &traffic {
            for (code, count) in &traffic.codes {
                let labels = with(labels, ["response_code", "envoy_response_code"], *code);
                family.encode_family(&labels)?.encode_gauge(count)?;
            }
        }
        let (metric, help) = ("envoy_cluster_upstream_rq_xx", "Requests by class of status");
        let mut family = encoder.encode_descriptor(metric, help, None, PLAIN)?;
        for (labels, traffic) in &traffic {
            let mut classes: BTreeMap<u16, i64> = BTreeMap::new();
            traffic.codes.iter().for_each(|(code, count)| *classes.entry(code / 100).or_default() += count);
            for (class, count) in classes {
                let labels = with(labels, ["response_code_class", "envoy_response_code_class"], class);
                family.encode_family(&labels)?.encode_gauge(&count)?;
            }
        }
        let (metric, help) = ("envoy_cluster_upstream_rq_retry", "Tries beyond the first");
        let mut family = encoder.encode_descriptor(metric, help, None, PLAIN)?;
        for (labels, traffic) in &traffic {
            family.encode_family(labels)?.encode_gauge(&traffic.retries)?;
        }
        for (name, flag) in BY_FLAG {
            let help = format!("Requests with the response flag {flag}");
            let mut family = encoder.encode_descriptor(name, &help, None, PLAIN)?;
            for (labels, traffic) in &traffic {
                let count = traffic.flags.get(flag).copied().unwrap_or_default();
                family.encode_family(labels)?.encode_gauge(&count)?;
            }
        }
        state.encode_ejections(&mut encoder)?;
        state.encode_limits(&mut encoder)?;
        state.encode_members(&mut encoder)
    }
}

impl State {
    fn encode_ejections(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut active: BTreeMap<(String, String), i64> = BTreeMap::new();
        for (source, key, _) in self.ejections.keys() {
            active.entry((super::source(source), name(key))).or_default();
        }
        for (source, key, _) in &self.ejected {
            *active.entry((super::source(source), name(key))).or_default() += 1;
        }
        let (metric, help) =
            ("envoy_cluster_outlier_detection_ejections_active", "Endpoints that are ejected");
        let mut family = encoder.encode_descriptor(metric, help, None, MetricType::Gauge)?;
        for ((source, name), count) in active {
            family.encode_family(&labels(&source, name))?.encode_gauge(&count)?;
        }
        let kinds: [(&str, &[EjectedFor]); 4] = [
            ("total", &[EjectedFor::Errors, EjectedFor::GatewayErrors, EjectedFor::LocalFailures]),
            ("consecutive_5xx", &[EjectedFor::Errors]),
            ("consecutive_gateway_failure", &[EjectedFor::GatewayErrors]),
            ("consecutive_local_origin_failure", &[EjectedFor::LocalFailures]),
        ];
        for (kind, reasons) in kinds {
            let mut all: BTreeMap<(String, String), i64> = BTreeMap::new();
            for ((source, key, why), count) in &self.ejections {
                let more = if reasons.contains(why) { *count } else { 0 };
                *all.entry((super::source(source), name(key))).or_default() += more;
            }
            let metric = format!("envoy_cluster_outlier_detection_ejections_enforced_{kind}");
            let mut family = encoder.encode_descriptor(&metric, "Ejections", None, PLAIN)?;
            for ((source, name), count) in all {
                family.encode_family(&labels(&source, name))?.encode_gauge(&count)?;
            }
        }
        Ok(())
    }

    fn encode_limits(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for (kind, limit) in [
            ("cx", Limit::Connections),
            ("rq_pending", Limit::Pending),
            ("rq", Limit::Requests),
            ("rq_retry", Limit::Retries),
        ] {
            let metric = format!("envoy_cluster_circuit_breakers_default_{kind}_open");
            let help = "Whether the limit is reached";
            let mut family = encoder.encode_descriptor(&metric, help, None, MetricType::Gauge)?;
            for ((source, key, _), open) in self.open.iter().filter(|((.., of), _)| *of == limit) {
                let labels = labels(&super::source(source), name(key));
                family.encode_family(&labels)?.encode_gauge(&i64::from(*open))?;
            }
        }
        Ok(())
    }

    /// Endpoints of each cluster; one that some source has ejected is not healthy.
    fn encode_members(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let ejected: HashSet<(&ClusterKey, &Place)> =
            self.ejected.iter().map(|(_, key, place)| (key, place)).collect();
        // Where subsets are not known by themselves, what one of them has ejected is out of the whole.
        let known: HashSet<&ClusterKey> = self.known.iter().map(|(key, _)| key).collect();
        let parts = ejected.iter().filter(|(key, _)| !known.contains(key));
        let of_host: HashSet<(&str, &Place)> =
            parts.map(|(key, place)| (key.host.as_str(), *place)).collect();
        let healthy = |key: &ClusterKey, place: &Place| {
            !ejected.contains(&(key, place))
                && !of_host.contains(&(key.host.as_str(), place))
                && !self.ill.contains(&(key.host.clone(), place.clone()))
        };
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        type Figure<'f> = &'f dyn Fn(&ClusterKey, &[Place]) -> usize;
        let figures: [(&str, &str, Figure<'_>); 2] = [
            ("envoy_cluster_membership_total", "Endpoints", &|_, places| places.len()),
            ("envoy_cluster_membership_healthy", "Endpoints that are used", &|key, places| {
                places.iter().filter(|place| healthy(key, place)).count()
            }),
        ];
        for (metric, help, figure) in figures {
            let mut family = encoder.encode_descriptor(metric, help, None, MetricType::Gauge)?;
            for (key, places) in &self.known {
                let [_, name, again] = labels("", name(key));
                let labels = [name, again];
                family.encode_family(&labels)?.encode_gauge(&count(figure(key, places)))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn clusters_stand_under_envoys_names() {
        let envoy = Arc::new(Envoy::default());
        let source = Arc::new(Source::Gateway { namespace: "default".to_owned(), name: "edge".to_owned() });
        let cluster = ClusterKey { host: "reviews".to_owned(), subset: Some("v1".to_owned()), port: 80 };
        let endpoints =
            [Endpoint::named("10.0.0.1", 1), Endpoint::named("10.0.0.2", 1), Endpoint::named("10.0.0.3", 1)];
        envoy.know(endpoints.iter().map(|endpoint| (&cluster, endpoint)));
        let key = |host: &str| ObservationKey {
            source: Arc::clone(&source),
            revision: 1,
            route: None,
            host: Name::of_mesh(host),
            subset: Some("v1".to_owned()),
            version: "v1".to_owned(),
        };
        let mut stats = Stats { requests: 5, retries: 2, ..Stats::default() };
        stats.codes = HashMap::from([(200, 3), (503, 2)]);
        stats.flags = HashMap::from([("UO", 1), ("UT", 1)]);
        envoy.observe(&key("reviews"), &stats);
        envoy.observe(&key("nobody.org"), &stats);
        let at = Instant::now();
        let (address, port, length) = ("10.0.0.1".to_owned(), 1, Duration::from_secs(1));
        let eject = |address: &str| Notice::Ejected {
            source: Arc::clone(&source),
            cluster: cluster.clone(),
            address: address.to_owned(),
            port,
            why: EjectedFor::Errors,
            times: 1,
            length,
            at,
        };
        envoy.notice(&eject("10.0.0.1"));
        envoy.notice(&eject("10.0.0.2"));
        envoy.notice(&Notice::Returned {
            source: Arc::clone(&source),
            cluster: cluster.clone(),
            address,
            port,
            at,
        });
        let host = "reviews".to_owned();
        envoy.notice(&Notice::Unhealthy {
            host,
            address: "10.0.0.3".to_owned(),
            port,
            why: String::new(),
            at,
        });
        let limit = Limit::Requests;
        envoy.notice(&Notice::Breaker {
            source: Arc::clone(&source),
            cluster: cluster.clone(),
            limit,
            open: true,
            at,
        });

        let mut registry = Registry::default();
        registry.register_collector(Box::new(Shared(envoy)));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for (start, parts, value) in [
            ("envoy_cluster_upstream_rq_total{", "cluster_name=\"outbound|80|v1|reviews\"", "5"),
            ("envoy_cluster_upstream_rq{", "response_code=\"503\"", "2"),
            ("envoy_cluster_upstream_rq_xx{", "envoy_response_code_class=\"2\"", "3"),
            ("envoy_cluster_upstream_rq_retry{", "source=\"gateway/default/edge\"", "2"),
            (
                "envoy_cluster_upstream_rq_pending_overflow{",
                "envoy_cluster_name=\"outbound|80|v1|reviews\"",
                "1",
            ),
            ("envoy_cluster_upstream_rq_timeout{", "", "1"),
            ("envoy_cluster_outlier_detection_ejections_active{", "", "1"),
            ("envoy_cluster_outlier_detection_ejections_enforced_total{", "", "2"),
            ("envoy_cluster_outlier_detection_ejections_enforced_consecutive_5xx{", "", "2"),
            ("envoy_cluster_outlier_detection_ejections_enforced_consecutive_gateway_failure{", "", "0"),
            ("envoy_cluster_circuit_breakers_default_rq_open{", "", "1"),
            ("envoy_cluster_membership_total{", "", "3"),
            ("envoy_cluster_membership_healthy{", "", "1"),
        ] {
            let line = text.lines().find(|line| line.starts_with(start) && line.contains(parts));
            let line = line.unwrap_or_else(|| panic!("no {start} with {parts} in\n{text}"));
            assert_eq!(line.rsplit(' ').next(), Some(value), "{line}");
        }
        assert!(!text.contains("nobody.org"), "what is no cluster is not one");
    }
}
