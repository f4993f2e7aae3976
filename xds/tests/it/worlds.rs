//! Meshes to try.

use std::path::{Path, PathBuf};

use mesh::plan::compile_all;
use mesh::{Mesh, Plan, Registry, Settings, Sources};

/// The plans of all sources of a mesh.
pub(crate) fn plans(sources: &Sources) -> Vec<Plan> {
    let (settings, mesh) = (Settings::default(), Mesh::parse(sources).mesh);
    let registry = Registry::of(&mesh, &settings);
    compile_all(&mesh, &registry, &settings, 1)
}

/// The mesh that the program starts with.
pub(crate) fn sample() -> Sources {
    folder(&root().join("assets/bookinfo"))
}

/// All YAML in a folder and below it.
pub(crate) fn folder(path: &Path) -> Sources {
    let mut sources = Sources::default();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.0.insert(path.display().to_string(), text);
            }
        }
    }
    sources
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What is beside the workspace, or beside its parent: the data of others.
pub(crate) fn shared() -> Option<PathBuf> {
    ["../shared", "../../shared"].map(|up| root().join(up)).into_iter().find(|path| path.is_dir())
}
