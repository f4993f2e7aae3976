//! Rules of delegates that no request of the root can reach.

use crate::plan::delegate_conflicts;
use crate::resource::Spec;
use crate::resource::walk::At;
use crate::{Kind, ResourceKey, Severity};

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0409",
    severity: Severity::Warning,
    title: "A delegate's match is outside the root's",
    explanation: "Requests reach a delegate through the match of the root VirtualService, so each match of the delegate must lie within it: the prefix `/reviews/v2` lies within `/reviews`. A rule that matches other requests is left out. So is a regular expression, because nothing can tell whether one lies within another.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("dropped_delegate.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for http in context.http_routes().filter(|http| !http.service.hosts.is_empty()) {
        let Some(delegate) = &http.route.delegate else { continue };
        let namespace = delegate.namespace.as_deref().filter(|namespace| !namespace.is_empty());
        let key = ResourceKey::new(
            Kind::VirtualService,
            namespace.unwrap_or(&http.resource.key.namespace),
            delegate.name.as_deref().unwrap_or_default(),
        );
        let Some(resource) = context.mesh.resource(&key) else { continue };
        let Spec::VirtualService(service) = &resource.spec else { continue };
        if !service.hosts.is_empty() {
            continue;
        }
        for (index, leaf) in service.http.iter().enumerate() {
            if delegate_conflicts(http.route, leaf) {
                let message = format!(
                    "Rule {} of `{}/{}` delegates to this rule, but this match is not within that rule's match: the rule is left out.",
                    http.index, http.resource.key.namespace, http.resource.key.name
                );
                report.add(resource, &At::SPEC.field("http").index(index).field("match"), message);
            }
        }
    }
}
