//! The functions that libFuzzer calls, with what is known: findings of earlier runs and the YAML of the repository.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::fs;
use std::path::Path;

use testkit::yaml_files;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Calls a function with each file of its folder.
fn replay(target: &str, function: impl Fn(&[u8])) {
    let folder = root().join("fuzz/seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        eprintln!("{}", file.display());
        function(&fs::read(file).unwrap());
    }
}

#[test]
fn meshes() {
    replay("mesh", fuzz::mesh);
    for folder in ["assets", "mesh/src/validate", "fuzz/src"] {
        for file in yaml_files(&root().join(folder)) {
            eprintln!("{}", file.display());
            fuzz::mesh(&fs::read(file).unwrap());
        }
    }
}

#[test]
fn edits() {
    replay("edits", fuzz::edits);
}

#[test]
fn requests_of_http1() {
    replay("http1", fuzz::http1);
}

#[test]
fn requests_of_http2() {
    replay("http2", fuzz::http2);
}

#[test]
fn requests_of_xds() {
    replay("xds", fuzz::xds);
}
