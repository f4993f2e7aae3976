//! Taking a revision back: the edits that do it on top of the newest one, or why it cannot be done. The page shows with it
//! what the server will do.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Edit, Mesh, ResourceKey, Sources, diff, export, patch, yaml};

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

/// The edits that take revision `number` back on top of `head`. `before` is the text that the revision changed, `after` what it
/// made of it, `inverse` the edits that lead from there to `before`: any, since only what they lead to counts.
///
/// When its files are as it left them, `inverse` brings them back byte for byte. When other documents of these files have
/// changed since, only the documents that it touched are brought back; of a document that others changed, too, the fields that it
/// touched, if these are as it left them. A field is what has an owner of its own: one of `spec`, a label, an annotation.
pub fn revert(
    number: u64,
    inverse: &[Edit],
    before: &Sources,
    after: &Sources,
    head: &Sources,
) -> Result<Vec<Edit>, RevertError> {
    if number <= 1 {
        return Err(RevertError::First);
    }
    let files: Vec<_> = diff::files(before, after).into_iter().map(|(path, _)| path).collect();
    if files.iter().all(|path| head.0.get(path) == after.0.get(path)) {
        return Ok(inverse.to_vec());
    }
    let [then, done, now] = [before, after, head].map(|sources| Mesh::parse(sources).mesh);
    let touched = touched(&then, &done);
    let mut merged = BTreeMap::new();
    let mut changed = Vec::new();
    for key in touched.iter().filter(|key| text(&done, key) != text(&now, key)) {
        match merge(key, [&then, &done, &now]) {
            Some(yaml) => drop(merged.insert(key.clone(), yaml)),
            None => changed.push(key.to_string()),
        }
    }
    if !changed.is_empty() {
        return Err(RevertError::ChangedSince { number, changed });
    }
    if touched.is_empty() {
        // Only comments between documents, or documents that cannot be read, differ.
        return Err(RevertError::ChangedSince { number, changed: files });
    }
    Ok(touched
        .into_iter()
        .map(|key| match (merged.remove(&key).or_else(|| text(&then, &key)), now.document(&key).is_some()) {
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

/// The text of a resource that others changed since, with what the revision did to it taken back; `None` where they changed the same
/// fields, or it came or went.
fn merge(key: &ResourceKey, [then, done, now]: [&Mesh; 3]) -> Option<String> {
    let value = |mesh: &'_ Mesh| mesh.document(key)?.value("").cloned();
    let merged = patch::merge(&value(done)?, &value(then)?, &value(now)?)?;
    yaml::update(&text(now, key)?, &merged).ok()
}

/// The resources whose text differs.
fn touched(before: &Mesh, after: &Mesh) -> BTreeSet<ResourceKey> {
    let keys = before.resources().chain(after.resources()).map(|resource| resource.key.clone());
    keys.filter(|key| text(before, key) != text(after, key)).collect()
}

fn text(mesh: &Mesh, key: &ResourceKey) -> Option<String> {
    export::document(mesh, key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit;

    fn entry(name: &str, host: &str) -> String {
        format!(
            "# about {name}\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}}}\n\
             spec: {{hosts: [{host}], ports: [{{number: 80, name: http}}]}}\n"
        )
    }

    /// A file of two services.
    fn both(one: &str, other: &str) -> Sources {
        Sources::single("a.yaml", format!("{}---\n{}", entry("one", one), entry("other", other)))
    }

    /// Takes `before` → `after` back on top of `head`.
    fn reverted(before: &Sources, after: &Sources, head: &Sources) -> Result<Sources, RevertError> {
        let inverse = [Edit::SetFiles { files: diff::files(after, before) }];
        let edits = revert(2, &inverse, before, after, head)?;
        Ok(edit::apply(head, &edits).unwrap().sources)
    }

    #[test]
    fn what_others_did_in_the_same_resource_stays() {
        let routes = |labels: &str, weight: u32, timeout: &str| {
            Sources::single(
                "a.yaml",
                format!(
                    "# by hand\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a{labels}}}\n\
                     spec:\n  hosts: [a] # one\n  http:\n  - route: [{{destination: {{host: a}}, weight: {weight}}}]\n{timeout}"
                ),
            )
        };
        let (before, after) = (routes("", 1, ""), routes("", 2, ""));
        let label = ", labels: {team: x}";
        assert_eq!(reverted(&before, &after, &routes(label, 2, "")), Ok(routes(label, 1, "")));
        // The list of routes is one field, whoever changed which of them.
        let refused = reverted(&before, &after, &routes("", 2, "    timeout: 1s\n")).unwrap_err();
        assert!(matches!(refused, RevertError::ChangedSince { .. }));
    }

    #[test]
    fn what_others_did_in_the_same_file_stays() {
        let (before, after) = (both("a.test", "b.test"), both("x.test", "b.test"));
        let cases = [
            (after.clone(), Ok(before.clone())),
            (both("x.test", "y.test"), Ok(both("a.test", "y.test"))),
            (both("z.test", "b.test"), Err("ServiceEntry default/one")),
        ];
        for (head, expected) in cases {
            match (reverted(&before, &after, &head), expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected),
                (Err(error), Err(named)) => assert!(error.to_string().contains(named), "{error}"),
                (got, expected) => panic!("{got:?} is not {expected:?}"),
            }
        }
    }

    #[test]
    fn resources_that_it_made_or_removed_go_or_come_back() {
        let one = Sources::single("a.yaml", entry("one", "a.test"));
        let two = both("a.test", "b.test");
        let changed =
            |text: &Sources| Sources::single("a.yaml", text.0["a.yaml"].replace("a.test", "x.test"));
        let got = reverted(&one, &two, &changed(&two)).unwrap();
        assert_eq!(Mesh::parse(&got).mesh.resources().count(), 1, "{got:?}");
        let got = reverted(&two, &one, &changed(&one)).unwrap();
        assert_eq!(got, changed(&two));
    }
}
