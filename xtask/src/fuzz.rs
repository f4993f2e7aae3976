//! `cargo xtask fuzz`: libFuzzer makes up what outsiders send, with what it found before as a beginning.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::build;
use crate::cache::Cache;
use crate::setup::cargo_tool::CargoTool;
use crate::setup::progress::{self, Step};
use crate::shell;

/// The functions of the crate `fuzz`, and what they take.
const TARGETS: [(&str, &str); 5] = [
    ("mesh", "YAML that is read, validated, compiled, routed and explained"),
    ("edits", "bodies of requests to change the mesh"),
    ("http1", "requests of HTTP/1.1 through the proxy"),
    ("http2", "requests of HTTP/2 through the proxy"),
    ("xds", "what Envoys ask, answer and log"),
];

/// Folders whose files are a beginning, beside those that the crate has.
const YAML: [&str; 2] = ["assets/bookinfo", "mesh/src/validate"];

/// Seconds for each, unless said otherwise.
const SECONDS: u32 = 60;
/// Megabytes of memory, at most.
const MEMORY: u32 = 2048;
/// Seconds for one input, at most.
const HANG: u32 = 10;

/// Runs one target, or all of them one after the other.
pub(crate) fn fuzz(root: &Path, name: Option<&str>, seconds: Option<u32>) -> Result<()> {
    let chosen: Vec<&str> = TARGETS
        .iter()
        .map(|(target, _)| *target)
        .filter(|target| name.is_none_or(|it| it == *target))
        .collect();
    if chosen.is_empty() {
        let known: Vec<_> = TARGETS.iter().map(|(target, says)| format!("  {target:6} {says}")).collect();
        bail!("there is no fuzz target `{}`; there is\n{}", name.unwrap_or_default(), known.join("\n"));
    }
    let tool = ensure()?;
    for target in chosen {
        let corpus = root.join("target/fuzz/corpus").join(target);
        fs::create_dir_all(&corpus).with_context(|| format!("creating {}", corpus.display()))?;
        let mut cargo = build::cargo();
        cargo.args(["fuzz", "run", "--fuzz-dir", "fuzz", "--target-dir", "target/fuzz"]);
        cargo.args(["--features", "libfuzzer", target]);
        cargo.arg(&corpus).arg(root.join("fuzz/seeds").join(target));
        if target == "mesh" {
            cargo.args(YAML.map(|folder| root.join(folder)));
        }
        cargo.args(["--", "-print_final_stats=1"]);
        cargo.arg(format!("-max_total_time={}", seconds.unwrap_or(SECONDS)));
        cargo.arg(format!("-rss_limit_mb={MEMORY}")).arg(format!("-timeout={HANG}"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(tool.clone()).chain(std::env::split_paths(&path));
        cargo.env("PATH", std::env::join_paths(folders)?);
        // The sanitizers are what the stable compiler has and keeps to itself.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        // As fast as need be, and compiled soon.
        cargo.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        println!("fuzz  {target}, {} s", seconds.unwrap_or(SECONDS));
        shell::run(&mut cargo).with_context(|| {
            format!("an input that `{target}` fails on is in fuzz/artifacts/{target}; once mended, keep it in fuzz/seeds/{target}")
        })?;
    }
    Ok(())
}

/// The folder with cargo-fuzz.
fn ensure() -> Result<std::path::PathBuf> {
    let cache = Cache::of_user()?;
    let tool = CargoTool { package: "cargo-fuzz", binary: "cargo-fuzz", version: VERSION.to_owned() };
    if tool.find(&cache).is_none() {
        let _lock = cache.lock()?;
        let (tool, cache) = (tool.clone(), cache.clone());
        progress::run(vec![Step {
            what: format!("cargo-fuzz {VERSION}"),
            why: "builds and runs libFuzzer's programs",
            how: "cargo install; about 1 min on 2 cores",
            work: Box::new(move |progress| tool.install(&cache, progress)),
        }])?;
    }
    tool.find(&cache).context("cargo-fuzz is missing although its set-up succeeded")
}

/// The version of cargo-fuzz.
const VERSION: &str = "0.13.2";
