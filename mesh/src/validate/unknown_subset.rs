//! Subsets that no DestinationRule defines.

use crate::diagnostic::Severity;
use crate::resource::Resource;
use crate::resource::walk::At;

use super::context::{Context, each_destination};
use super::names::nearest;
use super::rule::{Check, Report, Rule};

/// Subsets that a message names, and among which the one that was meant is looked for.
const MOST: usize = 50;

pub(super) const RULE: Rule = Rule {
    code: "MW0202",
    severity: Severity::Error,
    title: "A subset is not defined",
    explanation: "Subsets are defined by a DestinationRule of the host. Traffic that a rule sends to another one gets 503. Where neither services nor a DestinationRule of the host are known, this is not checked.",
    corresponds_to: &["IST0101"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("unknown_subset.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, spec) in context.virtual_services() {
        each_destination(spec, &mut |at, destination| {
            let (Some(host), Some(subset)) = (destination.host.as_deref(), destination.subset.as_deref())
            else {
                return;
            };
            if subset.is_empty() || host.is_empty() {
                return;
            }
            let full = context.qualify(resource, host);
            match context.has_subset(&full, subset) {
                Some(false) => {
                    let names = context.subsets(&full).into_iter().flatten();
                    let names: Vec<&str> =
                        names.filter_map(|subset| subset.name.as_deref()).take(MOST).collect();
                    missing(resource, at, host, subset, &names, report);
                }
                // A service that is unknown is told of by MW0201.
                None if context.services.any(&full).is_some() => {
                    let message = format!(
                        "No DestinationRule of `{host}` defines subset `{subset}`: traffic to it gets 503."
                    );
                    report.add(resource, &at.field("subset"), message);
                }
                Some(true) | None => {}
            }
        });
    }
}

fn missing(
    resource: &Resource,
    at: &At<'_>,
    host: &str,
    subset: &str,
    names: &[&str],
    report: &mut Report<'_>,
) {
    let near = nearest(subset, names.iter().copied());
    let hint = match near {
        Some(name) => format!("; did you mean `{name}`?"),
        None if names.is_empty() => "; it defines none.".to_owned(),
        None => format!("; it defines {}.", names.join(", ")),
    };
    let message =
        format!("The DestinationRule of `{host}` has no subset `{subset}`: traffic to it gets 503{hint}");
    let finding = report.add(resource, &at.field("subset"), message);
    if let Some(name) = near {
        finding.set(format!("Write {name}"), vec![(at.field("subset").to_string(), Some(name.into()))]);
    }
}
