//! Spans of requests on their way to a collector, by OTLP over HTTP. What the proxy recorded stands here under the names that
//! Envoy and Istio give it.

mod attributes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::HttpsConnectorBuilder;
use mesh::Source;
use opentelemetry::KeyValue;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use proxy::Spans;

/// Spans that are sent at once, at most.
const BATCH: usize = 512;
/// How long spans gather before they are sent.
const GATHER: Duration = Duration::from_millis(500);
/// For how long a collector may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Where collectors take traces.
const PATH: &str = "/v1/traces";

/// Sends spans to a collector.
#[derive(Debug, Clone)]
pub struct Exporter {
    endpoint: Uri,
}

/// Why no spans can be sent.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// The address is none.
    #[error("`{0}` is not the address of a collector, such as http://localhost:4318")]
    Endpoint(String),
}

impl Exporter {
    /// To a collector at this address.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(endpoint: &str) -> Result<Self, ExporterError> {
        let base = endpoint.trim_end_matches('/');
        let whole = if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") };
        let wrong = || ExporterError::Endpoint(endpoint.to_owned());
        let endpoint: Uri = whole.parse().map_err(|_| wrong())?;
        let known = matches!(endpoint.scheme_str(), Some("http" | "https")) && endpoint.host().is_some();
        if known { Ok(Self { endpoint }) } else { Err(wrong()) }
    }

    /// Sends spans until there will be no more. Those that a collector does not take are lost, and counted in the log.
    pub async fn run(self, mut spans: Spans) {
        let mut sources: HashMap<Arc<Source>, SpanExporter> = HashMap::new();
        let mut batch = Vec::with_capacity(BATCH);
        while spans.next(&mut batch, BATCH).await > 0 {
            let mut groups: HashMap<Arc<Source>, Vec<_>> = HashMap::new();
            let full = batch.len() == BATCH;
            for span in batch.drain(..) {
                groups.entry(Arc::clone(&span.source)).or_default().push(attributes::data(&span));
            }
            let mut lost = spans.lost();
            for (source, group) in groups {
                let count = group.len() as u64;
                if let Err(error) = self.send(&mut sources, source, group).await {
                    tracing::debug!(error, "a collector did not take spans");
                    lost += count;
                }
            }
            if lost > 0 {
                tracing::warn!(lost, collector = %self.endpoint, "spans were dropped");
            }
            if !full {
                tokio::time::sleep(GATHER).await;
            }
        }
    }

    async fn send(
        &self,
        sources: &mut HashMap<Arc<Source>, SpanExporter>,
        source: Arc<Source>,
        group: Vec<opentelemetry_sdk::trace::SpanData>,
    ) -> Result<(), String> {
        let exporter = match sources.entry(source) {
            std::collections::hash_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                let exporter = self.exporter(place.key()).map_err(|error| error.to_string())?;
                place.insert(exporter)
            }
        };
        exporter.export(group).await.map_err(|error| error.to_string())
    }

    /// What sends the spans of one source: a resource of its own to collectors.
    fn exporter(&self, source: &Source) -> Result<SpanExporter, ExporterBuildError> {
        let builder = SpanExporter::builder().with_http();
        let builder = if self.endpoint.scheme() == Some(&Scheme::HTTPS) {
            let connector = HttpsConnectorBuilder::new()
                .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
                .map_err(|error| ExporterBuildError::InternalFailure(error.to_string()))?;
            let connector = connector.https_only().enable_http1().build();
            builder.with_http_client(HyperClient::new(connector, LIMIT, None))
        } else {
            builder.with_http_client(HyperClient::with_default_connector(LIMIT, None))
        };
        let mut exporter = builder.with_endpoint(self.endpoint.to_string()).with_timeout(LIMIT).build()?;
        let resource = Resource::builder_empty()
            .with_attributes(attributes::of_source(source).map(|(name, value)| KeyValue::new(name, value)));
        exporter.set_resource(&resource.build());
        Ok(exporter)
    }
}

#[cfg(test)]
mod tests;
