//! Where requests are written down, as all commands that run a proxy take it.

use std::path::PathBuf;

use proxy::{AccessLog, Format};

/// Arguments of the access log.
#[derive(Debug, Clone, clap::Args)]
pub struct AccessLogArgs {
    /// Access log file; `-` is standard output.
    #[arg(long, value_name = "FILE", env = "MESHWRIGHT_ACCESS_LOG")]
    pub access_log: Option<PathBuf>,
    /// Access log format: `envoy`, which is Envoy's default, or `json`.
    #[arg(long, value_name = "FORMAT", default_value = "envoy", env = "MESHWRIGHT_ACCESS_LOG_FORMAT")]
    pub access_log_format: Format,
}

impl AccessLogArgs {
    /// The log that was asked for.
    pub fn log(&self) -> Option<AccessLog> {
        let path = self.access_log.as_ref()?;
        let path = (path.as_os_str() != "-").then(|| path.clone());
        Some(AccessLog { path, format: self.access_log_format })
    }
}
