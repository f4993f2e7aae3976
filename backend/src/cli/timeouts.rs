//! How long is waited, as all commands that run a proxy or configure one take it. `docs/timeouts.md` has what cannot be set.

use std::time::Duration;

/// Arguments of timeouts.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct TimeoutArgs {
    /// Stream idle timeout, in seconds: ends a request, response or upgraded connection without activity; 0 means no limit.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, env = "MESHWRIGHT_STREAM_IDLE_TIMEOUT")]
    pub stream_idle_timeout: u64,
}

impl TimeoutArgs {
    /// How long a stream may stand still.
    pub fn stream_idle(self) -> Duration {
        Duration::from_secs(self.stream_idle_timeout)
    }
}
