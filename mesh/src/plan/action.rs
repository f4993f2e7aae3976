//! What a route does with a request: forward, redirect, answer; and what governs the way.

use std::time::Duration;

use serde::Serialize;

use super::serial::{delay, is_default, optional_duration};
use super::{ClusterId, HeaderValue, Matcher, Pattern, Retry};

/// What a route does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Sends the request to one of its destinations.
    Forward(Box<Forward>),
    /// Answers with a redirect.
    Redirect(Box<Redirect>),
    /// Answers by itself.
    Direct(Box<Direct>),
}

/// Forwarding: destinations and all that governs the way there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forward {
    /// In order. With more than one, none has weight 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<Destination>,
    /// Sum of the weights.
    pub total_weight: u64,
    /// Path and authority changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<Rewrite>,
    /// For the whole request with its retries; `None` is no limit.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_duration")]
    pub timeout: Option<Duration>,
    /// The route says nothing of its timeout: the mesh's default holds.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mesh_timeout: bool,
    /// Retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retry>,
    /// Copies, fire and forget.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<Mirror>,
}

/// One weighted destination.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Destination {
    /// Where it leads.
    pub cluster: ClusterId,
    /// Its weight; of one destination alone it means nothing.
    pub weight: u32,
    /// Header operations of this destination; they run before the route's. Those of a sole destination are the route's.
    #[serde(skip_serializing_if = "is_default")]
    pub headers: HeaderOps,
}

/// `rewrite` of a route.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Rewrite {
    /// Replaces the matched prefix, or the whole path after an exact or regex match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// `uriRegexRewrite`: pattern and substitution (`\N` groups already turned into the regex crate's form).
    pub regex: Option<(Pattern, String)>,
    /// The new authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

/// A copy of traffic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mirror {
    /// Where it goes.
    pub cluster: ClusterId,
    /// Share in millionths.
    pub parts_per_million: u32,
}

/// `redirect` of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Redirect {
    /// New path; the query is kept. `None` keeps the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The matched prefix is replaced instead of the path (`%PREFIX()%`).
    pub replace_prefix: bool,
    /// New authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// New scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// New port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `FROM_REQUEST_PORT` as against `FROM_PROTOCOL_DEFAULT`.
    pub port_from_request: bool,
    /// 301 unless set.
    pub status: u16,
}

/// `directResponse` of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Direct {
    /// Status.
    pub status: u16,
    /// Body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub body: Vec<u8>,
}

/// Faults; delay and abort are drawn independently, the delay comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Share in millionths, and how long.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "delay")]
    pub delay: Option<(u32, Duration)>,
    /// Share in millionths, and what is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort: Option<(u32, AbortWith)>,
}

/// What an aborted request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AbortWith {
    /// This HTTP status, body `fault filter abort`.
    Http(u16),
    /// HTTP 200 with this `grpc-status`.
    Grpc(u32),
    /// Nothing: the connection is reset, or the stream in HTTP/2.
    Reset,
}

/// Header operations, ready to run: remove, set, add. Names in lower case; `Host` and pseudo headers are gone (an authority
/// rewrite is in [`HeaderOps::authority`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HeaderOps {
    /// On the request.
    #[serde(skip_serializing_if = "is_default")]
    pub request: Ops,
    /// On the response.
    #[serde(skip_serializing_if = "is_default")]
    pub response: Ops,
    /// `Host` or `:authority` in a request's `set` or `add`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

impl HeaderOps {
    /// Takes in the operations of a route's only destination, behind its own: what both set, the destination has set last.
    pub fn take_in(&mut self, destination: Self) {
        let both = [(&mut self.request, destination.request), (&mut self.response, destination.response)];
        for (own, more) in both {
            own.remove.extend(more.remove);
            own.set.extend(more.set);
            own.add.extend(more.add);
        }
        self.authority = self.authority.take().or(destination.authority);
    }
}

impl Ops {
    /// Whether values take something from the request.
    pub fn read_request(&self) -> bool {
        self.set.iter().chain(&self.add).any(|(_, value)| value.reads_request())
    }
}

/// One direction of header operations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ops {
    /// Names to remove.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Names and values that overwrite.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<(String, HeaderValue)>,
    /// Names and values to append.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<(String, HeaderValue)>,
}

/// `corsPolicy`, resolved.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cors {
    /// Origins that are allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_origins: Vec<Matcher>,
    /// Joined by `,`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_methods: Option<String>,
    /// Joined by `,`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_headers: Option<String>,
    /// Joined by `,`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expose_headers: Option<String>,
    /// Whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// `allowCredentials`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<bool>,
    /// A preflight whose origin does not match goes upstream (`FORWARD`, the default).
    pub forward_not_matching: bool,
}

impl Cors {
    /// Whether an origin is allowed. A comparison that holds for `*` itself allows all.
    pub fn allows(&self, origin: &str) -> bool {
        self.allow_origins.iter().any(|allowed| allowed.matches("*") || allowed.matches(origin))
    }
}
