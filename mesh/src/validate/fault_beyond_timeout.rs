//! Delays that are longer than callers wait.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Severity;
use crate::resource::{DurationString, HttpRoute};

use super::context::{Context, selects};
use super::rule::{Check, Report, Rule};
use super::timeouts::seconds;

pub(super) const RULE: Rule = Rule {
    code: "MW0410",
    severity: Severity::Warning,
    title: "A delay is longer than a caller's timeout",
    explanation: "A delay is injected before the request is forwarded, and the timeout of the same rule starts after it. What runs out is the timeout of the request that led there: a service that waits for a delay of 7 s is itself cut off after 6 s, and its callers get 504. Who calls is known where the fault has `sourceLabels`; otherwise every service whose own requests time out sooner may be meant.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("fault_beyond_timeout.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    let mut timeouts = None;
    for http in context.http_routes() {
        let Some(delay) = long_delay(http.route) else { continue };
        // Most meshes have no fault, and then nobody asks.
        let timeouts = timeouts.get_or_insert_with(|| timeouts_by_host(context));
        let own: Vec<String> =
            http.service.hosts.iter().map(|host| context.qualify(http.resource, host)).collect();
        let labels: Vec<&BTreeMap<String, String>> = http
            .route
            .r#match
            .iter()
            .map(|entry| &entry.source_labels)
            .filter(|labels| !labels.is_empty())
            .collect();
        for service in context.services.0.services() {
            let called = own.iter().any(|host| host.eq_ignore_ascii_case(&service.host));
            let Some((timeout, said)) =
                timeouts.get(&service.host).copied().or_else(|| default_timeout(context))
            else {
                continue;
            };
            if called || service.external || timeout >= delay {
                continue;
            }
            let mut endpoints = service.ports.iter().flat_map(|port| &port.endpoints);
            let known =
                endpoints.any(|endpoint| labels.iter().any(|labels| selects(labels, &endpoint.labels)));
            // A guess needs a timeout that somebody wrote.
            if !known && (!labels.is_empty() || !said) {
                continue;
            }
            let (from, to) = (
                service.short_name(),
                http.service.hosts.first().map_or("", |host| host.split('.').next().unwrap_or(host)),
            );
            let message = if known {
                format!(
                    "{from} → {to}: the delay of {} exceeds the {} timeout of requests to `{from}`; its callers get 504.",
                    seconds(delay),
                    seconds(timeout)
                )
            } else {
                format!(
                    "The delay of {} exceeds the {} timeout of requests to `{from}`: where it calls `{to}`, its callers get 504.",
                    seconds(delay),
                    seconds(timeout)
                )
            };
            http.at(|at| {
                let finding =
                    report.add(http.resource, &at.field("fault").field("delay").field("fixedDelay"), message);
                if !known {
                    finding.severity(Severity::Info);
                }
            });
        }
    }
}

/// The delay that a route injects into some requests.
fn long_delay(route: &HttpRoute) -> Option<Duration> {
    let delay = route.fault.as_ref()?.delay.as_ref()?;
    let share = match &delay.percentage {
        Some(percentage) => percentage.value.unwrap_or_default(),
        // Whole percents fit.
        None => delay.percent.unwrap_or_default() as f64,
    };
    delay.fixed_delay.as_ref()?.parse().ok().filter(|_| share > 0.0)
}

/// The mesh's default, which nobody wrote.
fn default_timeout(context: &Context<'_>) -> Option<(Duration, bool)> {
    context.settings.request_timeout().map(|timeout| (timeout, false))
}

/// The shortest timeout that a rule sets for requests to a service, by its host. Rules that set none are left out.
fn timeouts_by_host(context: &Context<'_>) -> BTreeMap<String, (Duration, bool)> {
    let mut shortest: BTreeMap<String, (Duration, bool)> = BTreeMap::new();
    for http in context.http_routes() {
        let Some(Ok(timeout)) = http.route.timeout.as_ref().map(DurationString::parse) else { continue };
        for entry in &http.route.route {
            let Some(host) = entry.destination.as_ref().and_then(|to| to.host.as_deref()) else { continue };
            let timeout = if timeout.is_zero() { Duration::MAX } else { timeout };
            let known = shortest
                .entry(context.qualify(http.resource, host).to_lowercase())
                .or_insert((timeout, true));
            known.0 = known.0.min(timeout);
        }
    }
    shortest
}
