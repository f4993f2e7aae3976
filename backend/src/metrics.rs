//! What `/metrics` shows: the traffic of the mesh, and the program itself.

mod envoy;
mod istio;
mod process;

use std::sync::Arc;
use std::time::Instant;

use mesh::Source;
use mesh::plan::{ClusterKey, Endpoint};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use proxy::{Batch, Notice};

use self::envoy::Envoy;
use self::istio::{Istio, Shared};

/// Labels of a request's counter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    source: String,
    destination: String,
    version: String,
    code: String,
}

/// Labels of what is counted per edge.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Edge {
    source: String,
    destination: String,
    version: String,
}

/// Labels of a fault's counter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Flag {
    source: String,
    destination: String,
    flag: String,
}

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    istio: Arc<Istio>,
    envoy: Arc<Envoy>,
    standard: Registry,
    requests: Family<Request, Counter>,
    flags: Family<Flag, Counter>,
    retries: Family<Edge, Counter>,
    bytes: Family<Edge, Counter>,
    opened: Family<Edge, Counter>,
    closed: Family<Edge, Counter>,
    uptime: Gauge,
    revision: Gauge,
    started: Instant,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("meshwright");
        let metrics = Self {
            requests: Family::default(),
            flags: Family::default(),
            retries: Family::default(),
            bytes: Family::default(),
            opened: Family::default(),
            closed: Family::default(),
            uptime: Gauge::default(),
            revision: Gauge::default(),
            started: Instant::now(),
            registry: Registry::default(),
            istio: Arc::default(),
            envoy: Arc::default(),
            standard: Registry::default(),
        };
        registry.register("requests", "Requests through the built-in proxy", metrics.requests.clone());
        registry.register("response_flags", "Requests by Envoy's response flags", metrics.flags.clone());
        registry.register("retries", "Tries beyond the first", metrics.retries.clone());
        registry.register("connections_opened", "Connections passed on as bytes", metrics.opened.clone());
        registry.register("connections_closed", "Of those, the ended ones", metrics.closed.clone());
        registry.register_with_unit(
            "response",
            "Bytes of response bodies",
            Unit::Bytes,
            metrics.bytes.clone(),
        );
        registry.register_with_unit("uptime", "Since the start", Unit::Seconds, metrics.uptime.clone());
        registry.register("revision", "The newest revision", metrics.revision.clone());
        let mut standard = Registry::default();
        standard.register_collector(Box::new(Shared(Arc::clone(&metrics.istio))));
        standard.register_collector(Box::new(envoy::Shared(Arc::clone(&metrics.envoy))));
        Self { registry, standard, ..metrics }
    }
}

impl Metrics {
    /// Learns which clusters there are, and which workloads serve which versions.
    pub fn know<'m>(&self, endpoints: impl Iterator<Item = (&'m ClusterKey, &'m Endpoint)> + Clone) {
        self.istio.know(endpoints.clone().map(|(key, endpoint)| (key.host.as_str(), endpoint)));
        self.envoy.know(endpoints);
    }

    /// Takes what a proxy tells at once.
    pub fn notice(&self, notice: &Notice) {
        self.envoy.notice(notice);
    }

    /// Counts what a proxy thread counted.
    pub fn observe(&self, batch: &Batch) {
        for (key, stats) in &batch.stats {
            self.istio.observe(key, stats);
            self.envoy.observe(key, stats);
            let source = source(&key.source);
            let edge =
                Edge { source: source.clone(), destination: key.host.clone(), version: key.version.clone() };
            for (code, count) in &stats.codes {
                let labels = Request {
                    source: source.clone(),
                    destination: key.host.clone(),
                    version: key.version.clone(),
                    code: code.to_string(),
                };
                self.requests.get_or_create(&labels).inc_by(*count);
            }
            for (flag, count) in &stats.flags {
                let flag = (*flag).to_owned();
                let labels = Flag { source: source.clone(), destination: key.host.clone(), flag };
                self.flags.get_or_create(&labels).inc_by(*count);
            }
            if stats.retries > 0 {
                self.retries.get_or_create(&edge).inc_by(stats.retries);
            }
            if stats.connections_opened + stats.connections_closed > 0 {
                self.opened.get_or_create(&edge).inc_by(stats.connections_opened);
                self.closed.get_or_create(&edge).inc_by(stats.connections_closed);
            }
            self.bytes.get_or_create(&edge).inc_by(stats.bytes_received);
        }
    }

    /// As OpenMetrics text.
    pub fn text(&self, revision: u64) -> Result<String, std::fmt::Error> {
        self.uptime.set(i64::try_from(self.started.elapsed().as_secs()).unwrap_or(i64::MAX));
        self.revision.set(i64::try_from(revision).unwrap_or(i64::MAX));
        // The registry's text ends with the mark of the end, so the process comes first.
        let mut text = process::text();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &self.standard)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

/// A source as a label: its kind, namespace and name.
fn source(source: &Source) -> String {
    source.parts().join("/")
}
