//! Clusters: groups of endpoints with the policy that DestinationRules give them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::serial::{is_default, optional_duration};
use super::{Bounds, ConsistentHash, HealthCheck, Locality, Outlier, TlsClient, Warmup};
use crate::registry::Endpoint;

/// What names a cluster. Stable across plans: counters, ejections and connection pools are kept by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterKey {
    /// The service's fully qualified host.
    pub host: String,
    /// The subset that the route names.
    pub subset: Option<String>,
    /// The service's port.
    pub port: u16,
}

impl ClusterKey {
    /// The name that Istio gives such a cluster.
    pub fn istio_name(&self) -> String {
        format!("outbound|{}|{}|{}", self.port, self.subset.as_deref().unwrap_or(""), self.host)
    }
}

/// A group of endpoints with its policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cluster {
    /// Its name.
    pub key: ClusterKey,
    /// `None` when the subset or the service does not exist: 503, flag NC.
    pub known: bool,
    /// The endpoints from the registry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// The policy that DestinationRules give it.
    pub policy: ClusterPolicy,
}

/// What a DestinationRule says of a cluster, merged as Istio merges it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClusterPolicy {
    /// The algorithm.
    pub balancer: Balancer,
    /// In place of the algorithm: the same client to the same endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<ConsistentHash>,
    /// New endpoints get their share slowly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Warmup>,
    /// What localities mean; `None`: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<Locality>,
    /// Limits.
    #[serde(skip_serializing_if = "is_default")]
    pub bounds: Bounds,
    /// When an endpoint is ejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outlier: Option<Outlier>,
    /// How endpoints are checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
    /// `connectTimeout`; 10 s unless set.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_duration")]
    pub connect_timeout: Option<Duration>,
    /// The protocol upstream is HTTP/2.
    pub http2: bool,
    /// The protocol upstream is the one that the client speaks.
    #[serde(skip_serializing_if = "is_default")]
    pub client_protocol: bool,
    /// TLS towards the endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Box<TlsClient>>,
    /// Of a name, DNS's first address at the time is used (`DNS_ROUND_ROBIN`), instead of all of them in turn.
    pub first_address: bool,
    /// The merged `trafficPolicy`, for what the fields above do not say.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub raw: serde_json::Value,
    /// The DestinationRule that it comes from, as `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// Load balancing algorithms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Balancer {
    /// In turns.
    RoundRobin,
    /// The less busy of two drawn; Istio's default.
    #[default]
    LeastRequest,
    /// Drawn.
    Random,
    /// The address that the request was sent to.
    Passthrough,
}
