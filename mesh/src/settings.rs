//! Defaults that belong to the mesh rather than to a resource.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Mesh settings. The UI shows each wherever it takes effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Settings {
    /// Of a route that sets none, in milliseconds; 0 is no limit.
    pub request_timeout_millis: u64,
    /// What a workload's request to an unknown host gets.
    pub outbound_policy: OutboundPolicy,
    /// Suffix of fully qualified service names.
    pub domain: String,
    /// Namespace whose DestinationRules apply to all.
    pub root_namespace: String,
}

/// `outboundTrafficPolicy` of the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutboundPolicy {
    /// Forwarded as it is.
    AllowAny,
    /// 502.
    RegistryOnly,
}

impl Settings {
    /// The default timeout of a route; `None` is no limit.
    pub fn request_timeout(&self) -> Option<Duration> {
        (self.request_timeout_millis > 0).then(|| Duration::from_millis(self.request_timeout_millis))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            request_timeout_millis: 15_000,
            outbound_policy: OutboundPolicy::AllowAny,
            domain: "cluster.local".to_owned(),
            root_namespace: "istio-system".to_owned(),
        }
    }
}
