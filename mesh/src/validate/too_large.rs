//! A mesh that is too large to be compiled.

use crate::Severity;
use crate::plan;
use crate::resource::walk::At;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0470",
    severity: Severity::Error,
    title: "The compiled mesh would be too large",
    explanation: "Compiled into the plans that proxies run, the rules of a VirtualService are repeated for each of its hosts and each source that sees them, and a rule that delegates for each rule of its delegate, so little text can become a lot. All plans together may take 1 GiB; what is larger is not compiled. To make it smaller, put fewer hosts into one VirtualService, delegate to the same one from fewer rules, or limit `exportTo`.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("too_large.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    let Err((exceeded, largest)) = plan::fits(context.mesh, context.services.0) else { return };
    let named = largest.and_then(|key| context.mesh.resource(&key));
    if let Some(resource) = named.or_else(|| context.resources().next()) {
        let message = format!("{exceeded}: nothing is compiled. This resource takes up the most.");
        report.add(resource, &At::SPEC, capital(&message));
    }
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
