//! Plans: a revision and the registry, compiled for one source into listeners, virtual hosts, routes and clusters.
//!
//! Everything that can be decided before a request comes is decided here: names are resolved, source filters are applied,
//! policies are merged, regular expressions are compiled. What is left for [`crate::route`] is matching and drawing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who sends the traffic that a plan is compiled for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// A workload's outbound traffic.
    Workload {
        /// Its namespace.
        namespace: String,
        /// Its name: the WorkloadEntry's, or `<service>-<version>` for an endpoint that stands within a ServiceEntry.
        name: String,
    },
    /// A gateway's inbound traffic.
    Gateway {
        /// Its namespace.
        namespace: String,
        /// The Gateway resource's name.
        name: String,
    },
}

/// A compiled mesh, as one source sees it. Immutable; counters, ejections and connections live elsewhere and outlast it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The revision that it was compiled from.
    pub revision: u64,
    /// Whose traffic it routes.
    pub source: Source,
    /// Labels of the source.
    pub labels: BTreeMap<String, String>,
    /// One for each port: a workload's outbound ports (every port that some service has), or a gateway's servers.
    /// Sorted by port.
    pub listeners: Vec<Listener>,
    /// All clusters that routes of this plan lead to; [`ClusterId`] is the position.
    pub clusters: Vec<Cluster>,
}

/// Position in [`Plan::clusters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId(pub u32);

/// What listens on one port.
#[derive(Debug, Clone)]
pub struct Listener {
    /// The port as the resources say it (the proxy may bind another one).
    pub port: u16,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The virtual hosts, found by [`crate::route::find_virtual_host`].
    pub hosts: VirtualHosts,
    /// What a request to a host that no virtual host names gets.
    pub unknown_host: UnknownHost,
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/2 in plain text.
    Http,
    /// HTTP behind TLS that ends here.
    Https,
    /// TLS passed through by SNI.
    Tls,
    /// Plain TCP.
    Tcp,
}

/// The answer for a host that the listener does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnknownHost {
    /// 404, flag NR: gateways.
    NotFound,
    /// 502: workloads under REGISTRY_ONLY.
    BadGateway,
    /// Forwarded to the address that the request names: workloads under ALLOW_ANY.
    Passthrough,
}

/// Virtual hosts with an index over their domains, in Envoy's order of search: exact, longest suffix wildcard (`*.x`),
/// longest prefix wildcard (`x.*`), `*`. Lower case.
#[derive(Debug, Clone, Default)]
pub struct VirtualHosts {
    /// The virtual hosts, in the order in which they were made.
    pub list: Vec<VirtualHost>,
    /// Exact domain to position in `list`.
    pub exact: BTreeMap<String, usize>,
    /// `.x` (of `*.x`) with its position, longest first.
    pub suffixes: Vec<(String, usize)>,
    /// `x.` (of `x.*`) with its position, longest first.
    pub prefixes: Vec<(String, usize)>,
    /// The position of `*`.
    pub any: Option<usize>,
}

/// The routes of some domains.
#[derive(Debug, Clone)]
pub struct VirtualHost {
    /// The service's fully qualified host, or the host as the VirtualService or Gateway writes it.
    pub name: String,
    /// Its domains.
    pub domains: Vec<String>,
    /// Its routes in order; the first that matches wins.
    pub routes: Vec<Route>,
}

/// One route: any of its matches leads to its action.
#[derive(Debug, Clone)]
pub struct Route {
    /// Where it comes from; `None` for a service's default route, which no VirtualService wrote.
    pub key: Option<crate::RouteKey>,
    /// The name in the VirtualService.
    pub name: Option<String>,
    /// ORed; empty matches everything.
    pub matches: Vec<Match>,
    /// What happens to a request that matches.
    pub action: Action,
    /// Faults to draw before the action.
    pub fault: Option<Fault>,
    /// Header operations of the route (those of a destination are with it).
    pub headers: HeaderOps,
    /// Cross-origin policy.
    pub cors: Option<Cors>,
}

