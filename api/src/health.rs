//! How well something answers: requests by class, and what follows from them. Server and page decide it here alone.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Requests by the class of their status: counts, or requests per second. Classes without requests are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Classes {
    /// Below 300, `101` too, and connections that were passed on as bytes.
    #[serde(rename = "2xx", skip_serializing_if = "is_zero")]
    pub success: f64,
    /// Redirects.
    #[serde(rename = "3xx", skip_serializing_if = "is_zero")]
    pub redirect: f64,
    /// Errors that the client is told to have made; no route is one of them.
    #[serde(rename = "4xx", skip_serializing_if = "is_zero")]
    pub client: f64,
    /// 500 and above.
    #[serde(rename = "5xx", skip_serializing_if = "is_zero")]
    pub server: f64,
    /// No response: the connection broke, or the client went away.
    #[serde(rename = "none", skip_serializing_if = "is_zero")]
    pub none: f64,
}

#[cfg_attr(
    target_pointer_width = "64",
    expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")
)]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

/// Shares of requests from which on something is impaired, and from which on it fails: Kiali's defaults
/// (<https://kiali.io/docs/configuration/health/>, `health_config.rate`).
const CLIENT: (f64, f64) = (0.1, 0.2);
const SERVER: (f64, f64) = (0.0, 0.1);

/// How well something answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nobody has asked it yet.
    #[default]
    Unknown,
    /// It was asked before, and is not now.
    Idle,
    /// It answers.
    Healthy,
    /// It fails a little: some 5xx or none, or 10 % of 4xx.
    Degraded,
    /// It fails: 10 % of 5xx or none, or 20 % of 4xx.
    Failing,
}

impl Classes {
    /// Adds requests with a status; 0 is none.
    pub fn add(&mut self, status: u16, requests: f64) {
        *match status {
            0 => &mut self.none,
            1..300 => &mut self.success,
            300..400 => &mut self.redirect,
            400..500 => &mut self.client,
            500.. => &mut self.server,
        } += requests;
    }

    /// So many in so many seconds, a second.
    #[must_use]
    pub fn over(self, seconds: f64) -> Self {
        let Self { success, redirect, client, server, none } = self;
        let [success, redirect, client, server, none] =
            [success, redirect, client, server, none].map(|requests| requests / seconds);
        Self { success, redirect, client, server, none }
    }

    /// All requests.
    pub fn total(&self) -> f64 {
        self.success + self.redirect + self.client + self.server + self.none
    }

    /// Requests that failed for no fault of the client's: 5xx and none.
    pub fn errors(&self) -> f64 {
        self.server + self.none
    }

    /// Share of requests that were answered with less than 400, 0 to 1; `None` without requests.
    pub fn success_share(&self) -> Option<f64> {
        let total = self.total();
        (total > 0.0).then(|| ((self.success + self.redirect) / total).clamp(0.0, 1.0))
    }

    /// What follows from these requests, which are of the last seconds; `asked`: there were some before.
    pub fn health(&self, asked: bool) -> Health {
        let total = self.total();
        if total <= 0.0 {
            return if asked { Health::Idle } else { Health::Unknown };
        }
        let grade = |requests: f64, (degraded, failing): (f64, f64)| match requests / total {
            share if share <= 0.0 => Health::Healthy,
            share if share >= failing => Health::Failing,
            share if share >= degraded => Health::Degraded,
            _ => Health::Healthy,
        };
        grade(self.client, CLIENT).worse(grade(self.errors(), SERVER))
    }
}

impl AddAssign for Classes {
    fn add_assign(&mut self, other: Self) {
        self.success += other.success;
        self.redirect += other.redirect;
        self.client += other.client;
        self.server += other.server;
        self.none += other.none;
    }
}

impl Health {
    /// The worse of two.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other as u8 > self as u8 { other } else { self }
    }

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Idle => "idle",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_kialis() {
        for (codes, asked, expected) in [
            (&[][..], false, Health::Unknown),
            (&[], true, Health::Idle),
            (&[(200, 99), (304, 1)], true, Health::Healthy),
            (&[(200, 95), (404, 5)], true, Health::Healthy),
            (&[(200, 90), (404, 10)], true, Health::Degraded),
            (&[(200, 80), (403, 20)], true, Health::Failing),
            (&[(404, 1)], true, Health::Failing),
            (&[(200, 999), (503, 1)], true, Health::Degraded),
            (&[(200, 90), (500, 10)], true, Health::Failing),
            (&[(200, 95), (503, 3), (0, 2)], true, Health::Degraded),
            (&[(200, 90), (0, 10)], true, Health::Failing),
            (&[(200, 85), (404, 10), (503, 5)], true, Health::Degraded),
            (&[(101, 1)], true, Health::Healthy),
        ] {
            let mut classes = Classes::default();
            codes.iter().for_each(|&(status, count)| classes.add(status, f64::from(count)));
            assert_eq!(classes.health(asked), expected, "{codes:?}");
        }
    }

    #[test]
    fn classes_are_written_as_they_are_called() {
        let classes = Classes { success: 2.0, none: 0.5, ..Classes::default() };
        let json = serde_json::to_value(classes).unwrap();
        assert_eq!(json, serde_json::json!({ "2xx": 2.0, "none": 0.5 }));
        assert_eq!(serde_json::from_value::<Classes>(json).unwrap(), classes);
        assert_eq!(classes.success_share(), Some(0.8));
        assert_eq!(Classes::default().success_share(), None);
    }
}
