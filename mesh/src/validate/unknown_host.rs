//! Destinations that are no service.

use crate::Severity;
use crate::resource::Resource;
use crate::resource::walk::At;

use super::context::Context;
use super::destinations::each_named;
use super::names::nearest;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0201",
    severity: Severity::Error,
    title: "A destination is no service that the mesh knows",
    explanation: "Traffic that is sent there gets 503. A short name belongs to the namespace of the VirtualService. A service that is not exported to it is unknown there as well. The check is silent where no service is known at all.",
    corresponds_to: &["IST0101"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("unknown_host.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    each_named(context, &mut |at, named| {
        if named.service.is_none() {
            missing(context, named.resource, at, (named.host, &named.full), report);
        }
    });
}

fn missing(
    context: &Context<'_>,
    resource: &Resource,
    at: &At<'_>,
    (host, full): (&str, &str),
    report: &mut Report<'_>,
) {
    let mirror = at.name() == "mirror" || at.parent().is_some_and(|at| at.name() == "mirrors");
    let then = if mirror { "nothing is mirrored to it" } else { "traffic to it gets 503" };
    let shown = if host == full { String::new() } else { format!(" ({full})") };
    let at = at.field("host");
    if context.services.any(full).is_some() {
        let message = format!("`{host}`{shown} is not exported to where the rules apply: {then}.");
        report.add(resource, &at, message);
        return;
    }
    // A short name can only mean a service of the same namespace.
    let own = resource.key.namespace.as_str();
    let names = context.services.0.services().iter().filter(|service| service.namespace == own);
    let near = nearest(
        host,
        names.map(|service| if host.contains('.') { &service.host } else { service.short_name() }),
    );
    let hint = near.map_or_else(|| ".".to_owned(), |name| format!("; did you mean `{name}`?"));
    let finding = report.add(resource, &at, format!("No service is called `{host}`{shown}: {then}{hint}"));
    if let Some(name) = near {
        finding.set(format!("Write {name}"), vec![(at.to_string(), Some(name.into()))]);
    }
}
