//! Tools that cargo compiles: which, at which version, and how to have them soon.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::progress::Progress;
use crate::cache::Cache;
use crate::shell;

/// A program out of a registry.
#[derive(Debug, Clone)]
pub(crate) struct CargoTool {
    /// The package.
    pub(crate) package: &'static str,
    /// The one binary of it that is wanted.
    pub(crate) binary: &'static str,
    /// The exact version.
    pub(crate) version: String,
}

impl CargoTool {
    /// The folder with the binary, if it is there already: in the cache, or in this version on the PATH.
    pub(crate) fn find(&self, cache: &Cache) -> Option<PathBuf> {
        let cached = cache.tool(self.package, &self.version).join("bin");
        if cached.join(self.binary).is_file() {
            return Some(cached);
        }
        let installed = shell::which(self.binary)?;
        let version = shell::output(Command::new(&installed).arg("--version")).ok()?;
        (version.split_whitespace().nth(1) == Some(&self.version))
            .then(|| installed.parent().map(PathBuf::from))?
    }

    /// Compiles it into the cache.
    ///
    /// What it is compiled with is chosen for the shortest wait: these programs run for a second or two, so
    /// they are not optimized, and what they would need to download anything is left out. Each has a folder
    /// of its own to be compiled in, so that cargo does not make one wait for the other.
    pub(crate) fn install(&self, cache: &Cache, progress: &Progress) -> Result<String> {
        let scratch = cache.scratch(self.package);
        let root = cache.tool(self.package, &self.version);
        let log = cache.log(self.package);
        let install = |locked: Option<&str>| {
            let mut cargo = cargo();
            cargo
                .args(["install", "--no-default-features", "--force", "--bin", self.binary])
                .args(locked)
                .arg("--root")
                .arg(&root)
                .arg(format!("{}@{}", self.package, self.version))
                .current_dir(&scratch)
                .env("CARGO_TARGET_DIR", scratch.join("target"))
                .env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "fallback");
            for (setting, value) in PROFILE {
                cargo.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
            }
            shell::logged(&mut cargo, &log, |line| progress.cargo(line))
        };
        fs::create_dir_all(&scratch).with_context(|| format!("creating {}", scratch.display()))?;
        // The lock file that comes with a tool may name a version that the registry's mirror lacks.
        install(Some("--locked")).or_else(|_| install(None))?;
        fs::remove_dir_all(&scratch).with_context(|| format!("removing {}", scratch.display()))?;
        Ok(format!("compiled into {}", root.display()))
    }
}

/// Without optimization one codegen unit costs least: there is nothing to divide, only more to link.
const PROFILE: [(&str, &str); 6] = [
    ("OPT_LEVEL", "0"),
    ("LTO", "off"),
    ("CODEGEN_UNITS", "1"),
    ("DEBUG", "false"),
    ("STRIP", "true"),
    ("PANIC", "abort"),
];

/// The cargo that runs us, with its progress bar even into a pipe: we read it.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    with_progress(&mut command);
    command
}

/// Has a cargo show its progress bar even into a pipe.
pub(crate) fn with_progress(command: &mut Command) -> &mut Command {
    command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "100");
    command.env("CARGO_TERM_COLOR", "never")
}
