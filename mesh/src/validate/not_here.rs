//! Fields that are kept and exported, and that the built-in proxy does nothing about.

use crate::Severity;
use crate::plan::{HeaderValue, Part};
use crate::resource::traffic_policy::ClientTlsMode;
use crate::resource::walk::At;

use super::context::Context;
use super::headers::each_way;
use super::policies::each_policy;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0432",
    severity: Severity::Info,
    title: "The built-in proxy does not support this",
    explanation: "The field is kept, and takes effect in a cluster. The built-in proxy sends plain text where ISTIO_MUTUAL is set (only a cluster has these certificates), listens on the address that it is started with instead of `bind`, and sends command operators in header values that it does not support (`%DYNAMIC_METADATA(…)%`) as plain text. Istio does not implement `defaultEndpoint` either.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("not_here.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    each_policy(context, &mut |at, policy| {
        if policy.tls.is_some_and(|tls| tls.mode == Some(ClientTlsMode::IstioMutual)) {
            report.add(policy.resource, &at.field("tls"), said("sends plain text where ISTIO_MUTUAL is set"));
        }
    });
    each_way(context, &mut |resource, operations, at| {
        for (field, map) in [("set", &operations.set), ("add", &operations.add)] {
            for (name, value) in map {
                for part in HeaderValue::new(value).parts() {
                    if let Part::Envoys(command) = part {
                        let message =
                            said(&format!("does not support `{command}`, and sends it as plain text"));
                        report.add(resource, &at.field(field).key(name), message);
                    }
                }
            }
        }
    });
    let servers = At::SPEC.field("servers");
    for (resource, gateway) in context.gateways() {
        for (index, server) in gateway.servers.iter().enumerate() {
            let at = servers.index(index);
            if server.bind.as_deref().is_some_and(|bind| !bind.is_empty()) {
                let message = said("ignores `bind`: it listens on the address that it is started with");
                report.add(resource, &at.field("bind"), message);
            }
            if server.default_endpoint.is_some() {
                let message = said("ignores `defaultEndpoint`, as Istio does");
                report.add(resource, &at.field("defaultEndpoint"), message);
            }
        }
    }
}

fn said(what: &str) -> String {
    format!("The built-in proxy {what}.")
}
