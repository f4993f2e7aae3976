//! Hosts of a VirtualService that none of its gateways takes.

use crate::Severity;
use crate::host;
use crate::resource::walk::At;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0206",
    severity: Severity::Warning,
    title: "A gateway does not take this host",
    explanation: "A gateway takes requests for the hosts of its servers. A host of a VirtualService that no server covers, or that a server keeps to other namespaces, is never asked for there.",
    corresponds_to: &["IST0132"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("host_not_in_gateway.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, spec) in context.virtual_services() {
        let list = At::SPEC.field("gateways");
        for (index, name) in spec.gateways.iter().enumerate() {
            if name == "mesh" {
                continue;
            }
            let Some((gateway, servers)) = context.gateway(resource, name) else { continue };
            let taken: Vec<&str> = servers
                .servers
                .iter()
                .flat_map(|server| {
                    host::for_namespace(&server.hosts, &resource.key.namespace, &gateway.key.namespace)
                })
                .collect();
            let covered = |host: &String| {
                taken
                    .iter()
                    .any(|taken| host::matches(&host.to_ascii_lowercase(), &taken.to_ascii_lowercase()))
            };
            if spec.hosts.is_empty() || spec.hosts.iter().any(covered) {
                continue;
            }
            let hosts = if taken.is_empty() { "none".to_owned() } else { taken.join(", ") };
            let message = format!(
                "Gateway `{}/{}` takes {hosts} for this namespace, and no host of the rules is among them: they get nothing from it.",
                gateway.key.namespace, gateway.key.name
            );
            report.add(resource, &list.index(index), message);
        }
    }
}
