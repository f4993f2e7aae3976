//! `cargo xtask bench NAME`: measurements, each a program of its own in `e2e`.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, bail};

use crate::build::{self, Profile};
use crate::setup::{self, Needs};
use crate::shell;
use crate::test::e2e_env;

/// What can be measured: its name, its program and what it says.
const BENCHES: [(&str, &str, &str); 2] = [
    ("loop", "bench-loop", "slider released → proxy swapped → first request → seen in the page"),
    ("page", "bench-page", "the page's weight, its first paint and its first live data"),
];

/// Builds what is measured as users run it, and measures.
pub(crate) fn bench(root: &Path, name: &str, args: &[OsString]) -> Result<()> {
    let Some((_, binary, _)) = BENCHES.iter().find(|bench| bench.0 == name) else {
        let known: Vec<String> = BENCHES.iter().map(|(name, _, what)| format!("  {name}  {what}")).collect();
        bail!("there is no bench `{name}`; there is\n{}", known.join("\n"));
    };
    let tools = setup::ensure(root, Needs::Browser)?;
    build::ui(root, &tools)?;
    let server = build::server(root, Profile::Release)?;
    let mut cargo = build::cargo();
    cargo.args(["run", "--release", "--locked", "--package", "e2e", "--bin", binary, "--"]).args(args);
    e2e_env(tools.apply(&mut cargo), &tools, &server, root);
    shell::run(&mut cargo)
}
