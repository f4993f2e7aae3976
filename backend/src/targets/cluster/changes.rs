//! What differs between two revisions, as changes of objects of the cluster.

use cluster::Change;
use mesh::{Diagnostic, Mesh, ResourceKey, Severity};
use serde_json::Value;

use cluster::write::{Refused, Why};

/// The changes that lead from one revision to the next.
pub(super) fn between(before: &Mesh, after: &Mesh) -> Vec<Change> {
    let value = |mesh: &Mesh, key: &ResourceKey| -> Option<Value> { mesh.document(key)?.value("").cloned() };
    let changes = after.changed(before).into_iter();
    let changes =
        changes.map(|key| Change { key: key.clone(), before: value(before, key), after: value(after, key) });
    changes.filter(|change| change.before != change.after).collect()
}

/// Changes of one object after the other, as one: from before the first to after the last.
pub(super) fn combine(changes: impl IntoIterator<Item = Change>) -> Vec<Change> {
    let mut all: Vec<Change> = Vec::new();
    for change in changes {
        match all.iter_mut().find(|known| known.key == change.key) {
            Some(known) => known.after = change.after,
            None => all.push(change),
        }
    }
    all.retain(|change| change.before != change.after);
    all
}

/// The change that takes another one back.
pub(super) fn inverse(change: &Change) -> Change {
    Change { key: change.key.clone(), before: change.after.clone(), after: change.before.clone() }
}

/// What the cluster says of a change, at the lines that it is about.
pub(super) fn diagnostics(refused: &Refused, mesh: &Mesh) -> Vec<Diagnostic> {
    let document = mesh.document(&refused.key);
    let said = |path: &str, message: String| Diagnostic {
        code: "MW0026".into(),
        severity: Severity::Error,
        resource: Some(refused.key.clone()),
        path: path.to_owned(),
        place: document.and_then(|it| it.place(path).or_else(|| it.place(""))),
        message,
        corresponds_to: Vec::new(),
        fix: None,
    };
    match &refused.why {
        Why::Invalid { causes, .. } if causes.iter().any(|(field, _)| !field.is_empty()) => causes
            .iter()
            .map(|(field, message)| said(field, format!("The cluster refuses it: {message}")))
            .collect(),
        why => vec![said("", format!("The cluster refuses it: {why}"))],
    }
}
