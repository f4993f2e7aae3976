//! wasm-opt, which makes the UI a little smaller: taken where npm is, done without where it is not.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::progress::Progress;
use crate::cache::Cache;
use crate::shell;

/// The version of npm's `binaryen`.
const VERSION: &str = "132.0.0";

/// How it stands with wasm-opt on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WasmOpt {
    /// It is in this folder.
    Here(PathBuf),
    /// It could be installed.
    Possible,
    /// There is no npm, or it was tried in vain.
    Absent,
}

/// Looks for it; on the PATH it is not, since others may have one that is too old for our flags.
pub(crate) fn find(cache: &Cache) -> WasmOpt {
    let folder = cache.tool("binaryen", VERSION);
    let programs = folder.join("node_modules/.bin");
    if programs.join("wasm-opt").exists() {
        WasmOpt::Here(programs)
    } else if folder.exists() || shell::which("npm").is_none() || shell::which("node").is_none() {
        WasmOpt::Absent
    } else {
        WasmOpt::Possible
    }
}

/// Has npm put it into the cache. That it cannot is said, and no reason to stop.
pub(crate) fn install(cache: &Cache, progress: &Progress) -> Result<String> {
    let folder = cache.tool("binaryen", VERSION);
    // The folder also says that it was tried: it is not tried again at each start.
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(&folder);
    npm.arg(format!("binaryen@{VERSION}")).current_dir(&folder);
    progress.set("npm install");
    Ok(match shell::logged(&mut npm, &cache.log("wasm-opt"), |_| ()) {
        Ok(()) => format!("installed into {}", folder.display()),
        Err(_) => {
            format!("done without, since npm could not install it; to try again, delete {}", folder.display())
        }
    })
}
