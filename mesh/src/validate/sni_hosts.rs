//! Names in the SNI that a VirtualService's own hosts do not cover.

use crate::Severity;
use crate::host;
use crate::resource::walk::At;
use crate::resource::{Resource, VirtualService};

use super::context::Context;
use super::names::{is_ip, is_sni_cluster, wildcard_domain_problem};
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0321",
    severity: Severity::Error,
    title: "An SNI host is not among the VirtualService's hosts",
    explanation: "Each entry of `sniHosts` must be covered by one of the VirtualService's `hosts`, and be a name: Istio rejects the VirtualService otherwise. Clients send no IP address as SNI (RFC 6066), so hardly any connection matches one.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("sni_hosts.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, spec) in context.virtual_services() {
        let field = At::SPEC.field("tls");
        for (index, route) in spec.tls.iter().enumerate() {
            let list = field.index(index);
            let list = list.field("match");
            for (index, entry) in route.r#match.iter().enumerate() {
                let at = list.index(index);
                let at = at.field("sniHosts");
                for (index, name) in entry.sni_hosts.iter().enumerate() {
                    sni(resource, spec, name, &at.index(index), report);
                }
            }
        }
    }
}

fn sni(resource: &Resource, spec: &VirtualService, name: &str, at: &At<'_>, report: &mut Report<'_>) {
    // As Istio tells them apart: names of clusters are for those that are not bound to the mesh by name.
    let on_gateway = !spec.gateways.iter().any(|gateway| gateway == host::MESH);
    if is_ip(name) {
        let message = format!(
            "`{name}` is an IP address, which clients do not send as SNI: hardly any connection matches it."
        );
        report.add(resource, at, message).severity(Severity::Warning);
    } else if let Some(problem) =
        wildcard_domain_problem(name).filter(|_| !(on_gateway && is_sni_cluster(name)))
    {
        let message =
            format!("`{name}` is not a valid SNI host, {problem}: Istio rejects the VirtualService.");
        report.add(resource, at, message);
    } else if !spec.hosts.iter().any(|host| host::subset_of(name, host)) {
        let message = format!(
            "`{name}` is covered by none of the VirtualService's hosts ({}): Istio rejects the VirtualService.",
            spec.hosts.join(", ")
        );
        report.add(resource, at, message);
    }
}
