//! Taking a revision back: the edits that do it on top of the newest one, or why it cannot be done.

use std::collections::BTreeSet;

use mesh::{Edit, Mesh, ResourceKey, Sources};

use crate::store::Revision;
use crate::world;

/// Why a revision cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevertError {
    /// There is nothing before it.
    #[error("the first revision cannot be taken back: there is nothing before it")]
    First,
    /// Others built on it.
    #[error("{} changed again since revision {number}; take the later change back first, or edit by hand", list(.changed))]
    ChangedSince {
        /// The revision.
        number: u64,
        /// What it touched and others touched since.
        changed: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    names.join(", ")
}

/// The edits that take `revision` back on top of `head`. `before` is the text that the revision changed.
///
/// When its files are as it left them, its stored inverse brings them back byte for byte. When other documents of these files
/// have changed since, only the documents that it touched are brought back.
pub fn revert(revision: &Revision, before: &Sources, head: &Sources) -> Result<Vec<Edit>, RevertError> {
    let number = revision.info.number;
    if number <= 1 {
        return Err(RevertError::First);
    }
    let after = &revision.sources;
    let files: Vec<_> = world::differences(before, after).into_iter().map(|(path, _)| path).collect();
    if files.iter().all(|path| head.0.get(path) == after.0.get(path)) {
        return Ok(revision.inverse.clone());
    }
    let [then, done, now] = [before, after, head].map(|sources| Mesh::parse(sources).mesh);
    let touched = touched(&then, &done);
    let changed: Vec<_> =
        touched.iter().filter(|key| text(&done, key) != text(&now, key)).map(ToString::to_string).collect();
    if !changed.is_empty() {
        return Err(RevertError::ChangedSince { number, changed });
    }
    if touched.is_empty() {
        // Only comments between documents, or documents that cannot be read, differ.
        return Err(RevertError::ChangedSince { number, changed: files });
    }
    Ok(touched
        .into_iter()
        .map(|key| match (text(&then, &key), now.document(&key).is_some()) {
            (Some(yaml), true) => Edit::ReplaceResource { key, yaml },
            (Some(yaml), false) => {
                let file =
                    then.document(&key).map_or_else(String::new, |document| document.file().to_owned());
                Edit::AddResource { file, yaml }
            }
            (None, _) => Edit::RemoveResource { key },
        })
        .collect())
}

/// The resources whose text differs.
fn touched(before: &Mesh, after: &Mesh) -> BTreeSet<ResourceKey> {
    let keys = before.resources().chain(after.resources()).map(|resource| resource.key.clone());
    keys.filter(|key| text(before, key) != text(after, key)).collect()
}

fn text(mesh: &Mesh, key: &ResourceKey) -> Option<String> {
    mesh::export::document(mesh, key)
}
