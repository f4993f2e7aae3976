//! What `/metrics` shows: the traffic of the mesh, and the program itself.
//!
//! Series are of what the mesh has, and of names that clients made up, which [`Names`] bounds. A revision drops those of what it no
//! longer has.

mod envoy;
mod istio;
mod own;
mod process;
mod there;

use std::sync::Arc;
use std::time::Instant;

use mesh::plan::{ClusterKey, Endpoint};
use mesh::{Plan, Source};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use proxy::{Batch, Names, Notice};

use self::envoy::Envoy;
use self::istio::Istio;
use self::own::Own;
use self::there::There;

/// There are none, and their type has to be said.
const NO_EXEMPLAR: Option<&Exemplar<[(String, String); 0], f64>> = None;

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    own: Arc<Own>,
    istio: Arc<Istio>,
    envoy: Arc<Envoy>,
    uptime: Gauge,
    revision: Gauge,
    started: Instant,
    names: Arc<Names>,
}

impl Metrics {
    /// None yet; `names` are those that clients made up.
    pub fn new(names: Arc<Names>) -> Self {
        let (uptime, revision) = (Gauge::default(), Gauge::default());
        let (own, istio, envoy) =
            (Arc::<Own>::default(), Arc::new(Istio::new(Arc::clone(&names))), Arc::default());
        let mut registry = Registry::default();
        let program = registry.sub_registry_with_prefix("meshwright");
        program.register_with_unit("uptime", "Since the start", Unit::Seconds, uptime.clone());
        program.register("revision", "The newest revision", revision.clone());
        registry.register_collector(Box::new(own::Shared(Arc::clone(&own))));
        registry.register_collector(Box::new(istio::Shared(Arc::clone(&istio))));
        registry.register_collector(Box::new(envoy::Shared(Arc::clone(&envoy))));
        Self { registry, own, istio, envoy, uptime, revision, started: Instant::now(), names }
    }

    /// Learns which clusters there are, and which workloads serve which versions.
    pub fn know<'m>(&self, endpoints: impl Iterator<Item = (&'m ClusterKey, &'m Endpoint)> + Clone) {
        self.istio.know(endpoints.clone().map(|(key, endpoint)| (key.host.as_str(), endpoint)));
        self.envoy.know(endpoints);
    }

    /// Drops the series of what these plans do not have.
    pub fn follow<'p>(&'p self, plans: impl Iterator<Item = &'p Plan>) {
        let there = There::new(plans, &self.names);
        self.own.follow(&there);
        self.istio.follow(&there);
        self.envoy.follow(&there);
    }

    /// Takes what a proxy tells at once.
    pub fn notice(&self, notice: &Notice) {
        self.envoy.notice(notice);
    }

    /// Counts what a proxy thread counted.
    pub fn observe(&self, batch: &Batch) {
        for (key, stats) in &batch.stats {
            self.own.observe(key, stats);
            self.istio.observe(key, stats);
            self.envoy.observe(key, stats);
        }
    }

    /// As OpenMetrics text.
    pub fn text(&self, revision: u64) -> Result<String, std::fmt::Error> {
        self.uptime.set(i64::try_from(self.started.elapsed().as_secs()).unwrap_or(i64::MAX));
        self.revision.set(i64::try_from(revision).unwrap_or(i64::MAX));
        // The registry's text ends with the mark of the end, so the process comes first.
        let mut text = process::text();
        encode_registry(&mut text, &self.registry)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

/// A source as a label: its kind, namespace and name.
fn source(source: &Source) -> String {
    source.parts().join("/")
}

#[cfg(test)]
mod tests;
