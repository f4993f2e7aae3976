//! Reading a mesh from disk: every `*.yaml`, `*.yml` and `*.json` of a folder, however deep. Nothing is parsed here.
//!
//! A folder may have anything in it: what cannot be read is told beside what can, nothing is waited for, and all has a bound.

mod walk;

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use mesh::sources::{Unread, Why};
use mesh::{Sources, limits};
use proxy::regular;

pub(crate) use walk::{Walk, walk};

/// Longest file, in bytes.
const LONGEST: u64 = limits::FILE_BYTES as u64;
/// All files of a mesh, in bytes.
const ALL: u64 = limits::MESH_BYTES as u64;

/// Why files could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system says no.
    #[error("cannot read {path}")]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that was named is no text, or no file.
    #[error("cannot read {path}: {why}")]
    Unread {
        /// The path.
        path: PathBuf,
        /// Why.
        why: Why,
    },
    /// A folder without a single YAML file: a mistyped path, most likely.
    #[error("{0} has no *.yaml, *.yml or *.json file")]
    Empty(PathBuf),
    /// A folder that can hardly be a mesh's.
    #[error("{path} has more than {bound}; name the folder that has the mesh alone")]
    TooMuch {
        /// The folder.
        path: PathBuf,
        /// What is too much.
        bound: String,
    },
}

/// What a folder has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The files that could be read.
    pub sources: Sources,
    /// The others.
    pub unread: Vec<Unread>,
}

impl Found {
    /// The sources alone; the log says what is missing.
    pub fn told(self) -> Sources {
        for Unread { file, why } in &self.unread {
            tracing::warn!(file, %why, "file ignored");
        }
        self.sources
    }
}

/// All YAML files of a folder, by their path relative to it.
///
/// # Errors
/// When the folder cannot be read, or has more than a mesh may have. A folder without YAML is an empty mesh.
pub fn folder(root: &Path) -> Result<Found, Error> {
    let mut found = Found::default();
    take(root, &walk(root)?.files, &mut found, |path| slashed(path.strip_prefix(root).unwrap_or(path)))?;
    Ok(found)
}

/// Files and folders as a person names them on the command line, by their path as it was typed; `-` is standard input.
///
/// # Errors
/// When a file that is named cannot be read, or a folder has no YAML at all.
pub fn read(paths: &[PathBuf]) -> Result<Found, Error> {
    let mut found = Found::default();
    for path in paths {
        let unread = |why| Error::Unread { path: path.clone(), why };
        if path.as_os_str() == "-" {
            let path = PathBuf::from("standard input");
            let mut bytes = Vec::new();
            let read = io::stdin().take(LONGEST + 1).read_to_end(&mut bytes);
            read.map_err(|source| Error::Read { path: path.clone(), source })?;
            if bytes.len() as u64 > LONGEST {
                return Err(Error::TooMuch { path, bound: format!("{} MiB", LONGEST >> 20) });
            }
            let text = Why::text(bytes).map_err(|why| Error::Unread { path, why })?;
            found.sources.0.insert("<stdin>".to_owned(), text);
        } else if path.is_dir() {
            let files = walk(path)?.files;
            if files.is_empty() {
                return Err(Error::Empty(path.clone()));
            }
            take(path, &files, &mut found, slashed)?;
        } else {
            let bytes = regular::read(path, LONGEST).map_err(|source| match source.kind() {
                io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge => unread(why(&source)),
                _ => Error::Read { path: path.clone(), source },
            })?;
            found.sources.0.insert(slashed(path), Why::text(bytes).map_err(unread)?);
        }
    }
    Ok(found)
}

/// Reads files of a folder.
fn take(
    root: &Path,
    files: &[PathBuf],
    found: &mut Found,
    name: impl Fn(&Path) -> String,
) -> Result<(), Error> {
    let mut all = 0;
    for path in files {
        let text = regular::read(path, LONGEST).map_err(|error| why(&error)).and_then(|bytes| {
            all += bytes.len() as u64;
            Why::text(bytes)
        });
        if all > ALL {
            return Err(Error::TooMuch {
                path: root.to_owned(),
                bound: format!("{} MiB of YAML", ALL >> 20),
            });
        }
        match text {
            Ok(text) => drop(found.sources.0.insert(name(path), text)),
            Err(why) => found.unread.push(Unread { file: name(path), why }),
        }
    }
    Ok(())
}

fn why(error: &io::Error) -> Why {
    match error.kind() {
        io::ErrorKind::InvalidInput => Why::Irregular(error.to_string()),
        io::ErrorKind::FileTooLarge => Why::TooLong(error.to_string()),
        io::ErrorKind::NotFound => Why::Failed("it is not there, or the link leads nowhere".to_owned()),
        io::ErrorKind::PermissionDenied => {
            Why::Failed("its permissions do not let this program read it".to_owned())
        }
        _ => Why::Failed(error.to_string()),
    }
}

/// What differs when files change: their names, and the stamp of each.
pub type Stamps = BTreeMap<PathBuf, Option<regular::Stamp>>;

/// The stamps of what [`read`] would read, and what has to be watched to see it change. `None` while that cannot be told.
pub(crate) fn stamps(paths: &[PathBuf]) -> Option<(Stamps, Walk)> {
    let mut all = Walk::default();
    for path in paths {
        if path.is_dir() {
            all.add(walk(path).ok()?);
        } else {
            all.file(path.clone());
        }
    }
    Some((all.files.iter().map(|file| (file.clone(), regular::stamp(file))).collect(), all))
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
mod tests;
