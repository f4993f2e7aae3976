//! Destinations that are no service.

use std::collections::HashMap;

use crate::Severity;
use crate::registry::Service;
use crate::resource::Resource;
use crate::resource::walk::At;

use super::context::Context;
use super::destinations::each_named;
use super::names::nearest;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0201",
    severity: Severity::Error,
    title: "A destination is not a known service",
    explanation: "Traffic to it gets 503. A short name is looked up in the namespace of the VirtualService. A service that is not exported to that namespace is unknown there. The lookup is exact, as in Istio: a service with a wildcard host (`*.foo.com`) does not count for the destination `x.foo.com`, and `Reviews` is not `reviews`. Where no services are known at all, this is not checked.",
    corresponds_to: &["IST0101"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("unknown_host.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    let mut hints = Hints { left: HINTS, names: HashMap::new() };
    each_named(context, &mut |at, named| {
        if named.service.is_none() {
            missing(context, named.resource, at, (named.host, &named.full), &mut hints, report);
        }
    });
}

/// Comparisons of names for «did you mean»: each takes a while, and nobody reads thousands.
const HINTS: usize = 10_000;

/// The names that may have been meant.
struct Hints<'m> {
    left: usize,
    /// Services by the namespace.
    names: HashMap<&'m str, Vec<&'m Service>>,
}

impl<'m> Hints<'m> {
    /// The name of a service of the namespace that was most likely meant by a host.
    fn near(&mut self, context: &Context<'m>, namespace: &str, host: &str) -> Option<&'m str> {
        if self.names.is_empty() {
            for service in context.services.0.services() {
                self.names.entry(&service.namespace).or_default().push(service);
            }
        }
        let all = self.names.get(namespace)?;
        self.left = self.left.checked_sub(all.len())?;
        let full = host.contains('.');
        nearest(
            host,
            all.iter().map(|service| if full { service.host.as_str() } else { service.short_name() }),
        )
    }
}

fn missing<'m>(
    context: &Context<'m>,
    resource: &Resource,
    at: &At<'_>,
    (host, full): (&str, &str),
    hints: &mut Hints<'m>,
    report: &mut Report<'_>,
) {
    let mirror = at.name() == "mirror" || at.parent().is_some_and(|at| at.name() == "mirrors");
    let then = if mirror { "nothing is mirrored to it" } else { "traffic to it gets 503" };
    let shown = if host == full { String::new() } else { format!(" ({full})") };
    let at = at.field("host");
    let own = resource.key.namespace.as_str();
    if let Some(near) = context.services.nearly(full, own) {
        if near.host.starts_with('*') {
            let message = format!(
                "`{host}`{shown} is covered only by `{}`, and a wildcard does not count for destinations: {then}. Add a ServiceEntry for it.",
                near.written
            );
            report.add(resource, &at, message);
        } else {
            let message = format!(
                "The service is called `{}`, and upper and lower case differ here: {then}.",
                near.written
            );
            let fields = vec![(at.to_string(), Some(near.written.as_str().into()))];
            report.add(resource, &at, message).set(format!("Write {}", near.written), fields);
        }
        return;
    }
    if context.services.any(full).is_some() {
        let message =
            format!("`{host}`{shown} is not exported to the namespaces where these rules apply: {then}.");
        report.add(resource, &at, message);
        return;
    }
    // A short name can only mean a service of the same namespace.
    let near = hints.near(context, own, host);
    let hint = near.map_or_else(|| ".".to_owned(), |name| format!("; did you mean `{name}`?"));
    let finding = report.add(resource, &at, format!("No service is called `{host}`{shown}: {then}{hint}"));
    if let Some(name) = near {
        finding.set(format!("Write {name}"), vec![(at.to_string(), Some(name.into()))]);
    }
}
