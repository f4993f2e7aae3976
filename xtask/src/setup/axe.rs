//! axe-core, the accessibility engine that the journeys run in the page. It comes from npm, and stays out of the product.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::debian;
use super::progress::Progress;
use crate::cache::Cache;
use crate::shell;

/// The version of npm's `axe-core`.
const VERSION: &str = "4.14.1";

/// The script, if it is there.
pub(crate) fn find(cache: &Cache) -> Option<PathBuf> {
    let script = cache.tool("axe-core", VERSION).join("node_modules/axe-core/axe.min.js");
    script.is_file().then_some(script)
}

/// Has npm put it into the cache; npm itself comes from Debian where it is missing.
pub(crate) fn install(cache: &Cache, progress: &Progress) -> Result<String> {
    if shell::which("npm").is_none() {
        if !debian::can_install() {
            bail!("there is no npm to install axe-core with: install Node.js with npm");
        }
        debian::install(&["npm"], &cache.log("npm"), progress)?;
    }
    let folder = cache.tool("axe-core", VERSION);
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--prefix"])
        .arg(&folder);
    npm.arg(format!("axe-core@{VERSION}")).current_dir(&folder);
    progress.set("npm install");
    shell::logged(&mut npm, &cache.log("axe-core"), |_| ())?;
    let script = find(cache).context("npm installed axe-core without its script")?;
    Ok(format!("installed: {}", script.display()))
}
