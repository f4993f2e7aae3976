//! Plans: a revision and the registry, compiled for one source into listeners, virtual hosts, routes and clusters.
//!
//! Everything that can be decided before a request comes is decided here: names are resolved, source filters are applied,
//! policies are merged, regular expressions are compiled. What is left for [`crate::route`] is matching and drawing.

mod action;
mod cluster;
pub(crate) mod compile;
mod connection;
mod health;
mod hosts;
mod listeners;
mod pattern;
mod policy;
mod retry;
mod serial;
mod tls;
mod upstream;
mod value;

pub use action::{
    AbortWith, Action, Cors, Destination, Direct, Fault, Forward, HeaderOps, Mirror, Ops, Redirect, Rewrite,
};
pub use cluster::{Balancer, Cluster, ClusterKey, ClusterPolicy};
pub(crate) use compile::compile_after;
pub use compile::{Compiler, Plans, compile, compile_all, delegate_conflicts, fits, merge_delegate};
pub use connection::{ConnectionFault, ConnectionMatch, ConnectionRoute};
pub use health::{HealthCheck, Probe};
pub use listeners::{distinct, split_authority};
pub(crate) use pattern::Patterns;
pub use pattern::{Pattern, PatternError, substitution};
pub use policy::{
    Bounds, ConsistentHash, HashCookie, HashKey, HashTable, Keepalive, Locality, Outlier, RetryBudget, Warmup,
};
pub use retry::{BACK_OFF, Retry, RetryOn};
pub use tls::{Secret, TlsClient, TlsServer};
pub use upstream::{ProxyHeader, Tunnel};
pub use value::{Command, Fact, Facts, HeaderValue, Named, Part, TimeFormat};
pub(crate) use value::{Token, tokens};

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::PathNormalization;
pub use crate::registry::{Endpoint, Source};
pub use crate::subnet::Subnet;

use serial::is_default;

/// A compiled mesh, as one source sees it. Immutable; counters, ejections and connections live elsewhere and outlast it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The revision that it was compiled from.
    pub revision: u64,
    /// Whose traffic it routes.
    pub source: Source,
    /// Labels of the source.
    pub labels: Arc<BTreeMap<String, String>>,
    /// What of a path is resolved before routes see it: [`crate::route::path::normalize`].
    #[serde(skip_serializing_if = "is_default")]
    pub paths: PathNormalization,
    /// Of a gateway: whose requests may steer timeouts and retries, as those of a workload always may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub internal: Vec<Subnet>,
    /// One for each port: a workload's outbound ports (every port that some service has), or a gateway's servers.
    /// Sorted by port. Sources that see the same mesh share them.
    pub listeners: Arc<[Listener]>,
    /// All clusters that routes of this plan lead to; [`ClusterId`] is the position. Shared like the listeners; each is shared with
    /// the plans of earlier revisions that have the same.
    pub clusters: Arc<[Arc<Cluster>]>,
}

/// Position in [`Plan::clusters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ClusterId(pub u32);

/// What listens on one port.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listener {
    /// The port as the resources say it (the proxy may bind another one).
    pub port: u16,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The virtual hosts, found by [`crate::route::find_virtual_host`].
    pub hosts: VirtualHosts,
    /// What a request to a host that no virtual host names gets.
    pub unknown_host: UnknownHost,
    /// Routes of connections that are not HTTP, the first that takes one wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<ConnectionRoute>,
    /// How TLS is met, by the name in its SNI; empty where the listener speaks none. Found by
    /// [`crate::route::tls_server`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tls: Vec<TlsServer>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VirtualHosts {
    /// The virtual hosts, in the order in which they were made. Shared with the plans of earlier revisions that have the same.
    pub list: Vec<Arc<VirtualHost>>,
    #[serde(skip)]
    index: Arc<hosts::Index>,
}

/// The routes of some domains.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VirtualHost {
    /// The service's fully qualified host, or the host as the VirtualService or Gateway writes it.
    pub name: String,
    /// Its domains.
    pub domains: Vec<String>,
    /// Its routes in order; the first that matches wins.
    pub routes: Vec<Route>,
}

/// One route: any of its matches leads to its action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Route {
    /// Where it comes from; `None` for a service's default route, which no VirtualService wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<crate::RouteKey>,
    /// The name in the VirtualService.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// ORed; empty matches everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,
    /// What happens to a request that matches.
    pub action: Action,
    /// Faults to draw before the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Header operations of the route (those of a destination are with it).
    #[serde(skip_serializing_if = "is_default")]
    pub headers: HeaderOps,
    /// Cross-origin policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
}

impl Route {
    /// What Istio calls the route of a match: both names, where they are given.
    pub fn called(&self, matched: Option<&Match>) -> String {
        let own = self.name.as_deref().unwrap_or(if self.key.is_some() { "" } else { "default" });
        match matched.and_then(|matched| matched.name.as_deref()) {
            Some(name) => format!("{own}.{name}"),
            None => own.to_owned(),
        }
    }
}

/// One match condition; its fields are ANDed. Built for one source, so filters by source or gateway are gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Match {
    /// The `name` of the HTTPMatchRequest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// On the path without its query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<Matcher>,
    /// `ignoreUriCase`, for exact and prefix.
    pub ignore_uri_case: bool,
    /// On `:scheme`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Matcher>,
    /// On the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Matcher>,
    /// On the authority as the client sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<Matcher>,
    /// On headers, names in lower case; pseudo headers by their names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, HeaderMatcher)>,
    /// On query parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, HeaderMatcher)>,
}

/// How a string is compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Matcher {
    /// Equal.
    Exact(String),
    /// A raw string prefix: `/foo` matches `/foobar`.
    Prefix(String),
    /// The whole string matches.
    Regex(Pattern),
}

impl Matcher {
    /// Whether the text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.matches_case(text, false)
    }

    /// Whether the text matches; exact and prefix can leave ASCII case out.
    pub fn matches_case(&self, text: &str, ignore_case: bool) -> bool {
        match self {
            Self::Exact(exact) if ignore_case => text.eq_ignore_ascii_case(exact),
            Self::Exact(exact) => text == exact,
            Self::Prefix(prefix) if ignore_case => text
                .as_bytes()
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes())),
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Regex(pattern) => pattern.matches(text),
        }
    }
}

/// How a header or query parameter is compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeaderMatcher {
    /// `None`: it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Matcher>,
    /// `withoutHeaders`: inverted, a missing header taken as empty.
    pub invert: bool,
}
