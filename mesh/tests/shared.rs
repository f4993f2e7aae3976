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
