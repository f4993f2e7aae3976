//! Hosts of a VirtualService that none of its gateways takes.

use std::collections::HashMap;

use crate::host::{self, Overlaps};
use crate::resource::walk::At;
use crate::{ResourceKey, Severity};

use super::context::Context;
use super::rule::{Check, Report, Rule};

/// Hosts that a message names.
const MOST: usize = 20;

pub(super) const RULE: Rule = Rule {
    code: "MW0206",
    severity: Severity::Warning,
    title: "A Gateway does not accept the VirtualService's hosts",
    explanation: "A Gateway accepts requests for the `hosts` of its servers. Where they cover no host of a VirtualService, or only for other namespaces (`ns/host`), the VirtualService gets no requests from that Gateway.",
    corresponds_to: &["IST0132"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("host_not_in_gateway.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    // What a gateway takes for a namespace, in lower case.
    let mut known: HashMap<(&ResourceKey, &str), Overlaps> = HashMap::new();
    for (resource, spec) in context.virtual_services() {
        let list = At::SPEC.field("gateways");
        for (index, name) in spec.gateways.iter().enumerate() {
            if name == host::MESH {
                continue;
            }
            let Some((gateway, servers)) = context.gateway(resource, name) else { continue };
            let taken = || {
                servers.servers.iter().flat_map(|server| {
                    host::for_namespace(&server.hosts, &resource.key.namespace, &gateway.key.namespace)
                })
            };
            let offered = known.entry((&gateway.key, resource.key.namespace.as_str())).or_insert_with(|| {
                let mut all = Overlaps::default();
                taken().for_each(|host| all.add(&host.to_ascii_lowercase()));
                all
            });
            let covered = |host: &String| offered.with(&host.to_ascii_lowercase()).next().is_some();
            if spec.hosts.is_empty() || spec.hosts.iter().any(covered) {
                continue;
            }
            let mut hosts: Vec<&str> = taken().take(MOST + 1).collect();
            if hosts.len() > MOST {
                hosts[MOST] = "…";
            }
            let hosts = if hosts.is_empty() { "none".to_owned() } else { hosts.join(", ") };
            let message = format!(
                "Gateway `{}/{}` accepts {hosts} from this namespace, but none of this VirtualService's hosts: it gets no requests from there.",
                gateway.key.namespace, gateway.key.name
            );
            report.add(resource, &list.index(index), message);
        }
    }
}
