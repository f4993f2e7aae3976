//! What the proxies observed: counts, codes, latencies and faults per source, destination and version.

use mesh::RouteKey;
use serde::{Deserialize, Serialize};

use crate::health::{Classes, Health};

/// Who called whom. One edge of the graph has an [`EdgeKey`] for each version of the destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EdgeKey {
    /// The caller.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub source: mesh::Source,
    /// The destination service's fully qualified host; the authority for a host outside the mesh, as far as these are told apart (then
    /// `other`), and `unknown` where a client of a gateway asked for one.
    pub host: String,
    /// Label `version` of the instance; empty when no instance was reached and no subset says it.
    pub version: String,
}

/// Figures of one edge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EdgeStats {
    /// Requests that ended in this tick.
    pub requests: u64,
    /// Of these, with a status of 500 or more, reset or without an answer.
    pub errors: u64,
    /// Of these, with a status of 400 to 499.
    #[serde(default)]
    pub client_errors: u64,
    /// Requests per second over the last 2 s.
    pub rps: f64,
    /// Errors per second over the last 2 s.
    pub error_rps: f64,
    /// Requests per second by class over the last 2 s.
    #[serde(default)]
    pub rates: Classes,
    /// Requests by class over the last 10 s.
    #[serde(default)]
    pub recent: Classes,
    /// What follows from the last 10 s.
    #[serde(default)]
    pub health: Health,
    /// Latency in milliseconds over the last 10 s; `None` without requests.
    pub p50: Option<f64>,
    /// As `p50`.
    pub p95: Option<f64>,
    /// As `p50`.
    pub p99: Option<f64>,
    /// Over the last 60 s.
    pub minute: Totals,
    /// Faults injected per second over the last 2 s: delays.
    pub delay_rps: f64,
    /// Faults injected per second over the last 2 s: aborts.
    pub abort_rps: f64,
}

/// Sums over a window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Totals {
    /// Requests.
    pub requests: u64,
    /// Responses by status code; 0 stands for no response.
    pub codes: Vec<(u16, u64)>,
    /// Requests by class.
    #[serde(default)]
    pub classes: Classes,
    /// Response flags as Envoy writes them (`DI`, `FI`, `UH`, …), with their counts.
    pub flags: Vec<(String, u64)>,
    /// Bytes of request bodies.
    pub bytes_sent: u64,
    /// Bytes of response bodies.
    pub bytes_received: u64,
    /// Latency in milliseconds.
    pub p50: Option<f64>,
    /// As `p50`.
    pub p95: Option<f64>,
    /// As `p50`.
    pub p99: Option<f64>,
}

/// What was observed by the end of a quarter of a second. A snapshot has all of it; a tick of the stream has what is not as the tick before
/// it said, and [`Tick::advance`] puts the two together. What is idle, and was, costs nothing that way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tick {
    /// When it ended, in milliseconds since 1970.
    pub at: i64,
    /// Its length in milliseconds.
    pub millis: u32,
    /// Edges that carried traffic in the last 60 s, by their keys.
    pub edges: Vec<(EdgeKey, EdgeStats)>,
    /// Splits of the head revision: desired beside observed. Those of services first, by their hosts, then those of routes, by
    /// their keys.
    pub splits: Vec<Split>,
    /// Requests per route over the last 60 s, by their keys.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<(Object, u64)>))]
    pub routes: Vec<(RouteKey, u64)>,
    /// What the tick before had and this one has not; empty in a snapshot.
    #[serde(default, skip_serializing_if = "Gone::is_empty")]
    pub gone: Gone,
}

/// What is not observed any more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Gone {
    /// Edges without traffic for 60 s.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<EdgeKey>,
    /// Splits that the head revision does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub splits: Vec<SplitKey>,
    /// Routes without requests for 60 s, or that the head revision does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub routes: Vec<RouteKey>,
}

impl Gone {
    /// Whether all is still there.
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty() && self.splits.is_empty() && self.routes.is_empty()
    }
}

/// Which split.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitKey {
    /// That of a route.
    Route(RouteKey),
    /// That of a service's default route.
    Service(String),
}

/// Desired and observed shares of one route's destinations, for the traffic since the revision that set them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Split {
    /// The route; `None` for a service's default route.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub route: Option<RouteKey>,
    /// The destination service's host.
    pub host: String,
    /// The revision that these shares hold since.
    pub since: u64,
    /// Each version.
    pub shares: Vec<ObservedShare>,
    /// All of them together.
    pub verdict: Verdict,
}

impl Split {
    /// Which it is.
    pub fn key(&self) -> SplitKey {
        match &self.route {
            Some(route) => SplitKey::Route(route.clone()),
            None => SplitKey::Service(self.host.clone()),
        }
    }

    /// What orders splits: those of services come first.
    pub(crate) fn place(&self) -> (Option<&RouteKey>, &str) {
        let host = if self.route.is_some() { "" } else { &self.host };
        (self.route.as_ref(), host)
    }
}

/// One version's share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ObservedShare {
    /// Subset as the route names it; for a default route the version.
    pub subset: String,
    /// What was asked for, 0 to 1.
    pub desired: f64,
    /// Requests to this subset.
    pub count: u64,
    /// Requests to all subsets of the split: the sample size n.
    pub n: u64,
    /// `count / n`; 0 without requests.
    pub observed: f64,
    /// 95 % interval (Wilson), lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What the observed shares say of the desired ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Too few requests to tell.
    Converging,
    /// Every desired share lies within its interval, and the intervals are narrow enough to mean something.
    Converged,
    /// A desired share lies outside its interval.
    Diverged,
}

/// Requests per version and tick, for the chart: 10 minutes at most.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Series {
    /// Which edge.
    pub key: Option<EdgeKey>,
    /// End of the first interval, in milliseconds since 1970.
    pub start: i64,
    /// Length of each interval in milliseconds.
    pub step: u32,
    /// Requests in each interval.
    pub requests: Vec<u32>,
    /// Errors in each interval: 500 and above, or no response.
    pub errors: Vec<u32>,
    /// Of the status 400 to 499, in each interval.
    #[serde(default)]
    pub client_errors: Vec<u32>,
}

/// What one instance of a service answered. Instances that nobody asked in the last ten minutes are not told of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InstanceStats {
    /// The service's fully qualified host.
    pub host: String,
    /// Its address and port, as the mesh's files say them: `10.0.0.1:9080`.
    pub instance: String,
    /// Tries by class over the last 10 s, whoever made them; `none`: no connection, or no response.
    pub recent: Classes,
    /// What follows from them, and from health checks.
    pub health: Health,
}
