//! What there is to say about a mesh beyond what reading it said: the table of rules, each in a file of its own.

mod context;
mod names;
mod rule;
mod services;

mod duplicate_resource;
mod empty_subset;
mod export_to;
mod host_not_in_gateway;
mod hostnames;
mod names_of_parts;
mod one_action;
mod required;
mod rule_without_service;
mod unknown_delegate;
mod unknown_fields;
mod unknown_gateway;
mod unknown_host;
mod unknown_port;
mod unknown_subset;
mod unknown_values;
mod unrouted_policy;

#[cfg(test)]
mod fixtures;

use crate::{Diagnostic, Mesh, Registry, Settings};

use context::Context;
pub use rule::Rule;
use rule::{Check, Report};
use services::Services;

/// All rules, by code.
pub const RULES: &[Rule] = &[
    required::RULE,
    hostnames::RULE,
    one_action::RULE,
    unknown_values::RULE,
    unknown_fields::RULE,
    export_to::RULE,
    names_of_parts::RULE,
    unknown_host::RULE,
    unknown_subset::RULE,
    unknown_gateway::RULE,
    unknown_port::RULE,
    unknown_delegate::RULE,
    host_not_in_gateway::RULE,
    rule_without_service::RULE,
    empty_subset::RULE,
    duplicate_resource::RULE,
    unrouted_policy::RULE,
];

/// What the rules find in a mesh, by file and place. Findings of reading ([`crate::model::Parsed`]) are not among them.
///
/// Where the registry has no service, the rules that need services stay silent.
pub fn validate(mesh: &Mesh, registry: &Registry, settings: &Settings) -> Vec<Diagnostic> {
    let context = Context::new(mesh, Services(registry), settings);
    let mut found = Vec::new();
    for rule in RULES {
        if let Check::Mesh(check) = rule.check {
            check(&context, &mut Report { rule, mesh, found: &mut found });
        }
    }
    // One walk serves all rules that look at single values.
    for resource in mesh.resources() {
        resource.spec.walk(&mut |at, leaf| {
            for rule in RULES {
                if let Check::Leaf(check) = rule.check {
                    check(resource, at, leaf, &mut Report { rule, mesh, found: &mut found });
                }
            }
        });
    }
    found.sort_by(|a, b| (&a.place, &a.code, &a.path).cmp(&(&b.place, &b.code, &b.path)));
    found
}
