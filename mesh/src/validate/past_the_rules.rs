//! Rules of the mesh that requests through a gateway pass by.

use crate::Severity;
use crate::host;
use crate::resource::virtual_service::Destination;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0415",
    severity: Severity::Warning,
    title: "Requests through a gateway do not use the mesh's rules",
    explanation: "A request uses the rules of one VirtualService. A request that comes in through a gateway uses that of the gateway, and goes to the destination that it names. The rules that the service has within the mesh, such as its split between versions, do not apply. Name the subsets in the gateway's VirtualService too, or add the gateway to `gateways` of the mesh's one.",
    corresponds_to: &["IST0140"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("past_the_rules.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for http in context.http_routes() {
        if host::in_mesh(&http.service.gateways) {
            continue;
        }
        for (index, entry) in http.route.route.iter().enumerate() {
            let Some(Destination { host: Some(host), subset: None, .. }) = &entry.destination else {
                continue;
            };
            let Some(passed) = split_within(context, &context.qualify(http.resource, host)) else { continue };
            let message = format!(
                "Requests through the gateway go to all instances of `{host}`: the subsets that `{passed}` chooses within the mesh are not used."
            );
            http.at(|at| {
                let at = at.field("route");
                report.add(http.resource, &at.index(index).field("destination"), message);
            });
        }
    }
}

/// The VirtualService that chooses subsets for a host within the mesh, as `namespace/name`.
fn split_within(context: &Context<'_>, full: &str) -> Option<String> {
    // Where nothing routes to a subset of the host, there is nothing to look for.
    context.routed_subsets().get(full)?;
    let found =
        context.within_mesh(full).iter().find(|(_, service)| {
            service.http.iter().flat_map(|route| &route.route).any(|entry| {
                entry.destination.as_ref().is_some_and(|destination| destination.subset.is_some())
            })
        });
    found.map(|(resource, _)| format!("{}/{}", resource.key.namespace, resource.key.name))
}
