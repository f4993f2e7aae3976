//! How much edits may have, before any is made.

use crate::ResourceKey;
use crate::limits::{
    DEPTH, EDITS, Exceeded, FIELDS, FILE_BYTES, FILE_NAME_BYTES, FILES, TEXT_BYTES, depth, name, within,
};
use crate::yaml::Path;

use super::{Edit, FaultSpec, FieldEdit, HeaderEquals, RouteTarget, Share};

/// Refuses edits that are too many, too large or too deep.
pub fn fits(edits: &[Edit]) -> Result<(), Exceeded> {
    within("a request", "edits", EDITS, edits.len())?;
    edits.iter().try_for_each(edit)
}

fn edit(edit: &Edit) -> Result<(), Exceeded> {
    match edit {
        Edit::SetWeights { target: to, shares } => {
            target(to)?;
            within("a split", "destinations", FIELDS, shares.len())?;
            shares.iter().try_for_each(|Share { host, subset, .. }| {
                name(host)?;
                subset.as_deref().map_or(Ok(()), name)
            })
        }
        Edit::InjectFault { target: to, only, fault: Some(FaultSpec { .. }) | None, .. } => {
            target(to)?;
            only.as_ref().map_or(Ok(()), |HeaderEquals { name: header, value }| {
                name(header)?;
                within("the value of a header", "bytes", TEXT_BYTES, value.len())
            })
        }
        Edit::SetTimeout { target: to, .. } => target(to),
        Edit::SetRetries { target: to, retries } => {
            target(to)?;
            let on = retries.as_ref().and_then(|retries| retries.retry_on.as_deref()).unwrap_or_default();
            within("`retry_on`", "bytes", TEXT_BYTES, on.len())
        }
        Edit::SetFields { key: of, fields } => {
            key(of)?;
            within("an edit", "fields", FIELDS, fields.len())?;
            fields.iter().try_for_each(field)
        }
        Edit::ReplaceResource { key: of, yaml } => {
            key(of)?;
            within("a document", "bytes", FILE_BYTES, yaml.len())
        }
        Edit::AddResource { file, yaml } => {
            within("the name of a file", "bytes", FILE_NAME_BYTES, file.len())?;
            within("a document", "bytes", FILE_BYTES, yaml.len())
        }
        Edit::RemoveResource { key: of } => key(of),
        Edit::SetFiles { files } => {
            within("an edit", "files", FILES, files.len())?;
            files.iter().try_for_each(|(name, text)| {
                within("the name of a file", "bytes", FILE_NAME_BYTES, name.len())?;
                within("a file", "bytes", FILE_BYTES, text.as_ref().map_or(0, String::len))
            })
        }
    }
}

fn field(FieldEdit { path, value }: &FieldEdit) -> Result<(), Exceeded> {
    within("the path of a field", "bytes", TEXT_BYTES, path.len())?;
    // What is no path is told apart when the edit is made.
    let steps = Path::parse(path).map_or(0, |path| path.0.len());
    within("the path of a field", "steps", DEPTH, steps)?;
    let levels = steps + value.as_ref().map_or(0, depth);
    within("the path of a field and its value", "levels", DEPTH, levels)
}

fn target(target: &RouteTarget) -> Result<(), Exceeded> {
    match target {
        RouteTarget::Service(host) => name(host),
        RouteTarget::Route(key) | RouteTarget::Tcp(key) | RouteTarget::Tls(key) => {
            name(&key.namespace)?;
            name(&key.name)
        }
    }
}

fn key(key: &ResourceKey) -> Result<(), Exceeded> {
    [key.kind.as_str(), &key.namespace, &key.name].into_iter().try_for_each(name)
}
