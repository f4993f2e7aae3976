//! Retries that contradict themselves.

use crate::Severity;
use crate::resource::http::HttpRetry;

use super::context::Context;
use super::names::nearest;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0307",
    severity: Severity::Error,
    title: "Retry settings are invalid or contradict each other",
    explanation: "`attempts` is the number of retries after the first try; 0 turns retries off, and no other field may be set then. `retryOn` lists Envoy's retry conditions by name, or status codes.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("retries.yaml"),
};

/// Conditions that Istio accepts.
const CONDITIONS: [&str; 15] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "envoy-ratelimited",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for http in context.http_routes() {
        let Some(retries) = &http.route.retries else { continue };
        http.at(|at| {
            let at = at.field("retries");
            let attempts = retries.attempts.unwrap_or_default();
            if attempts < 0 {
                let message = format!("`attempts` is {attempts}, but must be 0 or more: Istio rejects the VirtualService.");
                report.add(http.resource, &at.field("attempts"), message);
            }
            if attempts == 0 {
                for name in means_nothing(retries) {
                    let message = format!("`attempts` is 0, so nothing is retried and `{name}` has no effect: Istio rejects the VirtualService.");
                    let fields = vec![(at.field(name).to_string(), None)];
                    report.add(http.resource, &at.field(name), message).set(format!("Remove {name}"), fields);
                }
            }
            for condition in retries.retry_on.as_deref().unwrap_or_default().split(',').map(str::trim) {
                if condition.is_empty() || CONDITIONS.contains(&condition) || is_status(condition) {
                    continue;
                }
                let hint = nearest(condition, CONDITIONS).map_or_else(|| ".".to_owned(), |known| format!("; did you mean `{known}`?"));
                let message = format!("`{condition}` is not a known condition of `retryOn`: Istio rejects the VirtualService{hint}");
                report.add(http.resource, &at.field("retryOn"), message);
            }
        });
    }
}

fn means_nothing(retries: &HttpRetry) -> impl Iterator<Item = &'static str> {
    let fields = [
        ("perTryTimeout", retries.per_try_timeout.is_some()),
        ("retryOn", retries.retry_on.is_some()),
        ("retryRemoteLocalities", retries.retry_remote_localities.is_some()),
        ("backoff", retries.backoff.is_some()),
    ];
    fields.into_iter().filter(|(_, there)| *there).map(|(name, _)| name)
}

fn is_status(condition: &str) -> bool {
    condition.parse::<u16>().is_ok_and(|status| (100..=599).contains(&status))
}
