//! Istio's control plane, built by Go from a pinned module: what our own semantics are compared with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::progress::{self, Progress, Step};
use crate::cache::Cache;
use crate::shell;

/// The folder with `go.mod` and `go.sum`.
const MODULE: &str = "e2e/tests/istio/istiod";
const PACKAGE: &str = "istio.io/istio/pilot/cmd/pilot-discovery";
const BINARY: &str = "pilot-discovery";

/// The program; `None`, with a word, where it cannot be had: the test that needs it is skipped then.
pub(crate) fn ensure(root: &Path) -> Result<Option<PathBuf>> {
    let cache = Cache::of_user()?;
    let module = root.join(MODULE);
    let folder = cache.tool("istiod", &version(&module)?);
    let program = folder.join(BINARY);
    if program.is_file() {
        return Ok(Some(program));
    }
    if shell::which("go").is_none() {
        eprintln!("setup  there is no Go to build istiod with: what is compared with Istio is skipped");
        return Ok(None);
    }
    let _lock = cache.lock()?;
    let step = Step {
        what: "istiod".to_owned(),
        why: "the judge of what a resource means",
        how: "go build; about 4 min on 2 cores, once",
        work: Box::new(move |progress| install(&cache, &module, &folder, progress)),
    };
    if let Err(error) = progress::run(vec![step]) {
        eprintln!("setup  {error:#}");
        return Ok(None);
    }
    Ok(program.is_file().then_some(program))
}

/// Builds it with caches of its own, which grow to some gigabytes and are removed again.
fn install(cache: &Cache, module: &Path, folder: &Path, progress: &Progress) -> Result<String> {
    let scratch = cache.scratch("istiod");
    fs::create_dir_all(&scratch).with_context(|| format!("creating {}", scratch.display()))?;
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    progress.set("go build");
    let mut go = Command::new("go");
    go.args(["build", "-trimpath", "-ldflags", "-s -w", "-tags", "vtprotobuf,disable_pgv", "-o"]);
    go.arg(folder).arg(PACKAGE).current_dir(module);
    // What is pinned is what is built, by the Go that is there, from folders that can be removed.
    go.env("GOFLAGS", "-mod=readonly -modcacherw").env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0");
    go.env("GOCACHE", scratch.join("build")).env("GOMODCACHE", scratch.join("modules"));
    let built = shell::logged(&mut go, &cache.log("istiod"), |line| {
        if let Some(module) = line.strip_prefix("go: downloading ") {
            progress.set(format!("downloading {module}"));
        }
    });
    fs::remove_dir_all(&scratch).with_context(|| format!("removing {}", scratch.display()))?;
    built?;
    if !folder.join(BINARY).is_file() {
        bail!("Go built no {BINARY}");
    }
    Ok(format!("built into {}", folder.display()))
}

/// The pinned version, as `go.mod` has it.
fn version(module: &Path) -> Result<String> {
    let path = module.join("go.mod");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let version = text.lines().find_map(|line| line.strip_prefix("require istio.io/istio "));
    version.map(str::to_owned).with_context(|| format!("{} requires no Istio", path.display()))
}
