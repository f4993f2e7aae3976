//! Defaults that belong to the mesh rather than to a resource.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::subnet::Subnet;

/// Mesh settings. The UI shows each wherever it takes effect. Unless somebody says otherwise they are Istio's of today; the sample has
/// [`Settings::sample`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Settings {
    /// Of a route that sets none, in milliseconds; 0 is no limit.
    pub request_timeout_millis: u64,
    /// Of a cluster whose policy names no algorithm.
    pub load_balancer: DefaultBalancer,
    /// What a workload's request to an unknown host gets.
    pub outbound_policy: OutboundPolicy,
    /// What of a path is resolved before rules compare it, and before it is forwarded.
    pub path_normalization: PathNormalization,
    /// Suffix of fully qualified service names.
    pub domain: String,
    /// Namespace whose DestinationRules apply to all.
    pub root_namespace: String,
    /// Whose requests at a gateway may steer timeouts and retries ([`crate::route::edge`]); nobody's unless they are given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub internal_addresses: Vec<Subnet>,
}

/// `defaultLbAlgorithm` of a mesh, so to speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DefaultBalancer {
    /// The endpoint with fewer requests of two that are drawn: Istio's since 1.14.
    #[default]
    LeastRequest,
    /// One after the other: Istio's before.
    RoundRobin,
}

impl DefaultBalancer {
    /// As a DestinationRule writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::LeastRequest => "LEAST_REQUEST",
            Self::RoundRobin => "ROUND_ROBIN",
        }
    }
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

/// `pathNormalization` of the mesh. Each level does what the one before it does, and more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PathNormalization {
    /// Paths are compared and forwarded as they come.
    None,
    /// Dot segments, `\` and escapes of letters, digits, `-`, `.`, `_` and `~` are resolved: Istio's default.
    #[default]
    #[serde(alias = "DEFAULT")]
    Base,
    /// Several `/` in a row become one.
    MergeSlashes,
    /// `%2F` and `%5C` count as `/`, before all else.
    DecodeAndMergeSlashes,
}

impl Settings {
    /// The sample's: requests end after 15 s, and endpoints take turns.
    pub fn sample() -> Self {
        Self { request_timeout_millis: 15_000, load_balancer: DefaultBalancer::RoundRobin, ..Self::default() }
    }

    /// The default timeout of a route; `None` is no limit.
    pub fn request_timeout(&self) -> Option<Duration> {
        (self.request_timeout_millis > 0).then(|| Duration::from_millis(self.request_timeout_millis))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            request_timeout_millis: 0,
            load_balancer: DefaultBalancer::default(),
            outbound_policy: OutboundPolicy::AllowAny,
            path_normalization: PathNormalization::default(),
            domain: "cluster.local".to_owned(),
            root_namespace: "istio-system".to_owned(),
            internal_addresses: Vec::new(),
        }
    }
}
