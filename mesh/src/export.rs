//! A mesh as YAML for others: one stream, one document, or what kustomize needs. Documents come out byte for byte.

use serde_json::json;

use crate::{Mesh, ResourceKey, Sources, model, yaml};

/// All YAML files as one stream, in the order of their paths.
///
/// ```
/// use mesh::Sources;
/// use mesh::export::to_single;
///
/// let mut sources = Sources::single("a.yaml", "kind: A\n");
/// sources.0.insert("b.yaml".into(), "kind: B\n".into());
/// assert_eq!(to_single(&sources), "kind: A\n---\nkind: B\n");
/// ```
pub fn to_single(sources: &Sources) -> String {
    let mut out = String::new();
    for (_, text) in sources.0.iter().filter(|(file, _)| model::is_yaml(file)) {
        // A byte order mark is one at the start only, where it stays.
        let plain = text.strip_prefix('\u{feff}').unwrap_or(text);
        if plain.trim().is_empty() {
            continue;
        }
        let text = if out.is_empty() { text } else { plain };
        if !out.is_empty() {
            if !out.ends_with('\n') {
                out.push('\n');
            }
            // Directives need the end of the document before them.
            if text.starts_with('%') {
                out.push_str("...\n");
            } else if !starts_with_marker(text) {
                out.push_str("---\n");
            }
        }
        out.push_str(text);
    }
    out
}

fn starts_with_marker(text: &str) -> bool {
    yaml::chunks(text).first().is_some_and(|chunk| chunk.span.is_empty())
}

/// The document of one resource, with a line feed at its end.
pub fn document(mesh: &Mesh, key: &ResourceKey) -> Option<String> {
    let document = mesh.document(key)?;
    if !document.base().0.is_empty() {
        return document.value("").map(yaml::document);
    }
    let text = document.text().trim_start_matches(['\r', '\n']);
    Some(if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") })
}

/// A `kustomization.yaml` that lists all files with resources. Those that are kustomizations themselves are left out.
pub fn kustomization(sources: &Sources) -> String {
    let is_kustomization = |file: &str| {
        let name = file.rsplit('/').next().unwrap_or(file);
        matches!(name, "kustomization.yaml" | "kustomization.yml" | "Kustomization")
    };
    let has_documents = |text: &str| yaml::chunks(text).iter().any(|chunk| !chunk.empty);
    let files: Vec<&String> = sources
        .0
        .iter()
        .filter(|(file, text)| model::is_yaml(file) && !is_kustomization(file) && has_documents(text))
        .map(|(file, _)| file)
        .collect();
    yaml::document(&json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": files,
    }))
}

#[cfg(test)]
mod tests {
    use super::{document, kustomization, to_single};
    use crate::{Kind, Mesh, ResourceKey, Sources};

    fn sources() -> Sources {
        Sources::from_iter([
            ("README.md", "# Not YAML"),
            ("a.yaml", "# of a\napiVersion: v1\nkind: A\nmetadata: {name: a} # flow"),
            (
                "b.yaml",
                "---\napiVersion: v1\nkind: B\nmetadata:\n  name: b\n---\n# of c\napiVersion: v1\nkind: C\nmetadata:\n  name: c\n",
            ),
            ("empty.yaml", "# nothing\n"),
            ("kustomization.yaml", "kind: Kustomization\napiVersion: x/v1\n"),
            (
                "l.json",
                "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"apiVersion\": \"v1\", \"kind\": \"D\", \"metadata\": {\"name\": \"d\"}}]}",
            ),
        ])
    }

    fn key(kind: &str, name: &str) -> ResourceKey {
        ResourceKey::new(Kind::from(kind.to_owned()), "default", name)
    }

    #[test]
    fn single() {
        let sources = sources();
        let text = to_single(&sources);
        assert!(text.starts_with(
            "# of a\napiVersion: v1\nkind: A\nmetadata: {name: a} # flow\n---\napiVersion: v1\nkind: B\n"
        ));
        let (before, after) =
            (Mesh::parse(&sources).mesh, Mesh::parse(&Sources::single("all.yaml", text)).mesh);
        let texts = |mesh: &Mesh| -> Vec<String> {
            mesh.documents().iter().map(|document| document.text().trim().to_owned()).collect()
        };
        assert_eq!(texts(&before), texts(&after));
    }

    #[test]
    fn one_document() {
        let mesh = Mesh::parse(&sources()).mesh;
        let table = [
            (key("A", "a"), Some("# of a\napiVersion: v1\nkind: A\nmetadata: {name: a} # flow\n")),
            (key("C", "c"), Some("# of c\napiVersion: v1\nkind: C\nmetadata:\n  name: c\n")),
            (key("D", "d"), Some("apiVersion: v1\nkind: D\nmetadata:\n  name: d\n")),
            (key("E", "e"), None),
        ];
        for (key, expected) in table {
            assert_eq!(document(&mesh, &key).as_deref(), expected);
        }
    }

    #[test]
    fn kustomize() {
        let expected = "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- a.yaml
- b.yaml
- l.json
";
        assert_eq!(kustomization(&sources()), expected);
    }
}
