//! Two documents of one name.

use std::collections::HashMap;

use crate::{Kind, Severity};

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0401",
    severity: Severity::Error,
    title: "A resource is defined twice",
    explanation: "Kind, namespace and name identify a resource. Of two documents with the same ones the last is applied, and the first is ignored.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("duplicate_resource.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    if !context.mesh.has_doubles() {
        return;
    }
    let mut seen = HashMap::new();
    for document in context.mesh.documents() {
        let Some(resource) = document.resource() else { continue };
        if resource.key.name.is_empty() || matches!(resource.key.kind, Kind::Other(_)) {
            continue;
        }
        if let Some(first) = seen.insert(&resource.key, document) {
            let place = first.place("metadata.name");
            let at = place.map_or_else(String::new, |place| format!(" ({}:{})", place.file, place.line));
            let message = format!("{} is already defined{at}: this document replaces it.", resource.key);
            report.add_at(document, "metadata.name", message);
        }
    }
}
