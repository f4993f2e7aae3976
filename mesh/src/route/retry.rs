//! Timeouts and retries of one request: the route's, with what the request's own headers override; what is retried, and
//! how long to wait before.

use std::borrow::Cow;
use std::time::Duration;

use super::{Request, values};
use crate::plan::{Forward, Retry, RetryOn};

/// Base of the back-off unless a route sets one.
pub const BACK_OFF: Duration = Duration::from_millis(25);

/// How one try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A response came from upstream.
    Response {
        /// Its status.
        status: u16,
        /// `grpc-status`, when it stands in the response's head.
        grpc: Option<u32>,
        /// It has the header `x-envoy-ratelimited`.
        rate_limited: bool,
    },
    /// No connection could be made.
    ConnectFailure,
    /// The connection broke, or the stream was reset, before the response's head; also a try that took too long.
    Reset {
        /// Nothing of the request had been sent.
        before_request: bool,
    },
    /// The upstream refused the stream.
    RefusedStream,
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
        for word in list.split(',').map(str::trim) {
            match word {
                "5xx" => self.server_error = true,
                "gateway-error" => self.gateway_error = true,
                "reset" => self.reset = true,
                "reset-before-request" => self.reset_before_request = true,
                "connect-failure" => self.connect_failure = true,
                "envoy-ratelimited" => self.rate_limited = true,
                "retriable-4xx" => self.retriable_4xx = true,
                "refused-stream" => self.refused_stream = true,
                "cancelled" => self.cancelled = true,
                "deadline-exceeded" => self.deadline_exceeded = true,
                "internal" => self.internal = true,
                "resource-exhausted" => self.resource_exhausted = true,
                "unavailable" => self.unavailable = true,
                _ => self.status_codes.extend(word.parse().ok().filter(|code| is_status(*code))),
            }
        }
    }

    /// Whether an outcome is retried.
    pub fn matches(&self, outcome: Outcome) -> bool {
        match outcome {
            // A reset would become a 503, so the conditions on 5xx cover it; codes mean responses alone.
            Outcome::ConnectFailure => {
                self.connect_failure || self.covers_reset() || self.reset_before_request
            }
            Outcome::RefusedStream => self.refused_stream || self.covers_reset(),
            Outcome::Reset { before_request } => {
                self.covers_reset() || (before_request && self.reset_before_request)
            }
            Outcome::Response { rate_limited: true, .. } => self.rate_limited,
            Outcome::Response { status, grpc, .. } => {
                (self.server_error && (500..600).contains(&status))
                    || (self.gateway_error && matches!(status, 502..=504))
                    || (self.retriable_4xx && status == 409)
                    || self.status_codes.contains(&status)
                    || grpc.is_some_and(|code| self.covers_grpc(code))
            }
        }
    }

    fn covers_reset(&self) -> bool {
        self.reset || self.server_error || self.gateway_error
    }

    fn covers_grpc(&self, code: u32) -> bool {
        match code {
            1 => self.cancelled,
            4 => self.deadline_exceeded,
            8 => self.resource_exhausted,
            13 => self.internal,
            14 => self.unavailable,
            _ => false,
        }
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

/// The limits of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits<'p> {
    /// For the whole request with its retries; `None` is no limit.
    pub timeout: Option<Duration>,
    /// For each try; `None` is no limit of its own.
    pub per_try_timeout: Option<Duration>,
    /// Retries, with the request's wishes in them; `None` is no policy at all.
    pub retries: Option<Cow<'p, Retry>>,
}

impl<'p> Limits<'p> {
    /// The limits of a request on a route: the route's, overridden by `x-envoy-upstream-rq-timeout-ms`,
    /// `x-envoy-upstream-rq-per-try-timeout-ms`, `x-envoy-max-retries` and `x-envoy-retry-on`. Allocates only for the last
    /// two. The caller takes these headers off before it forwards ([`OVERRIDES`]).
    pub fn of(forward: &'p Forward, request: &impl Request) -> Self {
        let timeout = match number(request, "x-envoy-upstream-rq-timeout-ms") {
            Some(millis) => (millis > 0).then(|| Duration::from_millis(millis)),
            None => forward.timeout,
        };
        let retries = overridden(forward.retries.as_ref(), request);
        let per_try = match number(request, "x-envoy-upstream-rq-per-try-timeout-ms") {
            Some(millis) => (millis > 0).then(|| Duration::from_millis(millis)),
            None => retries.as_ref().and_then(|retries| retries.per_try_timeout),
        };
        // A try that may take as long as the whole has no limit of its own.
        let per_try_timeout = per_try.filter(|per_try| timeout.is_none_or(|whole| *per_try < whole));
        Self { timeout, per_try_timeout, retries }
    }
}

/// Headers that override limits; they do not go upstream.
pub const OVERRIDES: [&str; 4] = [
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-max-retries",
    "x-envoy-retry-on",
];

fn overridden<'p>(route: Option<&'p Retry>, request: &impl Request) -> Option<Cow<'p, Retry>> {
    let attempts = number(request, "x-envoy-max-retries").and_then(|count| u32::try_from(count).ok());
    let on = values(request, "x-envoy-retry-on").joined();
    let retry = match (route, &on) {
        (Some(route), None) if attempts.is_none_or(|attempts| attempts == route.attempts) => {
            Cow::Borrowed(route)
        }
        (None, None) => return None,
        (route, on) => {
            let mut own = route.cloned().unwrap_or_else(|| Retry {
                attempts: 1,
                per_try_timeout: None,
                on: RetryOn::default(),
                back_off: BACK_OFF,
                remote_localities: false,
                ignore_previous_hosts: true,
            });
            own.attempts = attempts.unwrap_or(own.attempts);
            own.on.extend(on.as_deref().unwrap_or(""));
            Cow::Owned(own)
        }
    };
    // None at all are still a policy: what it would have retried has used up its retries.
    Some(retry)
}

fn number(request: &impl Request, name: &str) -> Option<u64> {
    values(request, name).joined()?.trim().parse().ok()
}

/// How long to wait before the `n`-th retry, from 1: anything below `(2^n - 1) * base`, at most ten times the base, fully
/// jittered by a draw.
pub fn back_off(base: Duration, n: u32, draw: u64) -> Duration {
    // From the fourth retry on it is the cap.
    let factor = if n < 4 { (1 << n) - 1 } else { 10 };
    let limit = u64::try_from(base.saturating_mul(factor).as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(draw.checked_rem(limit).unwrap_or(0))
}
