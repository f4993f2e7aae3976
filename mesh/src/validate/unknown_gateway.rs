//! Gateways that VirtualServices name and nobody has.

use crate::Severity;
use crate::host;
use crate::resource::Resource;
use crate::resource::walk::At;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0203",
    severity: Severity::Error,
    title: "A gateway does not exist",
    explanation: "A VirtualService names its gateways by `name` within its own namespace, or by `namespace/name`. From one that does not exist it gets no traffic. Where neither Gateways nor services are known, this is not checked.",
    corresponds_to: &["IST0101"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("unknown_gateway.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    if context.gateways().next().is_none() && !context.services.known() {
        return;
    }
    for (resource, spec) in context.virtual_services() {
        let list = At::SPEC.field("gateways");
        for (index, name) in spec.gateways.iter().enumerate() {
            one(context, resource, name, &list.index(index), report);
        }
        let http = At::SPEC.field("http");
        for (index, route) in spec.http.iter().enumerate() {
            for (entry, condition) in route.r#match.iter().enumerate() {
                for (gateway, name) in condition.gateways.iter().enumerate() {
                    let at = http.index(index);
                    one(
                        context,
                        resource,
                        name,
                        &at.field("match").index(entry).field("gateways").index(gateway),
                        report,
                    );
                }
            }
        }
    }
}

fn one(context: &Context<'_>, resource: &Resource, name: &str, at: &At<'_>, report: &mut Report<'_>) {
    // Names that cannot be are told of by MW0107.
    if name == host::MESH || name.contains('*') || context.gateway(resource, name).is_some() {
        return;
    }
    let (namespace, short) = host::gateway_name(name, &resource.key.namespace);
    let elsewhere = context.gateways().find(|(gateway, _)| gateway.key.name == short);
    let hint = elsewhere.map_or_else(String::new, |(gateway, _)| {
        format!("; there is `{}/{}`", gateway.key.namespace, gateway.key.name)
    });
    let finding = report.add(
        resource,
        at,
        format!("There is no Gateway `{namespace}/{short}`: these rules get no traffic from it{hint}."),
    );
    if let Some((gateway, _)) = elsewhere {
        let name = format!("{}/{}", gateway.key.namespace, gateway.key.name);
        finding.set(format!("Write {name}"), vec![(at.to_string(), Some(name.into()))]);
    }
}
