//! Ports of Services whose names do not say what they speak.

use crate::Severity;
use crate::registry::PortProtocol;
use crate::resource::Resource;
use crate::resource::walk::At;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0417",
    severity: Severity::Info,
    title: "A port's name does not say its protocol",
    explanation: "Istio reads the protocol of a Service's port from `appProtocol`, or from its name: `http`, `grpc-web`, `tcp-db`. Otherwise the proxy detects it from the first bytes of a connection. A Service of type ExternalName forwards only ports that are declared as HTTP or TLS.",
    corresponds_to: &["IST0118", "IST0150"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("port_names.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    let list = At::SPEC.field("ports");
    for (resource, service) in context.kubernetes_services().filter(|(resource, _)| !is_systems(resource)) {
        let external = service.r#type.as_deref() == Some("ExternalName");
        for (index, port) in service.ports.iter().enumerate() {
            if port.app_protocol.is_some() || port.protocol.as_deref() == Some("UDP") {
                continue;
            }
            let name = port.name.as_deref().unwrap_or_default();
            let shown = if name.is_empty() {
                "The port has no name".to_owned()
            } else {
                format!("The name `{name}` does not begin with a protocol")
            };
            let known = said(name);
            if external && matches!(known, None | Some(PortProtocol::Tcp)) {
                let message = format!(
                    "{shown}, and a Service of type ExternalName needs one: connections may not reach it."
                );
                let message = if known.is_some() {
                    format!("`{name}` is TCP, which a Service of type ExternalName may not forward.")
                } else {
                    message
                };
                let finding = report.add(resource, &list.index(index), message);
                finding.severity(Severity::Warning).corresponds_to(&["IST0150"]);
            } else if !external && known.is_none() {
                let message = format!(
                    "{shown}: the proxy detects the protocol from the first bytes of each connection."
                );
                report.add(resource, &list.index(index), message).corresponds_to(&["IST0118"]);
            }
        }
    }
}

/// The protocol that a name begins with.
fn said(name: &str) -> Option<PortProtocol> {
    let first =
        if name.starts_with("grpc-web") { "grpc-web" } else { name.split('-').next().unwrap_or_default() };
    Some(PortProtocol::parse(first)).filter(|protocol| *protocol != PortProtocol::Auto)
}

/// Whether it is the cluster's or the mesh's own.
fn is_systems(resource: &Resource) -> bool {
    matches!(
        resource.key.namespace.as_str(),
        "kube-system" | "kube-public" | "kube-node-lease" | "istio-system"
    ) || resource.metadata.labels.contains_key("gateway.istio.io/managed")
}
