//! Istio's standard metrics, under its names and labels, so that dashboards made for it show this mesh.
//!
//! All are reported by the source, as a sidecar's outbound side does. What a proxy does not know is `unknown`, as Istio has
//! it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use mesh::Source;
use mesh::plan::Endpoint;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder};
use prometheus_client::metrics::MetricType;
use proxy::observation::{ObservationKey, Stats};
use proxy::{Answered, Answers, BOUNDS, Distribution, Name, Names};

use super::NO_EXEMPLAR;
use super::there::There;

const UNKNOWN: &str = "unknown";

/// Answers that are told apart of a host whose name clients made up, each of which is some seventy series.
const OF_STRANGERS: usize = 4;

/// By source, host and version.
type Edge = (Arc<Source>, Name, String);

/// All that has been counted since the start.
#[derive(Debug, Default)]
pub(super) struct Istio {
    edges: Mutex<HashMap<Edge, Counts>>,
    names: Arc<Names>,
    /// Of a host's version: its workload, where it is only one.
    workloads: Mutex<HashMap<(String, String), Option<String>>>,
}

/// Who speaks to whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Peers {
    reporter: &'static str,
    source_workload: String,
    source_workload_namespace: String,
    source_app: String,
    source_canonical_service: String,
    source_version: String,
    source_canonical_revision: String,
    destination_workload: String,
    destination_workload_namespace: String,
    destination_service: String,
    destination_service_name: String,
    destination_service_namespace: String,
    destination_app: String,
    destination_canonical_service: String,
    destination_version: String,
    destination_canonical_revision: String,
    connection_security_policy: &'static str,
}

/// What answers are counted by, beside the peers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    request_protocol: &'static str,
    response_code: u16,
    response_flags: String,
}

#[derive(Debug, Default)]
struct Counts {
    answers: Answers,
    opened: u64,
    closed: u64,
    tcp_sent: u64,
    tcp_received: u64,
}

impl Istio {
    /// Nothing yet; `names` are those that clients made up.
    pub(super) fn new(names: Arc<Names>) -> Self {
        Self { names, ..Self::default() }
    }

    /// Learns which workloads serve which versions, from hosts and their endpoints.
    pub(super) fn know<'m>(&self, endpoints: impl Iterator<Item = (&'m str, &'m Endpoint)>) {
        let mut workloads: HashMap<(String, String), Option<String>> = HashMap::new();
        for (host, endpoint) in endpoints {
            let version = (host.to_owned(), endpoint.version().to_owned());
            let known = workloads.entry(version).or_insert_with(|| Some(endpoint.workload.clone()));
            if known.as_ref() != Some(&endpoint.workload) {
                *known = None;
            }
        }
        *self.workloads.lock().unwrap_or_else(PoisonError::into_inner) = workloads;
    }

    pub(super) fn observe(&self, key: &ObservationKey, stats: &Stats) {
        let edge = (Arc::clone(&key.source), key.host.clone(), key.version.clone());
        let mut edges = self.edges.lock().unwrap_or_else(PoisonError::into_inner);
        let most = if self.names.has(&key.source, &key.host) { OF_STRANGERS } else { Answers::MOST };
        edges.entry(edge).or_default().add(stats, most);
    }

    /// Drops what is gone.
    pub(super) fn follow(&self, there: &There<'_>) {
        let mut edges = self.edges.lock().unwrap_or_else(PoisonError::into_inner);
        edges.retain(|(source, host, version), _| there.has(source, host, version));
    }

    fn peers(&self, (source, host, version): &Edge) -> Peers {
        let (name, namespace, parts) = match &**source {
            // Workloads are named `<service>-<version>` where nothing says otherwise.
            Source::Workload { namespace, name } => (name, namespace, name.rsplit_once('-')),
            Source::Gateway { namespace, name } => (name, namespace, None),
        };
        let (app, own_version) = parts.unwrap_or((name, UNKNOWN));
        let mut parts = host.split('.');
        let (service, of) = (parts.next().unwrap_or_default(), parts.next().unwrap_or(UNKNOWN));
        let workloads = self.workloads.lock().unwrap_or_else(PoisonError::into_inner);
        let workload = workloads.get(&(host.to_string(), version.clone())).cloned().flatten();
        let version = if version.is_empty() { UNKNOWN } else { version };
        Peers {
            reporter: "source",
            source_workload: name.clone(),
            source_workload_namespace: namespace.clone(),
            source_app: app.to_owned(),
            source_canonical_service: app.to_owned(),
            source_version: own_version.to_owned(),
            source_canonical_revision: own_version.to_owned(),
            destination_workload: workload.unwrap_or_else(|| UNKNOWN.to_owned()),
            destination_workload_namespace: of.to_owned(),
            destination_service: host.to_string(),
            destination_service_name: service.to_owned(),
            destination_service_namespace: of.to_owned(),
            destination_app: service.to_owned(),
            destination_canonical_service: service.to_owned(),
            destination_version: version.to_owned(),
            destination_canonical_revision: version.to_owned(),
            connection_security_policy: UNKNOWN,
        }
    }
}

