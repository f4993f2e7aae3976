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
    title: "The built-in proxy does not do this",
    explanation: "The field stays as it is and holds in a cluster. The built-in proxy speaks plain text where ISTIO_MUTUAL is asked for (the certificates are the cluster's), listens where it is told to when it is started, and of Envoy's commands in the values of headers it sends those as they are written that tell of what it does not know (`%DYNAMIC_METADATA(…)%`). `defaultEndpoint` does nothing in Istio either.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("not_here.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    each_policy(context, &mut |at, policy| {
        if policy.tls.is_some_and(|tls| tls.mode == Some(ClientTlsMode::IstioMutual)) {
            report.add(
                policy.resource,
                &at.field("tls"),
                said("speaks plain text where ISTIO_MUTUAL is asked for"),
            );
        }
    });
    each_way(context, &mut |resource, operations, at| {
        for (field, map) in [("set", &operations.set), ("add", &operations.add)] {
            for (name, value) in map {
                for part in HeaderValue::new(value).parts() {
                    if let Part::Envoys(command) = part {
                        let message = said(&format!("sends `{command}` as it is written"));
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
                let message = said("listens where it is told to when it is started");
                report.add(resource, &at.field("bind"), message);
            }
            if server.default_endpoint.is_some() {
                let message = said("has no endpoint by default, and Istio has none");
                report.add(resource, &at.field("defaultEndpoint"), message);
            }
        }
    }
}

fn said(what: &str) -> String {
    format!("The built-in proxy {what}.")
}
