//! What governs the way behind a cluster: limits, ejection, balancing, health checks. Resolved: what is not said has its
//! default, and what has no effect is not there.

use std::time::Duration;

use serde::Serialize;

use super::serial::{duration, optional_duration};

/// Limits of a cluster, for one source; what is `None` is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// Open connections; requests beyond what they carry wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// Requests that wait for a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<u32>,
    /// Active requests, whatever they are sent by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// Active retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Active retries as a share of the active requests; stands in place of `retries`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_budget: Option<RetryBudget>,
    /// Requests that one connection carries before it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_connection: Option<u32>,
    /// Requests that one connection of HTTP/2 carries at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streams_per_connection: Option<u32>,
    /// After which time a connection carries no further request; one of bytes is closed.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_duration")]
    pub connection_duration: Option<Duration>,
    /// For how long a connection is kept that carries nothing.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_duration")]
    pub idle_timeout: Option<Duration>,
    /// Keep-alive of TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<Keepalive>,
}

/// `retryBudget`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RetryBudget {
    /// Share in millionths; 20 % unless set.
    pub parts_per_million: u32,
    /// Retries that are always allowed; 3 unless set.
    pub at_least: u32,
}

/// Keep-alive of TCP; what is not said is the system's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Keepalive {
    /// Probes without an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<u32>,
    /// Idle time before the first.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_duration")]
    pub time: Option<Duration>,
    /// Between probes.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_duration")]
    pub interval: Option<Duration>,
}

/// When an endpoint is ejected for the errors that it returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outlier {
    /// Errors in a row: 5xx, and what failed without a response unless that is counted apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<u32>,
    /// 502, 503, 504 in a row, and what failed without a response unless that is counted apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_errors: Option<u32>,
    /// Failures without a response in a row, counted apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_failures: Option<u32>,
    /// Codes that count as errors in place of 5xx.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<u16>,
    /// Between two looks at who may return.
    #[serde(serialize_with = "duration")]
    pub interval: Duration,
    /// Of the first ejection; times the number of ejections in a row.
    #[serde(serialize_with = "duration")]
    pub base_ejection: Duration,
    /// Percent of the endpoints that may be out.
    pub max_ejected: u32,
    /// With fewer percent of endpoints left, all are used.
    pub min_healthy: u32,
}

/// The same client to the same endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsistentHash {
    /// What of a request is hashed.
    pub key: HashKey,
    /// How the endpoints share the hashes.
    pub table: HashTable,
}

/// What of a request is hashed. A request without it goes anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HashKey {
    /// A header, by its name in lower case.
    Header(String),
    /// A cookie.
    Cookie(HashCookie),
    /// The client's address.
    SourceIp,
    /// A query parameter.
    Query(String),
}

/// A cookie to hash by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HashCookie {
    /// Its name.
    pub name: String,
    /// Path of a cookie that the proxy makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Life of a cookie that the proxy makes for a request without one; zero is as long as the browser's session. `None`:
    /// none is made.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_duration")]
    pub ttl: Option<Duration>,
    /// Further attributes, with their values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(String, String)>,
}

/// How endpoints share the hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HashTable {
    /// A ring of at least so many places.
    Ring(u32),
    /// A Maglev table of so many places, a prime.
    Maglev(u32),
}

/// New endpoints get their share slowly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Warmup {
    /// How long.
    #[serde(serialize_with = "duration")]
    pub window: Duration,
    /// Percent of the weight at the start.
    pub minimum: f64,
    /// Shape of the curve: 1 is a line.
    pub aggression: f64,
}

/// What the localities of source and endpoints mean.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Locality {
    /// From where, and the shares of the places to go to; the first that fits the source counts. `*` stands for any rest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub distribute: Vec<(String, Vec<(String, u32)>)>,
    /// Region that fails, and the one that takes over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failover: Vec<(String, String)>,
    /// Labels by which endpoints are ordered: `name`, compared with the source's, or `name=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failover_priority: Vec<String>,
    /// Nearer endpoints are preferred as long as enough of them are healthy.
    pub fails_over: bool,
}
