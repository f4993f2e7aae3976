//! What there is to say about a mesh beyond what reading it said: the table of rules, each in a file of its own.

mod comparisons;
mod context;
mod covers;
mod destinations;
mod names;
mod policies;
mod rule;
mod services;

mod addresses_required;
mod authority_twice;
mod client_tls;
mod conflicting_gateways;
mod conflicting_hosts;
mod conflicting_protocols;
mod connection_faults;
mod cors;
mod deprecated;
mod dropped_delegate;
mod duplicate_certificate;
mod duplicate_resource;
mod duplicate_subsets;
mod durations;
mod empty_subset;
mod endpoints;
mod export_to;
mod fault_beyond_timeout;
mod fault_without_percentage;
mod faults;
mod gateway_server;
mod gateway_tls;
mod half_policies;
mod headers;
mod health_check;
mod host_not_in_gateway;
mod hostnames;
mod load_balancer;
mod locality;
mod matches;
mod names_of_parts;
mod negative;
mod never_ejects;
mod one_action;
mod past_the_rules;
mod patterns;
mod percentages;
mod port_names;
mod ports;
mod required;
mod retries;
mod rule_without_service;
mod shadowed_match;
mod statuses;
mod timeouts;
mod unknown_delegate;
mod unknown_fields;
mod unknown_gateway;
mod unknown_host;
mod unknown_port;
mod unknown_subset;
mod unknown_values;
mod unreachable_rule;
mod unrouted_policy;
mod unverified_server;
mod weight_sum;
mod weights;

#[cfg(test)]
mod document;
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
    weights::RULE,
    weight_sum::RULE,
    percentages::RULE,
    ports::RULE,
    statuses::RULE,
    durations::RULE,
    retries::RULE,
    negative::RULE,
    half_policies::RULE,
    load_balancer::RULE,
    locality::RULE,
    client_tls::RULE,
    gateway_tls::RULE,
    gateway_server::RULE,
    headers::RULE,
    matches::RULE,
    patterns::RULE,
    cors::RULE,
    faults::RULE,
    endpoints::RULE,
    duplicate_resource::RULE,
    duplicate_subsets::RULE,
    unreachable_rule::RULE,
    shadowed_match::RULE,
    unrouted_policy::RULE,
    conflicting_hosts::RULE,
    conflicting_gateways::RULE,
    dropped_delegate::RULE,
    fault_beyond_timeout::RULE,
    authority_twice::RULE,
    fault_without_percentage::RULE,
    timeouts::RULE,
    unverified_server::RULE,
    past_the_rules::RULE,
    addresses_required::RULE,
    port_names::RULE,
    duplicate_certificate::RULE,
    conflicting_protocols::RULE,
    never_ejects::RULE,
    deprecated::RULE,
    health_check::RULE,
    connection_faults::RULE,
];

/// What the rules find in a mesh, by file and place. Findings of reading ([`crate::model::Parsed`]) are not among them.
///
/// Where the registry has no service, the rules that need services stay silent.
pub fn validate(mesh: &Mesh, registry: &Registry, settings: &Settings) -> Vec<Diagnostic> {
    let context = Context::new(mesh, Services(registry), settings);
    let mut found = Vec::new();
    let mut leaves = Vec::new();
    for rule in RULES {
        match rule.check {
            Check::Mesh(check) => check(&context, &mut Report { rule, mesh, found: &mut found }),
            Check::Leaf(check) => leaves.push((rule, check)),
        }
    }
    // One walk serves all rules that look at single values.
    for resource in context.resources() {
        resource.spec.walk(&mut |at, leaf| {
            for (rule, check) in &leaves {
                check(resource, at, leaf, &mut Report { rule, mesh, found: &mut found });
            }
        });
    }
    found.sort_by(|a, b| (&a.place, &a.code, &a.path).cmp(&(&b.place, &b.code, &b.path)));
    found
}
