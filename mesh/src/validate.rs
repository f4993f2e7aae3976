//! What there is to say about a mesh beyond what reading it said: the table of rules, each in a file of its own.

mod comparisons;
mod context;
mod covers;
mod destinations;
mod facts;
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
mod listener_port;
mod load_balancer;
mod locality;
mod matches;
mod mesh_config;
mod names_of_parts;
mod negative;
mod never_ejects;
mod not_here;
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
mod sidecars;
mod sni_hosts;
mod statuses;
mod timeouts;
mod too_large;
mod unknown_commands;
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
pub(crate) mod fixtures;

use std::collections::HashSet;

use crate::{Diagnostic, Mesh, Registry, ResourceKey, Settings, plan};

use context::Context;
pub use gateway_tls::CIPHERS;
pub use rule::Rule;
use rule::{Check, Report};
use services::Services;

/// All rules, by code.
pub const RULES: &[Rule] = &[
    lean(required::RULE),
    lean(hostnames::RULE),
    lean(one_action::RULE),
    lean(unknown_values::RULE),
    lean(unknown_fields::RULE),
    lean(export_to::RULE),
    lean(names_of_parts::RULE),
    lean(unknown_host::RULE),
    lean(unknown_subset::RULE),
    lean(unknown_gateway::RULE),
    lean(unknown_port::RULE),
    lean(unknown_delegate::RULE),
    lean(host_not_in_gateway::RULE),
    lean(rule_without_service::RULE),
    lean(empty_subset::RULE),
    lean(weights::RULE),
    lean(weight_sum::RULE),
    lean(percentages::RULE),
    lean(ports::RULE),
    lean(statuses::RULE),
    lean(durations::RULE),
    lean(retries::RULE),
    lean(negative::RULE),
    lean(half_policies::RULE),
    lean(load_balancer::RULE),
    lean(locality::RULE),
    lean(client_tls::RULE),
    lean(gateway_tls::RULE),
    lean(gateway_server::RULE),
    lean(headers::RULE),
    lean(matches::RULE),
    lean(patterns::RULE),
    lean(cors::RULE),
    lean(faults::RULE),
    lean(endpoints::RULE),
    lean(sni_hosts::RULE),
    lean(listener_port::RULE),
    lean(duplicate_resource::RULE),
    lean(duplicate_subsets::RULE),
    lean(unreachable_rule::RULE),
    lean(shadowed_match::RULE),
    lean(unrouted_policy::RULE),
    lean(conflicting_hosts::RULE),
    lean(conflicting_gateways::RULE),
    lean(dropped_delegate::RULE),
    lean(fault_beyond_timeout::RULE),
    lean(authority_twice::RULE),
    lean(fault_without_percentage::RULE),
    lean(timeouts::RULE),
    lean(unverified_server::RULE),
    lean(past_the_rules::RULE),
    lean(addresses_required::RULE),
    lean(port_names::RULE),
    lean(duplicate_certificate::RULE),
    lean(conflicting_protocols::RULE),
    lean(never_ejects::RULE),
    lean(deprecated::RULE),
    lean(health_check::RULE),
    lean(connection_faults::RULE),
    lean(not_here::RULE),
    lean(unknown_commands::RULE),
    lean(sidecars::RULE),
    lean(mesh_config::RULE),
    lean(too_large::RULE),
];

/// A rule without the words that only its documentation needs: the page would carry them for nothing.
const fn lean(rule: Rule) -> Rule {
    if cfg!(target_arch = "wasm32") { Rule { title: "", explanation: "", ..rule } } else { rule }
}

/// What the rules find in a mesh, by file and place. Findings of reading ([`crate::model::Parsed`]) are not among them.
///
/// Where the registry has no service, the rules that need services stay silent.
///
/// ```
/// use mesh::{Inventory, Mesh, Registry, Settings, Sources, validate};
///
/// # let text = "
/// # apiVersion: networking.istio.io/v1
/// # kind: ServiceEntry
/// # metadata: {name: reviews}
/// # spec:
/// #   hosts: [reviews.example.com]
/// #   resolution: STATIC
/// #   ports: [{number: 80, name: http, protocol: HTTP}]
/// #   endpoints: [{address: 10.0.0.1}]
/// # ---
/// # apiVersion: networking.istio.io/v1
/// # kind: WorkloadEntry
/// # metadata: {name: client}
/// # spec: {address: 10.0.0.2}
/// # ---
/// # apiVersion: networking.istio.io/v1
/// # kind: VirtualService
/// # metadata: {name: reviews}
/// # spec: {hosts: [reviews.example.com], http: [{route: [{destination: {host: review.example.com}}]}]}
/// # ";
/// let settings = Settings::default();
/// let mesh = Mesh::parse(&Sources::single("mesh.yaml", text)).mesh;
/// let registry = Registry::of(&mesh, &Inventory::default(), &settings);
/// let found = validate(&mesh, &registry, &settings);
/// assert_eq!(found[0].path, "spec.http[0].route[0].destination.host");
/// ```
pub fn validate(mesh: &Mesh, registry: &Registry, settings: &Settings) -> Vec<Diagnostic> {
    let fits = plan::fits(mesh, registry).is_ok();
    check(&Context::new(mesh, Services(registry), settings, None), fits)
}

/// As [`validate`], looking at these resources alone. `fits` says whether the mesh can be compiled.
pub(crate) fn validate_among(
    among: Option<&HashSet<&ResourceKey>>,
    (mesh, registry): (&Mesh, &Registry),
    settings: &Settings,
    fits: bool,
) -> Vec<Diagnostic> {
    check(&Context::new(mesh, Services(registry), settings, among), fits)
}

fn check(context: &Context<'_>, fits: bool) -> Vec<Diagnostic> {
    let mesh = context.mesh;
    let mut found = Vec::new();
    let mut leaves = Vec::new();
    // Of what is too large to be compiled no more is looked at: some rules go the same long way.
    for rule in RULES.iter().filter(|rule| fits != (rule.code == too_large::RULE.code)) {
        match rule.check {
            Check::Mesh(check) => check(context, &mut Report { rule, mesh, found: &mut found }),
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
    sort(&mut found);
    found
}

/// By file and place.
pub(crate) fn sort(found: &mut [Diagnostic]) {
    found.sort_by(|a, b| (&a.place, &a.code, &a.path).cmp(&(&b.place, &b.code, &b.path)));
}
