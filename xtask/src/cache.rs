//! Where downloaded and compiled tools are kept, and the lock that keeps two xtasks from fighting over it.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The project's part of the user's cache folder.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache folder of this user; nothing is created yet.
    pub(crate) fn of_user() -> Result<Self> {
        let base = base_dir(env::consts::OS, |name| env::var_os(name))
            .context("neither XDG_CACHE_HOME nor HOME is set: there is no cache folder to keep tools in")?;
        Ok(Self { root: base.join("meshwright") })
    }

    /// The folder of one tool, keyed by its version.
    pub(crate) fn tool(&self, name: &str, version: &str) -> PathBuf {
        self.root.join("tools").join(format!("{name}-{version}"))
    }

    /// A scratch folder for what is thrown away once a tool is installed.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.root.join("build").join(name)
    }

    /// The file that everything a step prints goes to.
    pub(crate) fn log(&self, step: &str) -> PathBuf {
        self.root.join("logs").join(format!("{step}.log"))
    }

    /// Waits until no other xtask sets tools up; the lock lives as long as the file that is returned.
    pub(crate) fn lock(&self) -> Result<File> {
        fs::create_dir_all(&self.root).with_context(|| format!("creating {}", self.root.display()))?;
        let path = self.root.join("setup.lock");
        let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!("setup  another xtask is setting up (it holds {}): waiting for it", path.display());
            file.lock().context("locking the cache folder")?;
        }
        Ok(file)
    }
}

fn base_dir(os: &str, var: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // The XDG rules: a relative path is to be ignored.
    let xdg = var("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || var("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let local = if os == "macos" { Path::new("Library/Caches") } else { Path::new(".cache") };
    xdg.or_else(|| home().map(|home| home.join(local)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(os: &str, vars: &[(&str, &str)], expected: Option<&str>) {
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(*v));
        assert_eq!(base_dir(os, var), expected.map(PathBuf::from));
    }

    #[test]
    fn the_cache_folder_follows_the_platform() {
        check("linux", &[("HOME", "/home/ada")], Some("/home/ada/.cache"));
        check("macos", &[("HOME", "/Users/ada")], Some("/Users/ada/Library/Caches"));
        check("linux", &[("HOME", "/home/ada"), ("XDG_CACHE_HOME", "/fast")], Some("/fast"));
        check("linux", &[("HOME", "/home/ada"), ("XDG_CACHE_HOME", "")], Some("/home/ada/.cache"));
        check("linux", &[("HOME", "/home/ada"), ("XDG_CACHE_HOME", "rel")], Some("/home/ada/.cache"));
        check("linux", &[], None);
    }

    #[test]
    fn a_tool_is_keyed_by_its_version() {
        let cache = Cache { root: PathBuf::from("/c/meshwright") };
        assert_eq!(cache.tool("trunk", "0.21.14"), Path::new("/c/meshwright/tools/trunk-0.21.14"));
    }
}