/// One match condition; its fields are ANDed. Built for one source, so filters by source or gateway are gone.
#[derive(Debug, Clone, Default)]
pub struct Match {
    /// The `name` of the HTTPMatchRequest.
    pub name: Option<String>,
    /// On the path without its query.
    pub uri: Option<Matcher>,
    /// `ignoreUriCase`, for exact and prefix.
    pub ignore_uri_case: bool,
    /// On `:scheme`.
    pub scheme: Option<Matcher>,
    /// On the method.
    pub method: Option<Matcher>,
    /// On the authority as the client sent it.
    pub authority: Option<Matcher>,
    /// On headers, names in lower case; pseudo headers by their names.
    pub headers: Vec<(String, HeaderMatcher)>,
    /// On query parameters.
    pub query: Vec<(String, HeaderMatcher)>,
}

/// How a string is compared.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// Equal.
    Exact(String),
    /// A raw string prefix: `/foo` matches `/foobar`.
    Prefix(String),
    /// The whole string matches.
    Regex(regex::Regex),
}

/// How a header or query parameter is compared.
#[derive(Debug, Clone)]
pub struct HeaderMatcher {
    /// `None`: it is there.
    pub value: Option<Matcher>,
    /// `withoutHeaders`: inverted, a missing header taken as empty.
    pub invert: bool,
}

/// What a route does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Sends the request to one of its destinations.
    Forward(Box<Forward>),
    /// Answers with a redirect.
    Redirect(Box<Redirect>),
    /// Answers by itself.
    Direct(Box<Direct>),
}

/// Forwarding: destinations and all that governs the way there.
#[derive(Debug, Clone)]
pub struct Forward {
    /// In order. With more than one, none has weight 0.
    pub destinations: Vec<Destination>,
    /// Sum of the weights.
    pub total_weight: u64,
    /// Path and authority changes.
    pub rewrite: Option<Rewrite>,
    /// For the whole request with its retries; `None` is no limit.
    pub timeout: Option<Duration>,
    /// Retries.
    pub retries: Option<Retry>,
    /// Copies, fire and forget.
    pub mirrors: Vec<Mirror>,
}

/// One weighted destination.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Where it leads.
    pub cluster: ClusterId,
    /// Its weight; of one destination alone it means nothing.
    pub weight: u32,
    /// Header operations of this destination; they run before the route's.
    pub headers: HeaderOps,
}

/// `rewrite` of a route.
#[derive(Debug, Clone, Default)]
pub struct Rewrite {
    /// Replaces the matched prefix, or the whole path after an exact or regex match.
    pub uri: Option<String>,
    /// `uriRegexRewrite`: pattern and substitution (`\N` groups already turned into the regex crate's form).
    pub regex: Option<(regex::Regex, String)>,
    /// The new authority.
    pub authority: Option<String>,
}

/// Retry policy, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Retries after the first try.
    pub attempts: u32,
    /// For each try.
    pub per_try_timeout: Option<Duration>,
    /// What is retried.
    pub on: RetryOn,
    /// Base of the jittered back-off; 25 ms unless set. The cap is ten times the base.
    pub back_off: Duration,
    /// `retryRemoteLocalities`.
    pub remote_localities: bool,
    /// `retryIgnorePreviousHosts`; true unless set.
    pub ignore_previous_hosts: bool,
}

/// Conditions of `retryOn`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a condition of its own in Envoy's list")]
pub struct RetryOn {
    /// `5xx`.
    pub server_error: bool,
    /// `gateway-error`.
    pub gateway_error: bool,
    /// `reset`.
    pub reset: bool,
    /// `reset-before-request`.
    pub reset_before_request: bool,
    /// `connect-failure`.
    pub connect_failure: bool,
    /// `envoy-ratelimited`.
    pub rate_limited: bool,
    /// `retriable-4xx`.
    pub retriable_4xx: bool,
    /// `refused-stream`.
    pub refused_stream: bool,
    /// gRPC `cancelled`.
    pub cancelled: bool,
    /// gRPC `deadline-exceeded`.
    pub deadline_exceeded: bool,
    /// gRPC `internal`.
    pub internal: bool,
    /// gRPC `resource-exhausted`.
    pub resource_exhausted: bool,
    /// gRPC `unavailable`.
    pub unavailable: bool,
    /// Numeric codes.
    pub status_codes: Vec<u16>,
}

