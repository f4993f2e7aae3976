//! Building the UI and the server that carries it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::setup::{self, Needs, Tools};
use crate::shell;
use crate::sync;

/// Where the server takes the UI from when it is compiled.
pub(crate) const DIST: &str = "frontend/dist";

/// Builds everything to be delivered, and returns the program.
pub(crate) fn all(root: &Path) -> Result<PathBuf> {
    let tools = setup::ensure(root, Needs::Ui)?;
    ui(root, &tools)?;
    server(root, Profile::Release)
}

/// Builds the UI into [`DIST`].
///
/// Trunk writes all files anew each time, and the server would be compiled anew for them. So it builds
/// elsewhere, and only what really changed is copied.
pub(crate) fn ui(root: &Path, tools: &Tools) -> Result<()> {
    let staged = target(root).join("ui");
    let mut trunk = Command::new("trunk");
    trunk.args(["build", "--cargo-profile", "wasm", "--dist"]).arg(&staged);
    shell::run(tools.apply(&mut trunk)).context("building the UI")?;
    let changed = sync::mirror(&staged, &root.join(DIST))
        .context("copying the UI to where the server takes it from")?;
    eprintln!("built  the UI: {DIST} ({changed} files changed)");
    Ok(())
}

/// How things are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Soon, and for debuggers: the UI stays on disk.
    Debug,
    /// Sooner, for a first look.
    Quick,
    /// To be delivered: fast, and the UI small.
    Release,
}

impl Profile {
    /// Cargo's name for it, which is also that of its folder but for `dev`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debug => "dev",
            Self::Quick => "quick",
            Self::Release => "release",
        }
    }
}

/// Compiles the server, and returns the program.
pub(crate) fn server(root: &Path, profile: Profile) -> Result<PathBuf> {
    shell::run(&mut server_command(profile)).context("building the server")?;
    Ok(program(root, profile))
}

/// What compiles the server.
pub(crate) fn server_command(profile: Profile) -> Command {
    let mut cargo = cargo();
    cargo.args(["build", "--package", "meshwright", "--profile", profile.name()]);
    cargo
}

/// Where cargo leaves the server.
pub(crate) fn program(root: &Path, profile: Profile) -> PathBuf {
    let folder = if profile == Profile::Debug { "debug" } else { profile.name() };
    target(root).join(folder).join(format!("meshwright{}", env::consts::EXE_SUFFIX))
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Cargo's target folder.
pub(crate) fn target(root: &Path) -> PathBuf {
    root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}
