//! The mesh's own configuration, where a folder has it: what of it would close the way out and is not acted on.

use serde_json::Value;

use crate::resource::walk::At;
use crate::resource::{Resource, Spec};
use crate::settings::OutboundPolicy;
use crate::{Severity, yaml};

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0451",
    severity: Severity::Error,
    title: "The mesh's REGISTRY_ONLY is ignored",
    explanation: "Istio's ConfigMap `istio` and an IstioOperator may set `outboundTrafficPolicy: REGISTRY_ONLY`. Both are kept, and take effect in a cluster, where requests to unknown hosts get 502. Meshwright does not read them: here such requests are forwarded, unless its own setting says `REGISTRY_ONLY`.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("mesh_config.yaml"),
};

const MESSAGE: &str = "Meshwright ignores this `REGISTRY_ONLY`: requests to unknown hosts are forwarded here, while Istio answers them with 502.";

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    if context.settings.outbound_policy == OutboundPolicy::RegistryOnly {
        return;
    }
    for resource in context.resources() {
        let Spec::Unknown(document) = &resource.spec else { continue };
        match resource.key.kind.as_str() {
            "ConfigMap" if is_istios(resource) => {
                let text = document.pointer("/data/mesh").and_then(Value::as_str).unwrap_or_default();
                if registry_only(&yaml::read(text).value) {
                    report.add(resource, &At::Root("data").field("mesh"), MESSAGE);
                }
            }
            "IstioOperator" if registry_only(&document["spec"]["meshConfig"]) => {
                let at = At::SPEC.field("mesh_config");
                report.add(resource, &at.field("outbound_traffic_policy"), MESSAGE);
            }
            _ => {}
        }
    }
}

/// `istio`, or `istio-` and a revision.
fn is_istios(resource: &Resource) -> bool {
    let rest = resource.key.name.strip_prefix("istio");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn registry_only(mesh: &Value) -> bool {
    mesh["outboundTrafficPolicy"]["mode"] == "REGISTRY_ONLY"
}
