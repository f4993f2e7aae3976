//! Timeouts and retries of one request: the route's, with what the request's own headers override; what is retried, and
//! how long to wait before.

use std::borrow::Cow;
use std::time::Duration;

use super::{Request, values};
use crate::plan::{BACK_OFF, Forward, Retry, RetryOn};

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

/// The limits of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits<'p> {
    /// For the whole request with its retries; `None` is no limit.
    pub timeout: Option<Duration>,
    /// For each try; `None` is no limit of its own.
    pub per_try_timeout: Option<Duration>,
    /// Retries, with what the request asks for; `None` is no policy at all.
    pub retries: Option<Cow<'p, Retry>>,
}

impl<'p> Limits<'p> {
    /// The limits of a request on a route: the route's, overridden by the request's own headers ([`OVERRIDES`]). The caller
    /// lets only those through that may steer ([`super::edge`]), and takes them off before it forwards. Allocates only where
    /// they change what is retried.
    ///
    /// As in Envoy a time of 0 is none. The number of tries has a ceiling ([`MOST_RETRIES`]) all the same.
    pub fn of(forward: &'p Forward, request: &impl Request) -> Self {
        if !request.may_steer() {
            let retries = forward.retries.as_ref().map(Cow::Borrowed);
            let per_try = retries.as_ref().and_then(|retries| retries.per_try_timeout);
            return Self::within(forward.timeout, per_try, retries);
        }
        let timeout = match number(request, "x-envoy-upstream-rq-timeout-ms") {
            Some(millis) => (millis > 0).then(|| Duration::from_millis(millis)),
            None => forward.timeout,
        };
        let retries = overridden(forward.retries.as_ref(), request);
        let per_try = match number(request, "x-envoy-upstream-rq-per-try-timeout-ms") {
            Some(millis) => (millis > 0).then(|| Duration::from_millis(millis)),
            None => retries.as_ref().and_then(|retries| retries.per_try_timeout),
        };
        Self::within(timeout, per_try, retries)
    }

    /// A try that may take as long as the whole has no limit of its own.
    fn within(timeout: Option<Duration>, per_try: Option<Duration>, retries: Option<Cow<'p, Retry>>) -> Self {
        let per_try_timeout = per_try.filter(|per_try| timeout.is_none_or(|whole| *per_try < whole));
        Self { timeout, per_try_timeout, retries }
    }
}

/// The most retries that a request may ask for itself. A route may have more, and then its requests may ask for as many.
pub const MOST_RETRIES: u32 = 10;

/// Responses below this status are none that a request can ask to be tried again for: they are successes. A route can say so.
const FIRST_FAILURE: u16 = 400;

/// Headers of a request about its limits. They are for the next proxy alone and do not go upstream, whether they are listened
/// to or, like those of Envoy's that are not known here, are not.
pub const OVERRIDES: [&str; 10] = [
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-max-retries",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-stream-duration-ms",
];

fn overridden<'p>(route: Option<&'p Retry>, request: &impl Request) -> Option<Cow<'p, Retry>> {
    let ceiling = route.map_or(0, |route| route.attempts).max(MOST_RETRIES);
    let attempts = number(request, "x-envoy-max-retries");
    let attempts = attempts.map(|count| u32::try_from(count).unwrap_or(u32::MAX).min(ceiling));
    let on = values(request, "x-envoy-retry-on").joined();
    let grpc = values(request, "x-envoy-retry-grpc-on").joined();
    let asks = on.is_some() || grpc.is_some();
    let codes =
        values(request, "x-envoy-retriable-status-codes").joined().filter(|_| asks || route.is_some());
    let retry = match route {
        None if !asks => return None,
        Some(route) if !asks && codes.is_none() && attempts.is_none_or(|it| it == route.attempts) => {
            Cow::Borrowed(route)
        }
        route => {
            let mut own = route.cloned().unwrap_or_else(|| Retry {
                attempts: 1,
                per_try_timeout: None,
                on: RetryOn::default(),
                back_off: BACK_OFF,
                remote_localities: false,
                ignore_previous_hosts: true,
            });
            own.attempts = attempts.unwrap_or(own.attempts);
            // The codes count where the route has codes, or the request says that they do.
            let mut coded = !own.on.status_codes.is_empty();
            for word in RetryOn::words(on.as_deref().unwrap_or("")) {
                coded |= word == "retriable-status-codes";
                own.on.add_http(word);
            }
            for word in RetryOn::words(grpc.as_deref().unwrap_or("")) {
                own.on.add_grpc(word);
            }
            let codes = codes.as_deref().filter(|_| coded).unwrap_or("");
            let codes = RetryOn::words(codes).filter_map(|code| code.parse::<u16>().ok());
            own.on.status_codes.extend(codes.filter(|code| *code >= FIRST_FAILURE));
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
