//! Delays that are longer than callers wait.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::Severity;
use crate::labels::selects;
use crate::plan::Endpoint;
use crate::registry::Service;
use crate::resource::{DurationString, HttpRoute};

use super::context::Context;
use super::rule::{Check, Report, Rule};
use super::timeouts::seconds;

/// Callers that one rule is told of with: where there are more, nobody would read them.
const MOST: usize = 10;

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
    let mut callers = None;
    for http in context.http_routes() {
        let Some(delay) = long_delay(http.route) else { continue };
        // Most meshes have no fault, and then nobody asks.
        let callers = callers.get_or_insert_with(|| Callers::of(context));
        let own: Vec<String> = http
            .service
            .hosts
            .iter()
            .map(|host| context.qualify(http.resource, host).to_ascii_lowercase())
            .collect();
        let conditions = http.route.r#match.iter().map(|entry| &entry.source_labels);
        let labels: Vec<_> = conditions.filter(|labels| !labels.is_empty()).collect();
        let known = !labels.is_empty();
        let candidates = if known { callers.with_labels(&labels) } else { callers.with_timeouts() };
        let mut told = 0;
        for service in candidates {
            if told == MOST {
                break;
            }
            // A guess needs a timeout that somebody wrote; who is known to call has the mesh's default at least.
            let timeout = callers.timeout(service).or(context.settings.request_timeout().filter(|_| known));
            let Some(timeout) = timeout.filter(|timeout| *timeout < delay) else { continue };
            if own.contains(&service.host) || service.external {
                continue;
            }
            told += 1;
            let to = http.service.hosts.first().map_or("", |host| host.split('.').next().unwrap_or(host));
            let (from, delay, timeout) = (service.short_name(), seconds(delay), seconds(timeout));
            let message = if known {
                format!(
                    "{from} → {to}: the delay of {delay} exceeds the {timeout} timeout of requests to `{from}`; its callers get 504."
                )
            } else {
                format!(
                    "The delay of {delay} exceeds the {timeout} timeout of requests to `{from}`: where it calls `{to}`, its callers get 504."
                )
            };
            http.at(|at| {
                let at = at.field("fault");
                let finding = report.add(http.resource, &at.field("delay").field("fixedDelay"), message);
                if !known {
                    finding.severity(Severity::Info);
                }
            });
        }
    }
}

/// Services that may call others, with how long their own callers wait.
struct Callers<'m> {
    timeouts: BTreeMap<String, Duration>,
    services: &'m [Service],
    /// Those that a rule with a timeout leads to, the shortest first.
    timed: Vec<&'m Service>,
    /// Positions of the services that have an instance with a label.
    by_label: HashMap<(&'m str, &'m str), Vec<usize>>,
}

impl<'m> Callers<'m> {
    fn of(context: &Context<'m>) -> Self {
        let services = context.services.0.services();
        let mut by_label: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for (position, service) in services.iter().enumerate() {
            for (name, value) in endpoints(service).flat_map(|endpoint| &endpoint.labels) {
                let known = by_label.entry((name, value)).or_default();
                if known.last() != Some(&position) {
                    known.push(position);
                }
            }
        }
        let timeouts = timeouts(context);
        let mut timed: Vec<&Service> =
            services.iter().filter(|service| timeouts.contains_key(&service.host)).collect();
        timed.sort_by(|a, b| timeouts.get(&a.host).cmp(&timeouts.get(&b.host)));
        // Beyond these nobody is told of.
        timed.truncate(MOST * 2);
        Self { timeouts, services, timed, by_label }
    }

    /// The services with an instance that has one of these sets of labels.
    fn with_labels(&self, sets: &[&BTreeMap<String, String>]) -> Vec<&'m Service> {
        let mut found: BTreeSet<usize> = BTreeSet::new();
        for labels in sets {
            let Some((name, value)) = labels.first_key_value() else { continue };
            let near = self.by_label.get(&(name.as_str(), value.as_str())).into_iter().flatten().copied();
            found.extend(near.filter(|at| {
                endpoints(&self.services[*at]).any(|endpoint| selects(labels, &endpoint.labels))
            }));
        }
        found.into_iter().map(|at| &self.services[at]).collect()
    }

    /// The services that a rule with a timeout leads to.
    fn with_timeouts(&self) -> Vec<&'m Service> {
        self.timed.clone()
    }

    fn timeout(&self, service: &Service) -> Option<Duration> {
        self.timeouts.get(&service.host).copied()
    }
}

fn endpoints(service: &Service) -> impl Iterator<Item = &Endpoint> {
    service.ports.iter().flat_map(|port| &port.endpoints)
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

/// The shortest timeout that a rule sets for requests to a service, by its host. Rules that set none are left out.
fn timeouts(context: &Context<'_>) -> BTreeMap<String, Duration> {
    let mut shortest: BTreeMap<String, Duration> = BTreeMap::new();
    // Whoever calls need not be among the resources that are looked at.
    let all = context.mesh.virtual_services();
    for (resource, route) in all.flat_map(|(resource, it)| it.http.iter().map(move |route| (resource, route)))
    {
        let Some(Ok(timeout)) = route.timeout.as_ref().map(DurationString::parse) else { continue };
        for entry in &route.route {
            let Some(host) = entry.destination.as_ref().and_then(|to| to.host.as_deref()) else { continue };
            let timeout = if timeout.is_zero() { Duration::MAX } else { timeout };
            let known =
                shortest.entry(context.qualify(resource, host).to_ascii_lowercase()).or_insert(timeout);
            *known = timeout.min(*known);
        }
    }
    shortest
}
