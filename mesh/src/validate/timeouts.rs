//! Retries that the timeout of the whole request cuts short.

use std::time::Duration;

use crate::Severity;
use crate::resource::DurationString;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0413",
    severity: Severity::Warning,
    title: "The timeout leaves no time for the retries",
    explanation: "`timeout` is for the whole request with all its tries. A `perTryTimeout` that is not shorter is ignored, and a request that times out is never retried. Where no timeout is set, the mesh's default applies.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("timeouts.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for http in context.http_routes() {
        let Some(retries) = &http.route.retries else { continue };
        if retries.attempts.unwrap_or_default() < 1 {
            continue;
        }
        let (whole, own) = match http.route.timeout.as_ref().map(DurationString::parse) {
            Some(Ok(timeout)) => (Some(timeout).filter(|timeout| !timeout.is_zero()), true),
            Some(Err(_)) => continue,
            None => (context.settings.request_timeout(), false),
        };
        let each = retries
            .per_try_timeout
            .as_ref()
            .and_then(|each| each.parse().ok())
            .filter(|each| !each.is_zero());
        let (Some(whole), Some(each)) = (whole, each) else { continue };
        if each >= whole {
            let of = if own { "the rule's timeout" } else { "the mesh's default timeout" };
            let message = format!(
                "`perTryTimeout` is {}, but {of} is {}: `perTryTimeout` is ignored, and a request that times out is not retried.",
                seconds(each),
                seconds(whole)
            );
            http.at(|at| {
                let at = at.field("retries");
                let at = at.field("perTryTimeout");
                report
                    .add(http.resource, &at, message)
                    .set("Remove perTryTimeout", vec![(at.to_string(), None)]);
            });
        }
    }
}

/// As people write it: `1.5 s`, `250 ms`.
pub(super) fn seconds(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1000 { format!("{millis} ms") } else { format!("{} s", duration.as_secs_f64()) }
}
