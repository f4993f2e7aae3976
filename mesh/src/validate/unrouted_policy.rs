//! Policies of subsets that no rule routes to.

use crate::edit::{RouteTarget, Share};
use crate::resource::Resource;
use crate::resource::destination_rule::Subset;
use crate::resource::walk::At;
use crate::{Edit, Severity};

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0405",
    severity: Severity::Warning,
    title: "A subset has a policy, and no rule routes to it",
    explanation: "Policies of a subset apply to traffic that a rule sends to the subset by name. Without such a rule requests go to any instance of the service, subsets play no part, and the policy is never applied, not even on instances of the subset. Either move the policy to the `trafficPolicy` of the host, or add a default route that names the subsets, which is good practice from the start.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("unrouted_policy.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, spec) in context.rules() {
        let Some(host) = spec.host.as_deref().filter(|host| !host.is_empty()) else { continue };
        let full = context.qualify(resource, host);
        let routed = context.routed_subsets().get(&full);
        let list = At::SPEC.field("subsets");
        for (index, subset) in spec.subsets.iter().enumerate() {
            let (Some(name), Some(_)) = (subset.name.as_deref(), &subset.traffic_policy) else { continue };
            // Rules of a gateway for TLS by SNI reach subsets without naming them; a wildcard host has no default route.
            if routed.is_some_and(|routed| routed.contains(name)) || full.starts_with('*') {
                continue;
            }
            let message = format!(
                "Subset `{name}` of `{host}` has a policy, but no rule routes to the subset: the policy is never applied."
            );
            let finding = report.add(resource, &list.index(index).field("trafficPolicy"), message);
            if routed.is_none() && context.within_mesh(&full).is_empty() {
                finding.fix(
                    format!("Add a default route to the subsets of {host}"),
                    default_route(resource, host, full.clone(), &spec.subsets),
                );
            }
        }
    }
}

/// Even shares for all subsets: what the default routing does, as near as subsets can.
fn default_route(resource: &Resource, host: &str, full: String, subsets: &[Subset]) -> Edit {
    let names: Vec<&String> = subsets.iter().filter_map(|subset| subset.name.as_ref()).collect();
    // A short name means the same service in the new VirtualService only in the service's own namespace.
    let own = full.split('.').nth(1) == Some(&resource.key.namespace);
    let shares = crate::split::even(names.len()).into_iter().zip(names).map(|(weight, name)| Share {
        host: if own { host.to_owned() } else { full.clone() },
        subset: Some(name.clone()),
        port: None,
        weight,
    });
    Edit::SetWeights { shares: shares.collect(), target: RouteTarget::Service(full) }
}
