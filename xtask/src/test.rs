//! `cargo xtask test`: everything that can be tested, in the order that fails soonest.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::build::{self, Profile};
use crate::report::{Counts, Report};
use crate::setup::{self, Needs, TARGET, Tools};
use crate::shell;

/// The crates whose tests run on this machine by themselves.
const CRATES: [&str; 6] = ["mesh", "api", "proxy", "meshwright", "frontend", "xtask"];

/// The crates that browser and server share.
const SHARED: [&str; 2] = ["mesh", "api"];

/// Tests everything; without `browser` all but the journeys.
pub(crate) fn test(root: &Path, browser: bool) -> Result<()> {
    let mut report = Report::default();
    let needs = if browser { Needs::Browser } else { Needs::Ui };
    let tools = report.step("set-up", |_| setup::ensure(root, needs));
    let ui = tools.as_ref().and_then(|tools| report.step("UI", |_| build::ui(root, tools)));
    report.step("unit and integration tests", |counts| {
        let mut cargo = build::cargo();
        cargo.args(["test", "--locked", "--no-fail-fast"]).args(packages(&CRATES));
        counted(&mut cargo, counts)
    });
    if let Some(tools) = &tools {
        report.step("wasm32 builds of mesh and api", |_| {
            let mut cargo = build::cargo();
            cargo.args(["build", "--locked", "--target", TARGET]).args(packages(&SHARED));
            shell::run(tools.apply(&mut cargo))
        });
    }
    if let (Some(tools), Some(()), true) = (&tools, ui, browser) {
        let server = report.step("server", |_| build::server(root, Profile::Debug));
        if let Some(server) = server {
            report.step("journeys in the browser", |counts| {
                let mut cargo = build::cargo();
                cargo.args(["test", "--locked", "--no-fail-fast", "--package", "e2e"]);
                e2e_env(tools.apply(&mut cargo), tools, &server, root);
                counted(&mut cargo, counts)
            });
        }
    }
    report.finish()
}

/// Tells `e2e` what to test, and with which browser.
pub(crate) fn e2e_env(command: &mut Command, tools: &Tools, server: &Path, root: &Path) {
    command.env("MESHWRIGHT_BIN", server).env("MESHWRIGHT_DIST", root.join(build::DIST));
    if let Some(browser) = &tools.browser {
        command.env("CHROME", &browser.chrome).env("CHROMEDRIVER", &browser.driver);
    }
}

/// `--package` for each.
pub(crate) fn packages<'a>(names: &'a [&str]) -> impl Iterator<Item = &'a str> {
    names.iter().flat_map(|name| ["--package", name])
}

fn counted(cargo: &mut Command, counts: &mut Counts) -> Result<()> {
    shell::watched(cargo, |line| counts.read(line))
}
