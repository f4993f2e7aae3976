//! Hosts that no request can have.

use std::collections::HashSet;

use crate::Severity;
use crate::host::{self, Overlaps};
use crate::resource::walk::At;
use crate::resource::{Gateway, Resource, ServiceEntry, VirtualService};

use super::context::{Context, each_destination};
use super::names::{is_ip, is_namespace, is_sni_cluster, wildcard_domain_problem};
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0102",
    severity: Severity::Error,
    title: "An invalid host",
    explanation: "Hosts are DNS names. A wildcard replaces the beginning of a name: `*`, `*.foo.com`, `*-foo.com`. A Gateway may limit a host to a namespace: `ns/host`, `./host`, `*/host`.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("hostnames.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, spec) in context.virtual_services() {
        virtual_service(resource, spec, report);
        each_destination(spec, &mut |at, destination| {
            let Some(name) = destination.host.as_deref().filter(|name| !name.is_empty()) else { return };
            let problem =
                if name == "*" { Some("it names no service") } else { wildcard_domain_problem(name) };
            if let Some(problem) = problem {
                report.add(
                    resource,
                    &at.field("host"),
                    format!("`{name}` cannot be a destination, {problem}: traffic to it gets 503."),
                );
            }
        });
    }
    for (resource, spec) in context.rules() {
        if let Some(name) = spec.host.as_deref().filter(|name| !name.is_empty())
            && let Some(problem) = wildcard_domain_problem(name)
        {
            let message =
                format!("`{name}` is not a valid host, {problem}: the policies apply to no service.");
            report.add(resource, &At::SPEC.field("host"), message);
        }
    }
    for (resource, spec) in context.service_entries() {
        service_entry(resource, spec, report);
    }
    for (resource, spec) in context.gateways() {
        gateway(resource, spec, report);
    }
}

fn virtual_service(resource: &Resource, spec: &VirtualService, report: &mut Report<'_>) {
    let list = At::SPEC.field("hosts");
    let on_mesh = host::in_mesh(&spec.gateways);
    let sni: HashSet<&String> =
        spec.tls.iter().flat_map(|route| &route.r#match).flat_map(|entry| &entry.sni_hosts).collect();
    let mut earlier = Overlaps::default();
    for (index, name) in spec.hosts.iter().enumerate() {
        let at = list.index(index);
        if name == "*" && on_mesh {
            report.add(
                resource,
                &at,
                "`*` is allowed only on gateways: within the mesh it would take the traffic of every service.",
            );
        } else if let Some(problem) = wildcard_domain_problem(name)
            && !is_ip(name)
            // Names of clusters by SNI have underscores; they are hosts where a TLS route names them too.
            && !(is_sni_cluster(name) && sni.contains(name))
        {
            report.add(
                resource,
                &at,
                format!("`{name}` is not a valid host, {problem}: no request matches it."),
            );
        }
        let lower = name.to_ascii_lowercase();
        // The first of them; of very many that a wildcard covers, one of the first.
        let overlapping = earlier.with(&lower).take(100).min();
        earlier.add(&lower);
        if let Some(wider) = overlapping.map(|at| &spec.hosts[at]) {
            let message = format!(
                "`{name}` overlaps with `{wider}` in the same list: Istio rejects the VirtualService."
            );
            report.add(resource, &at, message);
        }
    }
}

fn service_entry(resource: &Resource, spec: &ServiceEntry, report: &mut Report<'_>) {
    let list = At::SPEC.field("hosts");
    for (index, name) in spec.hosts.iter().enumerate() {
        let at = list.index(index);
        if name == "*" {
            report.add(
                resource,
                &at,
                "`*` would make every host a service; name the hosts, or a domain with `*.`.",
            );
        } else if let Some(problem) = wildcard_domain_problem(name) {
            report.add(
                resource,
                &at,
                format!("`{name}` is not a valid host, {problem}: the entry adds no service for it."),
            );
        } else if name.starts_with('*') && !name.starts_with("*.") {
            let message = format!(
                "`{name}` has a wildcard for only part of a DNS label, which Istio does not support; it may match nothing."
            );
            report.add(resource, &at, message).severity(Severity::Warning).corresponds_to(&["IST0133"]);
        }
    }
}

fn gateway(resource: &Resource, spec: &Gateway, report: &mut Report<'_>) {
    for (index, server) in spec.servers.iter().enumerate() {
        let list = At::SPEC.field("servers");
        let at = list.index(index);
        for (index, entry) in server.hosts.iter().enumerate() {
            let (namespace, name) = match entry.split_once('/') {
                Some((namespace, name)) => (Some(namespace), name),
                None => (None, entry.as_str()),
            };
            if let Some(namespace) = namespace
                && !matches!(namespace, "*" | ".")
                && !is_namespace(namespace)
            {
                let message = format!(
                    "`{namespace}` in `{entry}` is not a namespace, `.` or `*`: no VirtualService can use the host."
                );
                report.add(resource, &at.field("hosts").index(index), message);
            }
            if let Some(problem) = wildcard_domain_problem(name)
                && !is_ip(name)
                && !is_sni_cluster(name)
            {
                let message =
                    format!("`{entry}` is not a valid host, {problem}: the gateway takes no request for it.");
                report.add(resource, &at.field("hosts").index(index), message);
            }
        }
    }
}
