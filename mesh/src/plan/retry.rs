//! What is retried, how often and when.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::serial::{duration, optional_duration};

/// Base of the back-off unless a route sets one.
pub const BACK_OFF: Duration = Duration::from_millis(25);

/// Retry policy, resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// Retries after the first try.
    pub attempts: u32,
    /// For each try.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_duration")]
    pub per_try_timeout: Option<Duration>,
    /// What is retried.
    pub on: RetryOn,
    /// Base of the jittered back-off; 25 ms unless set. The cap is ten times the base.
    #[serde(serialize_with = "duration")]
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

impl RetryOn {
    /// Istio's default since 1.24.
    pub fn istio_default() -> Self {
        Self {
            connect_failure: true,
            refused_stream: true,
            unavailable: true,
            cancelled: true,
            ..Self::default()
        }
    }

    /// Reads a list of conditions, parted by commas: numbers that are HTTP statuses are codes, unknown words are ignored.
    pub fn parse(list: &str) -> Self {
        let mut on = Self::default();
        on.extend(list);
        on
    }

    /// Adds conditions.
    pub fn extend(&mut self, list: &str) {
        for word in Self::words(list) {
            if !self.add_http(word) && !self.add_grpc(word) {
                self.status_codes.extend(word.parse().ok().filter(|code| is_status(*code)));
            }
        }
    }

    /// Adds a condition of `x-envoy-retry-on`; false where it has no such word.
    pub(crate) fn add_http(&mut self, word: &str) -> bool {
        *match word {
            "5xx" => &mut self.server_error,
            "gateway-error" => &mut self.gateway_error,
            "reset" => &mut self.reset,
            "reset-before-request" => &mut self.reset_before_request,
            "connect-failure" => &mut self.connect_failure,
            "envoy-ratelimited" => &mut self.rate_limited,
            "retriable-4xx" => &mut self.retriable_4xx,
            "refused-stream" => &mut self.refused_stream,
            _ => return false,
        } = true;
        true
    }

    /// Adds a condition of `x-envoy-retry-grpc-on`; false where it has no such word.
    pub(crate) fn add_grpc(&mut self, word: &str) -> bool {
        *match word {
            "cancelled" => &mut self.cancelled,
            "deadline-exceeded" => &mut self.deadline_exceeded,
            "internal" => &mut self.internal,
            "resource-exhausted" => &mut self.resource_exhausted,
            "unavailable" => &mut self.unavailable,
            _ => return false,
        } = true;
        true
    }

    /// The words of a list of conditions.
    pub(crate) fn words(list: &str) -> impl Iterator<Item = &str> {
        list.split(',').map(str::trim)
    }
}

impl Serialize for RetryOn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for RetryOn {
    /// The conditions as `retryOn` writes them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = [
            (self.server_error, "5xx"),
            (self.gateway_error, "gateway-error"),
            (self.reset, "reset"),
            (self.reset_before_request, "reset-before-request"),
            (self.connect_failure, "connect-failure"),
            (self.rate_limited, "envoy-ratelimited"),
            (self.retriable_4xx, "retriable-4xx"),
            (self.refused_stream, "refused-stream"),
            (self.unavailable, "unavailable"),
            (self.cancelled, "cancelled"),
            (self.deadline_exceeded, "deadline-exceeded"),
            (self.internal, "internal"),
            (self.resource_exhausted, "resource-exhausted"),
        ];
        let named = named.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_owned());
        let all: Vec<String> = named.chain(self.status_codes.iter().map(u16::to_string)).collect();
        f.write_str(&all.join(","))
    }
}

/// Whether a number is a status that HTTP gives a name, as Go's `http.StatusText` knows them.
fn is_status(code: u16) -> bool {
    matches!(code,
        100..=103 | 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=418 | 421..=426 | 428 | 429 | 431 | 451
        | 500..=508 | 510 | 511)
}
