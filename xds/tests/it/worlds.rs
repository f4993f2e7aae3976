//! Meshes to try.

use std::path::{Path, PathBuf};

use mesh::plan::compile_all;
use mesh::{Mesh, Plan, Registry, Settings, Sources};

/// The plans of all sources of a mesh.
pub(crate) fn plans(sources: &Sources) -> Vec<Plan> {
    let (settings, mesh) = (Settings::default(), Mesh::parse(sources).mesh);
    let registry = Registry::of(&mesh, &mesh::Inventory::default(), &settings);
    compile_all(&mesh, &registry, &settings, 1)
}

/// The mesh that the program starts with.
pub(crate) fn sample() -> Sources {
    folder(&root().join("assets/bookinfo"))
}

/// All YAML in a folder and below it.
pub(crate) fn folder(path: &Path) -> Sources {
    let file = |path: PathBuf| (path.display().to_string(), std::fs::read_to_string(path).unwrap());
    testkit::yaml_files(path).into_iter().map(file).collect()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