impl Counts {
    fn add(&mut self, stats: &Stats, most: usize) {
        self.answers.merge_up_to(most, &stats.answers);
        self.opened += stats.connections_opened;
        self.closed += stats.connections_closed;
        // A counter is of requests or of connections, never of both.
        if stats.connections_opened + stats.connections_closed > 0 || stats.requests == 0 {
            self.tcp_sent += stats.bytes_sent;
            self.tcp_received += stats.bytes_received;
        }
    }
}

/// What a registry collects from.
#[derive(Debug)]
pub(super) struct Shared(pub(super) Arc<Istio>);

impl Collector for Shared {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let edges = self.0.edges.lock().unwrap_or_else(PoisonError::into_inner);
        let edges: Vec<(Peers, &Counts)> =
            edges.iter().map(|(edge, counts)| (self.0.peers(edge), counts)).collect();
        let tcp = || edges.iter().filter(|(_, counts)| counts.opened > 0);
        let http = || {
            edges.iter().flat_map(|(peers, counts)| {
                counts.answers.iter().map(move |(response_code, flags, answered)| {
                    let response_flags = flags.to_owned();
                    (peers, Answer { request_protocol: "http", response_code, response_flags }, answered)
                })
            })
        };

        let mut family =
            encoder.encode_descriptor("istio_requests", "Requests", None, MetricType::Counter)?;
        for (peers, answer, answered) in http() {
            counter(family.encode_family(&Joined(peers, Some(&answer)))?, answered.requests)?;
        }
        type Figure = fn(&Answered) -> (&Distribution, f64);
        let figures: [(&str, &str, Figure); 3] = [
            ("istio_request_duration_milliseconds", "Time of requests", |all| (&all.took, 1000.0)),
            ("istio_request_bytes", "Bodies of requests", |all| (&all.sent, 1.0)),
            ("istio_response_bytes", "Bodies of responses", |all| (&all.received, 1.0)),
        ];
        for (name, help, figure) in figures {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            for (peers, answer, answered) in http() {
                let (spread, unit) = figure(answered);
                let buckets: Vec<_> = BOUNDS.into_iter().chain([f64::MAX]).zip(spread.counts).collect();
                #[expect(clippy::cast_precision_loss, reason = "a sum is a float to Prometheus")]
                let sum = spread.sum as f64 / unit;
                let labels = Joined(peers, Some(&answer));
                histogram(family.encode_family(&labels)?, sum, answered.requests, &buckets)?;
            }
        }
        for (name, help, figure) in [
            (
                "istio_tcp_sent_bytes",
                "Bytes to clients",
                (|counts| counts.tcp_received) as fn(&Counts) -> u64,
            ),
            ("istio_tcp_received_bytes", "Bytes from clients", |counts| counts.tcp_sent),
            ("istio_tcp_connections_opened", "Connections", |counts| counts.opened),
            ("istio_tcp_connections_closed", "Connections that ended", |counts| counts.closed),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (peers, counts) in tcp() {
                counter(family.encode_family(&Joined(peers, None))?, figure(counts))?;
            }
        }
        Ok(())
    }
}

