//! Where requests are traced to, as all commands that run a proxy take it.

use proxy::Tracing;

use crate::spans::{Exporter, ExporterError};

/// Arguments of tracing.
#[derive(Debug, Clone, clap::Args)]
pub struct TracingArgs {
    /// OTLP/HTTP collector that spans are sent to, such as `http://localhost:4318`.
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Percentage of requests that are traced, if their trace headers do not decide it.
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, env = "MESHWRIGHT_TRACE_SAMPLING")]
    pub trace_sampling: f64,
}

impl TracingArgs {
    /// Where spans go to, and which requests have one; `None` without a collector.
    ///
    /// # Errors
    /// When the address is none.
    pub fn exporter(&self) -> Result<Option<(Tracing, Exporter)>, ExporterError> {
        // An empty variable is as good as none.
        let Some(endpoint) = self.otlp_endpoint.as_deref().filter(|it| !it.is_empty()) else {
            return Ok(None);
        };
        Ok(Some((Tracing::percent(self.trace_sampling), Exporter::new(endpoint)?)))
    }
}
