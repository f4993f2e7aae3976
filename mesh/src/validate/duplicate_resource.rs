//! Two documents of one name.

use std::collections::HashMap;

use crate::{Kind, Severity};

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0401",
    severity: Severity::Error,
    title: "A resource is there twice",
    explanation: "Kind, namespace and name are one resource. Of two documents that share them the last is applied, and the first is lost.",
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
            let message = format!("{} is there already{at}: this document takes its place.", resource.key);
            report.add_at(document, "metadata.name", message);
        }
    }
}
