//! The files and folders below a folder, as far as a mesh may go.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mesh::limits;

use super::Error;

/// Most names of any kind: the folders of a program's packages have hundreds of thousands.
const NAMES: usize = 100_000;

/// What is below a folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Walk {
    /// YAML by their names, sorted; pipes and the like among them.
    pub(crate) files: Vec<PathBuf>,
    /// Where names come and go: the folders, and those of what links lead to.
    pub(crate) folders: BTreeSet<PathBuf>,
}

impl Walk {
    /// One more file, and what it is a link to.
    pub(super) fn file(&mut self, path: PathBuf) {
        let parent = |path: &Path| {
            let parent = path.parent()?;
            Some(if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() })
        };
        if path.is_symlink() {
            self.folders.extend(path.canonicalize().ok().and_then(|real| parent(&real)));
        }
        self.folders.extend(parent(&path));
        self.files.push(path);
    }

    pub(super) fn add(&mut self, other: Self) {
        self.files.extend(other.files);
        self.folders.extend(other.folders);
    }
}

/// YAML files below a folder. Hidden names are skipped: `.git`, and the `..data` of mounted ConfigMaps, whose files are linked from
/// beside it.
pub(crate) fn walk(root: &Path) -> Result<Walk, Error> {
    let too_much = |bound: String| Error::TooMuch { path: root.to_owned(), bound };
    let mut walk = Walk::default();
    let mut folders = vec![root.to_owned()];
    // Links may lead in circles.
    let mut seen = BTreeSet::new();
    let mut names = 0;
    while let Some(folder) = folders.pop() {
        let failed = |source| Error::Read { path: folder.clone(), source };
        if !seen.insert(folder.canonicalize().map_err(failed)?) {
            continue;
        }
        walk.folders.insert(folder.clone());
        for entry in folder.read_dir().map_err(failed)? {
            names += 1;
            if names > NAMES {
                return Err(too_much(format!("{NAMES} files and folders")));
            }
            let path = entry.map_err(failed)?.path();
            if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if is_yaml(&path) {
                walk.file(path);
            }
        }
        if walk.files.len() > limits::FILES {
            return Err(too_much(format!("{} YAML files", limits::FILES)));
        }
    }
    walk.files.sort();
    Ok(walk)
}

/// Whether a path names a file that kubectl would read: JSON is YAML.
fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}
