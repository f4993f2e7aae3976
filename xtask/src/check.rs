//! `cargo xtask check`: all that is not a test and still must hold.

mod circles;
mod hygiene;
mod licences;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build::cargo;
use crate::lockfile;
use crate::report::Report;
use crate::setup::{self, Needs, TARGET};
use crate::shell;
use crate::test::packages;

/// Crates that are compiled for this machine.
const NATIVE: [&str; 10] =
    ["mesh", "api", "proxy", "xds", "cluster", "meshwright", "e2e", "testkit", "fuzz", "xtask"];

/// Crates that are compiled for the browser.
const BROWSER: [&str; 3] = ["mesh", "api", "frontend"];

/// What `mesh` must never come to depend on: it has no clock, no network, no randomness and no threads.
const IMPURE: [&str; 8] = ["tokio", "hyper", "rand", "rand_core", "getrandom", "mio", "socket2", "reqwest"];

/// Checks everything, the quick things first.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut report = Report::default();
    let tools = report.step("set-up", |_| setup::ensure(root, Needs::Wasm));
    report.step("format", |_| shell::run(cargo().args(["fmt", "--all", "--check"])));
    report.step("purity of mesh", |_| purity());
    report.step("file sizes and module docs", |_| hygiene::check(root));
    report.step("circles of modules", |_| circles::check(root));
    report.step("licences", |_| licences::check(root));
    report.step("versions that are there twice", |_| duplicates(root));
    report.step("clippy", |_| shell::run(&mut clippy(&["--all-targets"], &NATIVE)));
    report.step("docs", |_| shell::run(&mut docs(&[], &NATIVE)));
    if let Some(tools) = tools {
        let options = ["--target", TARGET];
        report.step("clippy for the browser", |_| shell::run(tools.apply(&mut clippy(&options, &BROWSER))));
        report.step("docs of the UI", |_| shell::run(tools.apply(&mut docs(&options, &["frontend"]))));
    }
    report.finish()
}

fn clippy(options: &[&str], crates: &[&str]) -> Command {
    let mut command = cargo();
    command.args(["clippy", "--locked"]).args(options).args(packages(crates)).args(["--", "-D", "warnings"]);
    command
}

fn docs(options: &[&str], crates: &[&str]) -> Command {
    let mut command = cargo();
    command.args(["doc", "--locked", "--no-deps"]).args(options).args(packages(crates));
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

fn purity() -> Result<()> {
    for target in [None, Some(TARGET)] {
        let mut command = cargo();
        command.args(["tree", "--locked", "--package", "mesh", "--edges", "normal", "--prefix", "none"]);
        command.args(["--format", "{p}"]);
        if let Some(target) = target {
            command.args(["--target", target]);
        }
        let tree = shell::output(&mut command)?;
        let found = impure(&tree);
        if !found.is_empty() {
            bail!("mesh depends on {}: `cargo tree -p mesh -i NAME` shows through what", found.join(", "));
        }
    }
    Ok(())
}

fn impure(tree: &str) -> Vec<&str> {
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    IMPURE.into_iter().filter(|name| names.contains(name)).collect()
}

/// Says which packages are compiled in more than one version. That costs time and size, but is not always
/// ours to change, so it fails nothing.
fn duplicates(root: &Path) -> Result<()> {
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("reading Cargo.lock")?;
    let twice = lockfile::packages(&lock).into_iter().filter(|(_, versions)| versions.len() > 1);
    let lines: Vec<String> =
        twice.map(|(name, versions)| format!("{name} {}", versions.join(", "))).collect();
    println!("{} packages: {}", lines.len(), lines.join("; "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_impure_is_found_by_its_whole_name() {
        let tree = "mesh v0.1.0 (/src/mesh)\nregex v1.0.0\ntokio-util v0.7.0\nrand v0.9.0\nserde v1 (*)\n";
        assert_eq!(impure(tree), ["rand"]);
        assert!(impure("mesh v0.1.0\nserde v1.0.0\n").is_empty());
    }
}
