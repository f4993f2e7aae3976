//! Every YAML example of the seed and every sample of Istio loads. The data is not part of the repository; where it is
//! missing the tests say so and pass.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that reads its data")]

use std::fs;
use std::path::{Path, PathBuf};

use mesh::{Mesh, Severity, Sources};

fn shared(path: &str) -> Option<PathBuf> {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    let alternative = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    let found = [full, alternative].into_iter().find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: ../shared/{path} is missing");
    }
    found
}

fn yaml_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
}

#[test]
fn samples_load() {
    let Some(folder) = shared("istio/samples") else { return };
    let mut files = Vec::new();
    yaml_files(&folder, &mut files);
    assert!(files.len() > 20);
    let sources: Sources =
        files.iter().map(|path| (path.to_string_lossy(), fs::read_to_string(path).unwrap())).collect();
    let parsed = Mesh::parse(&sources);
    let bad: Vec<_> = parsed.diagnostics.iter().filter(|d| d.severity != Severity::Info).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(parsed.mesh.documents().iter().all(|document| document.resource().is_some()));
    for document in parsed.mesh.documents() {
        let resource = document.resource().unwrap();
        let name = document.place("metadata.name").unwrap();
        let line = sources.0[document.file()].lines().nth(name.line - 1).unwrap();
        assert!(line.contains(&resource.key.name), "{name:?} {line:?}");
    }
}

/// The examples of the seed's text: paragraphs that begin with `apiVersion:`.
fn seed_examples(text: &str) -> Vec<String> {
    let mut examples: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("apiVersion:") {
            examples.push(String::new());
            inside = true;
        }
        inside = inside && !line.trim().is_empty();
        if let (true, Some(example)) = (inside, examples.last_mut()) {
            example.push_str(line);
            example.push('\n');
        }
    }
    examples
}

#[test]
fn seed_loads() {
    let Some(path) = shared("seed/traffic-management.txt") else { return };
    let examples = seed_examples(&fs::read_to_string(path).unwrap());
    assert!(examples.len() >= 20, "{}", examples.len());
    let mut codes = std::collections::BTreeMap::new();
    for example in &examples {
        let parsed = Mesh::parse(&Sources::single("seed.yaml", example.as_str()));
        assert_eq!(parsed.mesh.resources().count(), 1, "{example}\n{:#?}", parsed.diagnostics);
        for diagnostic in parsed.diagnostics {
            assert_ne!(diagnostic.severity, Severity::Error, "{example}\n{diagnostic:#?}");
            assert!(diagnostic.place.is_some() && diagnostic.fix.is_some(), "{diagnostic:#?}");
            *codes.entry(diagnostic.code.into_owned()).or_insert(0) += 1;
        }
    }
    assert_eq!(codes["MW0020"], examples.len());
    for code in ["MW0010", "MW0011", "MW0013", "MW0021", "MW0023", "MW0024"] {
        assert!(codes.contains_key(code), "{code} {codes:?}");
    }
}
