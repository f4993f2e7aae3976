//! Objects as texts: what they are called, and where the API has them.

use serde::Deserialize;
use serde_json::Value;

/// What is read of an object; the server reads the rest.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    pub(super) api_version: String,
    pub(super) kind: String,
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
}

impl Named {
    /// Where lists of kinds of its version are.
    pub(super) fn root(&self) -> String {
        let prefix = if self.api_version.contains('/') { "/apis" } else { "/api" };
        format!("{prefix}/{}", self.api_version)
    }

    /// Its own path, by what the server says of its version; `None` where that does not have the kind.
    pub(super) fn path(&self, resources: &Value) -> Option<String> {
        let mut resources = resources["resources"].as_array()?.iter();
        let resource = resources
            .find(|it| it["kind"] == *self.kind && it["name"].as_str().is_some_and(|it| !it.contains('/')))?;
        let (root, plural, name) = (self.root(), resource["name"].as_str()?, &self.metadata.name);
        let namespace = self.metadata.namespace.as_deref().unwrap_or("default");
        Some(if resource["namespaced"] == true {
            format!("{root}/namespaces/{namespace}/{plural}/{name}")
        } else {
            format!("{root}/{plural}/{name}")
        })
    }
}

/// The documents of a text in which there is something.
pub(super) fn documents(yaml: &str) -> Vec<(Named, String)> {
    let mut documents = vec![String::new()];
    for line in yaml.lines() {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    let is_something = |line: &str| !line.trim().is_empty() && !line.starts_with('#');
    documents.retain(|document| document.lines().any(is_something));
    documents
        .into_iter()
        .map(|document| (serde_yaml::from_str(&head(&document)).unwrap(), document))
        .collect()
}

/// What says what an object is called. Definitions are long, and parsing them whole takes seconds in a program that is not optimized.
fn head(document: &str) -> String {
    let mut head = String::new();
    let mut wanted = false;
    for line in document.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with(|letter: char| !letter.is_whitespace()) {
            wanted = ["apiVersion:", "kind:", "metadata:"].iter().any(|key| line.starts_with(key));
        }
        if wanted {
            head.push_str(line);
            head.push('\n');
        }
    }
    // One in braces begins with none of them, and is short.
    if head.is_empty() { document.to_owned() } else { head }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_have_paths() {
        let yaml = "# one\n---\napiVersion: v1\nspec:\n  kind: none\nkind: Service\nmetadata: {name: a, namespace: b}\n---\n\
            apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata:\n# its name\n  name: c\n---\n";
        let found = documents(yaml);
        let roots: Vec<_> = found.iter().map(|(named, _)| named.root()).collect();
        assert_eq!(roots, ["/api/v1", "/apis/networking.istio.io/v1"]);
        let resources = json!({"resources": [
            {"name": "services/status", "kind": "Service", "namespaced": true},
            {"name": "services", "kind": "Service", "namespaced": true},
        ]});
        assert_eq!(found[0].0.path(&resources).as_deref(), Some("/api/v1/namespaces/b/services/a"));
        assert_eq!(found[1].0.path(&resources), None);
    }
}