fn counter(mut metric: MetricEncoder<'_>, count: u64) -> fmt::Result {
    metric.encode_counter(&count, NO_EXEMPLAR)
}

fn histogram(mut metric: MetricEncoder<'_>, sum: f64, count: u64, buckets: &[(f64, u64)]) -> fmt::Result {
    metric.encode_histogram::<[(String, String); 0]>(sum, count, buckets, None)
}

/// Peers and, where there is one, an answer as one set of labels.
#[derive(Debug)]
struct Joined<'a>(&'a Peers, Option<&'a Answer>);

impl EncodeLabelSet for Joined<'_> {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)?;
        self.1.map_or(Ok(()), |answer| answer.encode(encoder))
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn requests_stand_under_istios_names() {
        let istio = Istio::default();
        let key = ObservationKey {
            source: Arc::new(Source::Workload {
                namespace: "shop".to_owned(),
                name: "productpage-v1".to_owned(),
            }),
            revision: 1,
            route: None,
            host: Name::of_mesh("reviews.default.svc.cluster.local"),
            subset: Some("v2".to_owned()),
            version: "v2".to_owned(),
        };
        let mut stats = Stats { requests: 3, ..Stats::default() };
        let mut well = Answered::default();
        well.record(400, 0, 200);
        well.record(7_000, 3, 100);
        let mut failed = Answered::default();
        failed.record(8_000, 0, 0);
        *stats.answers.entry(200, "-") = well;
        *stats.answers.entry(503, "UF,URX") = failed;
        istio.observe(&key, &stats);
        istio.observe(&key, &stats);
        let mut endpoint = Endpoint::named("10.0.0.1", 9080);
        endpoint.workload = "reviews-v2".to_owned();
        endpoint.labels.insert("version".to_owned(), "v2".to_owned());
        istio.know([(&*key.host, &endpoint)].into_iter());
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Shared(Arc::new(istio))));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let line = |start: &str, parts: &[&str]| {
            text.lines()
                .find(|line| line.starts_with(start) && parts.iter().all(|part| line.contains(part)))
                .unwrap_or_else(|| panic!("no {start} with {parts:?} in\n{text}"))
        };
        let ok = line("istio_requests_total{", &["response_code=\"200\"", "response_flags=\"-\""]);
        for part in [
            "reporter=\"source\"",
            "source_workload=\"productpage-v1\"",
            "source_workload_namespace=\"shop\"",
            "source_canonical_service=\"productpage\"",
            "destination_service=\"reviews.default.svc.cluster.local\"",
            "destination_service_name=\"reviews\"",
            "destination_version=\"v2\"",
            "destination_workload=\"reviews-v2\"",
        ] {
            assert!(ok.contains(part), "{part} in {ok}");
        }
        assert!(ok.ends_with(" 4"), "{ok}");
        assert!(line("istio_requests_total{", &["503", "UF,URX"]).ends_with(" 2"));
        let of = |name: &str, parts: &[&str], expected: &str| {
            let found = line(name, parts);
            assert!(found.ends_with(expected), "{found}");
        };
        let ok = "response_code=\"200\"";
        of("istio_request_duration_milliseconds_bucket", &[ok, "le=\"0.5\""], " 2");
        of("istio_request_duration_milliseconds_bucket", &[ok, "le=\"10.0\""], " 4");
        of("istio_request_duration_milliseconds_count", &["response_code=\"503\""], " 2");
        of("istio_request_duration_milliseconds_sum", &[ok], " 14.8");
        of("istio_response_bytes_sum", &[ok], " 600.0");
        of("istio_response_bytes_bucket", &[ok, "le=\"100.0\""], " 2");
        of("istio_response_bytes_bucket", &[ok, "le=\"250.0\""], " 4");
        of("istio_request_bytes_bucket", &[ok, "le=\"0.5\""], " 2");
    }
}