/// A copy of traffic.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// Where it goes.
    pub cluster: ClusterId,
    /// Share in millionths.
    pub parts_per_million: u32,
}

/// `redirect` of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redirect {
    /// New path; the query is kept. `None` keeps the path.
    pub uri: Option<String>,
    /// The matched prefix is replaced instead of the path (`%PREFIX()%`).
    pub replace_prefix: bool,
    /// New authority.
    pub authority: Option<String>,
    /// New scheme.
    pub scheme: Option<String>,
    /// New port.
    pub port: Option<u16>,
    /// `FROM_REQUEST_PORT` as against `FROM_PROTOCOL_DEFAULT`.
    pub port_from_request: bool,
    /// 301 unless set.
    pub status: u16,
}

/// `directResponse` of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct {
    /// Status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

/// Faults; delay and abort are drawn independently, the delay comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// Share in millionths, and how long.
    pub delay: Option<(u32, Duration)>,
    /// Share in millionths, and what is answered.
    pub abort: Option<(u32, AbortWith)>,
}

/// What an aborted request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortWith {
    /// This HTTP status, body `fault filter abort`.
    Http(u16),
    /// HTTP 200 with this `grpc-status`.
    Grpc(u32),
}

/// Header operations, ready to run: remove, set, add. Names in lower case; `Host` and pseudo headers are gone (an authority
/// rewrite is in [`HeaderOps::authority`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderOps {
    /// On the request.
    pub request: Ops,
    /// On the response.
    pub response: Ops,
    /// `Host` or `:authority` in a request's `set` or `add`.
    pub authority: Option<String>,
}

/// One direction of header operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ops {
    /// Names to remove.
    pub remove: Vec<String>,
    /// Names and values that overwrite.
    pub set: Vec<(String, String)>,
    /// Names and values to append.
    pub add: Vec<(String, String)>,
}

/// `corsPolicy`, resolved.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    /// Origins that are allowed.
    pub allow_origins: Vec<Matcher>,
    /// Joined by `,`.
    pub allow_methods: Option<String>,
    /// Joined by `,`.
    pub allow_headers: Option<String>,
    /// Joined by `,`.
    pub expose_headers: Option<String>,
    /// Whole seconds.
    pub max_age: Option<u64>,
    /// `allowCredentials`.
    pub allow_credentials: Option<bool>,
    /// A preflight whose origin does not match goes upstream (`FORWARD`, the default).
    pub forward_not_matching: bool,
}

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

/// A group of endpoints with its policy.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its name.
    pub key: ClusterKey,
    /// `None` when the subset or the service does not exist: 503, flag NC.
    pub known: bool,
    /// The endpoints from the registry.
    pub endpoints: Vec<Endpoint>,
    /// The policy that DestinationRules give it.
    pub policy: ClusterPolicy,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// IP address or DNS name, or a path for a Unix socket (`unix://`).
    pub address: String,
    /// Port.
    pub port: u16,
    /// Name of the workload.
    pub workload: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Weight, 1 unless set.
    pub weight: u32,
    /// `region/zone/subzone`.
    pub locality: String,
}

impl Endpoint {
    /// The version that observations are counted under: the label `version`, or empty.
    pub fn version(&self) -> &str {
        self.labels.get("version").map_or("", String::as_str)
    }
}

/// What a DestinationRule says of a cluster, merged as Istio merges it.
#[derive(Debug, Clone, Default)]
pub struct ClusterPolicy {
    /// The algorithm.
    pub balancer: Balancer,
    /// `connectTimeout`; 10 s unless set.
    pub connect_timeout: Option<Duration>,
    /// The protocol upstream is HTTP/2.
    pub http2: bool,
    /// The merged `trafficPolicy`, for what the fields above do not say.
    pub raw: serde_json::Value,
    /// The DestinationRule that it comes from, as `namespace/name`.
    pub from: Option<String>,
}

/// Load balancing algorithms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Balancer {
    /// In turns.
    #[default]
    RoundRobin,
    /// The less busy of two drawn.
    LeastRequest,
    /// Drawn.
    Random,
    /// The address that the request was sent to.
    Passthrough,
}
