//! How long is waited, as all commands that run a proxy or configure one take it. `docs/timeouts.md` has what cannot be set.

use std::time::Duration;

/// Arguments of timeouts.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct TimeoutArgs {
    /// Ends a request, its response or an upgraded connection of which nothing has moved for so many seconds; 0 is no limit.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, env = "MESHWRIGHT_STREAM_IDLE_TIMEOUT")]
    pub stream_idle_timeout: u64,
}

impl TimeoutArgs {
    /// How long a stream may stand still.
    pub fn stream_idle(self) -> Duration {
        Duration::from_secs(self.stream_idle_timeout)
    }
}
