//! ServiceEntries whose endpoints do not fit the way they are found.

use crate::Severity;
use crate::resource::service_entry::{Resolution, WorkloadEntry};
use crate::resource::walk::At;
use crate::resource::{Resource, ServiceEntry};

use super::context::Context;
use super::gateway_server::PROTOCOLS;
use super::names::{is_ip, wildcard_domain_problem};
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0320",
    severity: Severity::Error,
    title: "Endpoints do not fit the resolution",
    explanation: "With resolution NONE and DYNAMIC_DNS the client chooses the address, so there are no `endpoints`. STATIC takes IP addresses or Unix sockets. DNS takes names of hosts, DNS_ROUND_ROBIN one at most. `ports` of an endpoint uses the names of the entry's ports. `endpoints` and `workloadSelector` exclude each other.",
    corresponds_to: &["IST0106", "IST0133"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("endpoints.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, entry) in context.service_entries() {
        selector(resource, entry, report);
        protocols(resource, entry, report);
        resolution(resource, entry, report);
        let list = At::SPEC.field("endpoints");
        for (index, endpoint) in entry.endpoints.iter().enumerate() {
            ports(resource, entry, endpoint, &list.index(index), report);
        }
    }
}

fn selector(resource: &Resource, entry: &ServiceEntry, report: &mut Report<'_>) {
    let Some(selector) = &entry.workload_selector else { return };
    if !entry.endpoints.is_empty() {
        let message = "The entry has `endpoints`, so `workloadSelector` selects nothing: Istio rejects both.";
        report.add(resource, &At::SPEC.field("workloadSelector"), message).corresponds_to(&["IST0106"]);
    }
    if selector.labels.is_empty() {
        let message = "`workloadSelector` has no labels: it selects every workload of the namespace.";
        let finding = report.add(resource, &At::SPEC.field("workloadSelector"), message);
        finding.severity(Severity::Warning).corresponds_to(&["IST0133"]);
    }
}

fn protocols(resource: &Resource, entry: &ServiceEntry, report: &mut Report<'_>) {
    let list = At::SPEC.field("ports");
    for (index, port) in entry.ports.iter().enumerate() {
        let protocol = port.protocol.as_deref().unwrap_or_default();
        if !protocol.is_empty() && !PROTOCOLS.contains(&protocol.to_ascii_lowercase().as_str()) {
            let message = format!("`{protocol}` is not a known protocol: Istio rejects the ServiceEntry.");
            report.add(resource, &list.index(index).field("protocol"), message).corresponds_to(&["IST0106"]);
        }
    }
}

fn resolution(resource: &Resource, entry: &ServiceEntry, report: &mut Report<'_>) {
    let list = At::SPEC.field("endpoints");
    let mut add = |at: &At<'_>, message: String| {
        report.add(resource, at, message).corresponds_to(&["IST0106"]);
    };
    let resolution = entry.resolution.as_ref().unwrap_or(&Resolution::None);
    match resolution {
        Resolution::None | Resolution::DynamicDns if !entry.endpoints.is_empty() => {
            let message = format!(
                "With resolution {} the client chooses the address: Istio rejects `endpoints`.",
                resolution.as_str()
            );
            add(&list, message);
        }
        Resolution::Static => {
            for (index, endpoint) in entry.endpoints.iter().enumerate() {
                let address = endpoint.address.as_deref().unwrap_or_default();
                if !address.is_empty() && !is_ip(address) && !address.starts_with("unix://") {
                    let message = format!(
                        "`{address}` is not an IP address, as resolution STATIC needs; for names use DNS."
                    );
                    add(&list.index(index).field("address"), message);
                }
            }
        }
        Resolution::Dns | Resolution::DnsRoundRobin => {
            if *resolution == Resolution::DnsRoundRobin && entry.endpoints.len() > 1 {
                add(
                    &list,
                    "DNS_ROUND_ROBIN resolves one name: Istio rejects more than one endpoint.".to_owned(),
                );
            }
            for (index, endpoint) in entry.endpoints.iter().enumerate() {
                let address = endpoint.address.as_deref().unwrap_or_default();
                if !address.is_empty()
                    && !is_ip(address)
                    && (address.starts_with('*') || wildcard_domain_problem(address).is_some())
                {
                    add(
                        &list.index(index).field("address"),
                        format!("`{address}` is not a name that DNS can resolve."),
                    );
                }
            }
            let hosts = At::SPEC.field("hosts");
            for (index, host) in entry.hosts.iter().enumerate() {
                if host.starts_with('*') && entry.endpoints.is_empty() && entry.workload_selector.is_none() {
                    let message = format!(
                        "DNS cannot resolve `{host}`: name endpoints, or use resolution NONE or DYNAMIC_DNS."
                    );
                    add(&hosts.index(index), message);
                }
            }
        }
        _ => {}
    }
}

fn ports(
    resource: &Resource,
    entry: &ServiceEntry,
    endpoint: &WorkloadEntry,
    at: &At<'_>,
    report: &mut Report<'_>,
) {
    let mut add = |at: &At<'_>, message: String| {
        report.add(resource, at, message).corresponds_to(&["IST0106"]);
    };
    for name in endpoint.ports.keys() {
        if !entry.ports.iter().any(|port| port.name.as_deref() == Some(name)) {
            let at = at.field("ports");
            add(&at.key(name), format!("The entry has no port `{name}`: Istio rejects the ServiceEntry."));
        }
    }
    let Some(path) = endpoint.address.as_deref().and_then(|address| address.strip_prefix("unix://")) else {
        return;
    };
    if !path.starts_with(['/', '@']) {
        add(
            &at.field("address"),
            format!("`{path}` is not an absolute path: Istio rejects the ServiceEntry."),
        );
    }
    if !endpoint.ports.is_empty() {
        add(&at.field("ports"), "A Unix socket has no ports: Istio rejects the ServiceEntry.".to_owned());
    }
    if entry.ports.len() > 1 {
        add(
            &at.field("address"),
            "One Unix socket cannot serve several ports: Istio rejects the ServiceEntry.".to_owned(),
        );
    }
}
