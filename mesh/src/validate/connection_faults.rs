//! Faults of connections that cannot be read, or that name no rule.

use crate::Severity;
use crate::annotation::CONNECTION_FAULTS;
use crate::plan::compile::reset::entries;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0431",
    severity: Severity::Error,
    title: "A connection fault is invalid",
    explanation: "Istio has no field for resets of connections, nor for faults on TCP routes, so the built-in proxy reads them from the annotation `meshwright.io/connection-faults` of a VirtualService: entries such as `tcp[0] reset 10%`, `tls[1] delay 2s 50%` and `http[0] reset 5%`, with `;` between them. The number is the position of the rule. An entry that cannot be read is left out.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("connection_faults.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, spec) in context.virtual_services() {
        let Some(text) = resource.metadata.annotations.get(CONNECTION_FAULTS) else { continue };
        let Some(document) = report.mesh.document(&resource.key) else { continue };
        for (entry, read) in entries(text) {
            let count = read.as_ref().map_or(0, |read| match read.kind {
                "http" => spec.http.len(),
                "tcp" => spec.tcp.len(),
                _ => spec.tls.len(),
            });
            let message = match read {
                None => format!("`{entry}` is left out: it does not have the form of `tcp[0] reset 10%`."),
                Some(read) if read.index >= count => {
                    format!("`{entry}` is left out: there is no rule `{}[{}]`.", read.kind, read.index)
                }
                Some(_) => continue,
            };
            let path = format!("metadata.annotations[\"{CONNECTION_FAULTS}\"]");
            report.add_at(document, &path, message);
        }
    }
}
