//! Reading a mesh from disk: every `*.yaml` and `*.yml` of a folder, however deep. Nothing is parsed here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mesh::Sources;

/// Why files could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system says no, or the text is not UTF-8.
    #[error("cannot read {path}")]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder without a single YAML file: a mistyped path, most likely.
    #[error("{0} has no *.yaml or *.yml file")]
    Empty(PathBuf),
}

/// All YAML files of a folder, by their path relative to it.
///
/// # Errors
/// When the folder or one of its files cannot be read. A folder without YAML is an empty mesh.
pub fn folder(root: &Path) -> Result<Sources, Error> {
    let mut files = BTreeMap::new();
    for path in yaml_below(root)? {
        let name = path.strip_prefix(root).unwrap_or(&path);
        files.insert(slashed(name), text(&path)?);
    }
    Ok(Sources(files))
}

/// Files and folders as a person names them on the command line, by their path as it was typed; `-` is standard input.
///
/// # Errors
/// When something cannot be read, or a folder has no YAML at all.
pub fn read(paths: &[PathBuf]) -> Result<Sources, Error> {
    let mut files = BTreeMap::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            let read = io::stdin().read_to_string(&mut text);
            read.map_err(|source| Error::Read { path: "standard input".into(), source })?;
            files.insert("<stdin>".to_owned(), text);
        } else if path.is_dir() {
            let found = yaml_below(path)?;
            if found.is_empty() {
                return Err(Error::Empty(path.clone()));
            }
            for path in found {
                files.insert(slashed(&path), text(&path)?);
            }
        } else {
            files.insert(slashed(path), text(path)?);
        }
    }
    Ok(Sources(files))
}

/// YAML files below a folder, sorted. Hidden names are skipped: `.git`, and the `..data` of mounted ConfigMaps, whose files
/// are linked from beside it.
pub(crate) fn yaml_below(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    // Links may lead in circles.
    let mut seen = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        let failed = |source| Error::Read { path: folder.clone(), source };
        if !seen.insert(folder.canonicalize().map_err(failed)?) {
            continue;
        }
        for entry in folder.read_dir().map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if is_yaml(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Names, times and lengths of files: what differs when one was written.
pub type Stamp = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// The stamp of what [`read`] would read. `None` while that cannot be told.
pub fn stamp(paths: &[PathBuf]) -> Option<Stamp> {
    let mut stamp = Stamp::new();
    for path in paths {
        let files = if path.is_dir() { yaml_below(path).ok()? } else { vec![path.clone()] };
        for file in files {
            let metadata = file.metadata().ok()?;
            stamp.insert(file, (metadata.modified().ok(), metadata.len()));
        }
    }
    Some(stamp)
}

/// Whether a path names a YAML file.
pub fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// A path with `/` between its parts, on every system.
fn slashed(path: &Path) -> String {
    let text = path.to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' {
        text.into_owned()
    } else {
        text.replace(std::path::MAIN_SEPARATOR, "/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(sources: Sources) -> Vec<String> {
        sources.0.into_keys().collect()
    }

    #[test]
    fn folders_are_read_to_their_depth() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for (path, text) in [
            ("b.yaml", "b"),
            ("a/deep/c.yml", "c"),
            ("readme.md", "no"),
            (".git/x.yaml", "no"),
            ("a/.hidden.yaml", "no"),
        ] {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(root, root.join("a/circle")).unwrap();
        assert_eq!(keys(folder(root).unwrap()), ["a/deep/c.yml", "b.yaml"]);

        let typed = keys(read(&[root.to_owned(), root.join("readme.md")]).unwrap());
        assert_eq!(typed.len(), 3, "a file that is named is read whatever its name: {typed:?}");
        assert!(typed.iter().all(|path| path.starts_with(root.to_str().unwrap())));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(folder(dir.path()).unwrap().0.is_empty());
        let empty = read(&[dir.path().to_owned()]).unwrap_err();
        assert!(empty.to_string().contains("has no *.yaml"), "{empty}");
        let missing = read(&[dir.path().join("missing.yaml")]).unwrap_err();
        assert!(missing.to_string().contains("missing.yaml"), "{missing}");
    }
}
