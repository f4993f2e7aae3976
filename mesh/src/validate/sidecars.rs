//! Sidecars: kept as they are, and nothing here acts on them. Whoever relies on one must know what it does not close.

use serde_json::Value;

use crate::Severity;
use crate::resource::walk::At;
use crate::resource::{Resource, Spec};
use crate::settings::OutboundPolicy;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0450",
    severity: Severity::Error,
    title: "A Sidecar is ignored",
    explanation: "A Sidecar says which hosts a workload can reach, and what happens to requests for other hosts. It is kept and exported, and takes effect in a cluster; the built-in proxy and Meshwright's Envoys ignore it. It is an error where the Sidecar blocks requests that are forwarded here: with `REGISTRY_ONLY` Istio answers requests to unknown hosts with 502. It is a warning where it only narrows what a workload knows.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("sidecars.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, spec) in sidecars(context) {
        sidecar(resource, spec, context.settings.outbound_policy, report);
    }
}

/// The Sidecars of Istio with their `spec`.
fn sidecars<'m>(context: &Context<'m>) -> impl Iterator<Item = (&'m Resource, &'m Value)> {
    context.resources().filter_map(|resource| match &resource.spec {
        Spec::Unknown(document)
            if resource.key.kind.as_str() == "Sidecar"
                && resource.api_version.starts_with("networking.istio.io/") =>
        {
            Some((resource, document.get("spec").unwrap_or(&Value::Null)))
        }
        _ => None,
    })
}

fn sidecar(resource: &Resource, spec: &Value, mesh: OutboundPolicy, report: &mut Report<'_>) {
    let own = spec.get("outboundTrafficPolicy").filter(|policy| !policy.is_null());
    // A policy without a mode is the enum's first: REGISTRY_ONLY.
    let closed = own.map_or(mesh == OutboundPolicy::RegistryOnly, |policy| policy["mode"] != "ALLOW_ANY");
    let policy = At::SPEC.field("outbound_traffic_policy");
    if closed && mesh == OutboundPolicy::AllowAny {
        let message = "Meshwright ignores this `REGISTRY_ONLY`: requests to unknown hosts are forwarded here, while Istio answers them with 502.";
        report.add(resource, &policy, message);
    } else if !closed && mesh == OutboundPolicy::RegistryOnly {
        let message = "Meshwright ignores this `outboundTrafficPolicy`: with the mesh's `REGISTRY_ONLY` requests to unknown hosts get 502 here, while Istio forwards them.";
        report.add(resource, &policy, message).severity(Severity::Warning);
    }
    let egress = At::SPEC.field("egress");
    for (index, listener) in list(spec, "egress").enumerate() {
        if !narrows(listener) {
            continue;
        }
        let at = egress.index(index);
        if closed {
            let message = "Meshwright ignores Sidecars: services that `hosts` does not list can be reached here, while Istio answers requests to them with 502.";
            report.add(resource, &at, message);
        } else {
            let message = "Meshwright ignores Sidecars: the rules of services that `hosts` does not list apply here, while Istio forwards requests to them without any rules.";
            report.add(resource, &at, message).severity(Severity::Warning);
        }
    }
    for (field, name) in [("ingress", "ingress"), ("inboundConnectionPool", "inbound_connection_pool")] {
        if spec.get(field).is_some() {
            let message = format!("Meshwright ignores Sidecars: `{field}` has no effect here.");
            report.add(resource, &At::SPEC.field(name), message).severity(Severity::Warning);
        }
    }
}

/// Whether a listener for outbound traffic takes less than all of it.
fn narrows(listener: &Value) -> bool {
    listener.get("port").is_some() || !list(listener, "hosts").any(|host| host.as_str() == Some("*/*"))
}

fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}
