//! What people are told of a field that is taken from its owner, before it is.

use super::{NextWrite, Owner, Tool};

/// What becomes of a field, `spec.http`, of which somebody is the owner; of the whole object where it is empty. What the object belongs
/// to is named where that is who writes.
pub(super) fn of(field: &str, owner: &Owner, belongs: Option<&(Tool, String)>) -> String {
    let by = name(owner);
    let of_its = |tool: Tool| belongs.filter(|(of, _)| *of == tool).map(|(_, name)| name.as_str());
    let whole = field.is_empty();
    let takes = if whole { format!("Deletes what {by} wrote") } else { format!("Takes `{field}` from {by}") };
    match (owner.tool, owner.next_write()) {
        (Tool::ArgoCd, _) => match of_its(Tool::ArgoCd) {
            Some(application) => {
                format!("Argo CD application {application} will undo this at its next sync.")
            }
            None => "Argo CD will undo this at its next sync.".to_owned(),
        },
        (Tool::Flux, _) if owner.manager != HELM_CONTROLLER => match of_its(Tool::Flux) {
            Some(name) => format!("Flux ({name}) will undo this at its next reconciliation."),
            None => "Flux will undo this at its next reconciliation.".to_owned(),
        },
        (_, NextWrite::Steers) if matches!(field, "spec.http" | "spec.tcp" | "spec.tls") => {
            format!("The weights are steered by {by}: it will overwrite this.")
        }
        (_, NextWrite::Steers) => format!("{takes}, which steers it and will overwrite this."),
        (_, NextWrite::Nothing) => format!("{takes}: it does not write by itself."),
        (_, NextWrite::Unknown) => format!("{takes}: whether it writes this again is not known."),
        // A release is compared with the one before, not with what is there.
        (Tool::Helm | Tool::Flux, NextWrite::Overwrites) => {
            format!(
                "{takes}: its next upgrade overwrites this change without a word if the chart changes it as well."
            )
        }
        (_, NextWrite::Conflicts | NextWrite::Overwrites) if whole => {
            format!("{takes}: its next apply creates it again.")
        }
        (_, NextWrite::Conflicts) => {
            format!("{takes}: its next apply with other values is refused with a conflict.")
        }
        (_, NextWrite::Overwrites) => {
            format!("{takes}: its next apply overwrites this change without a word.")
        }
    }
}

/// Flux's way to install charts.
const HELM_CONTROLLER: &str = "helm-controller";

/// An owner as people know it.
fn name(owner: &Owner) -> String {
    match owner.tool {
        Tool::Kubectl => owner.manager.replace('-', " "),
        Tool::Other if owner.manager.is_empty() => owner.tool.name().to_owned(),
        Tool::Other if owner.applies => format!("{} (server-side apply)", owner.manager),
        Tool::Other => owner.manager.clone(),
        Tool::Helm if owner.applies => "Helm (server-side apply)".to_owned(),
        tool => tool.name().to_owned(),
    }
}
