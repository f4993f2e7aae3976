//! The Envoy that tests run.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// Envoy's binary: what the variable says, else what the set-up has put into the cache. Without one a test says that it skips.
pub(crate) fn binary() -> Option<PathBuf> {
    let found = std::env::var_os("MESHWRIGHT_ENVOY").map(PathBuf::from).filter(|path| path.is_file());
    let found = found.or_else(cached);
    if found.is_none() {
        skipped("no Envoy (`cargo xtask test` sets it up, or MESHWRIGHT_ENVOY names one)");
    }
    found
}

/// Says, past what captures tests' output, that a test cannot run here; `cargo xtask test` counts it.
pub(crate) fn skipped(why: &str) {
    let _ = writeln!(std::io::stdout(), "\nskipped: {why}");
}

fn cached() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let folders = std::fs::read_dir(cache.join("meshwright/tools")).ok()?;
    let tools = folders.flatten().map(|entry| entry.path());
    let tool =
        tools.filter(|path| path.file_name().is_some_and(|it| it.to_string_lossy().starts_with("envoy-")));
    tool.flat_map(|tool| std::fs::read_dir(tool.join("lib")).into_iter().flatten().flatten())
        .map(|python| python.path().join("site-packages/envoy/_bin/envoy"))
        .find(|path| path.is_file())
}

/// What Envoy says against a configuration; `None` if it takes it.
pub(crate) fn refuses(binary: &PathBuf, config: &Value) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("envoy.json");
    std::fs::write(&path, config.to_string()).unwrap();
    let mut command = Command::new(binary);
    command.args(["--mode", "validate", "--log-level", "error", "--config-path"]).arg(&path);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then_some(said)
}
