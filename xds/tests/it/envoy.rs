//! The Envoy that tests run.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

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
