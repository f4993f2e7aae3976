//! What keeps files readable: how long they are, and that each says what lives in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// Lines that a file may have, its tests not counted.
const LIMIT: usize = 400;

/// Looks at every Rust file that git knows.
pub(super) fn check(root: &Path) -> Result<()> {
    let files = shell::output(Command::new("git").args(["ls-files", "*.rs"]))?;
    let mut complaints = Vec::new();
    for name in files.lines() {
        // One that was removed and not yet committed.
        let path = root.join(name);
        if path.exists() {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
            complaints.extend(complaints_about(name, &text));
        }
    }
    if !complaints.is_empty() {
        bail!("{}", complaints.join("\n  "));
    }
    println!("{} files", files.lines().count());
    Ok(())
}

fn complaints_about(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if is_test(name) {
        return found;
    }
    let lines = lines_without_tests(text);
    if lines > LIMIT {
        found.push(format!("{name}: {lines} lines without its tests, {LIMIT} are the limit: split it"));
    }
    if name.ends_with("/mod.rs") {
        found.push(format!("{name}: is named after its folder here, beside it"));
    }
    if !text.lines().any(|line| line.starts_with("//!")) {
        found.push(format!("{name}: does not say with `//!` what lives in it"));
    }
    found
}

fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs")
}

fn lines_without_tests(text: &str) -> usize {
    let code = text.split_once("\n#[cfg(test)]\nmod tests {").map_or(text, |(code, _)| code);
    code.lines().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_judged() {
        #[track_caller]
        fn check(name: &str, text: &str, expected: usize) {
            assert_eq!(complaints_about(name, text).len(), expected, "{name}");
        }
        let long = "//! Long.\n".repeat(LIMIT + 1);
        let tested = format!("//! Short.\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        check("mesh/src/a.rs", "//! A.\nfn a() {}\n", 0);
        check("mesh/src/a.rs", "fn a() {}\n", 1);
        check("mesh/src/a/mod.rs", "//! A.\n", 1);
        check("mesh/src/a.rs", &long, 1);
        check("mesh/src/a.rs", &tested, 0);
        check("mesh/src/a/tests.rs", &long, 0);
        check("mesh/tests/a.rs", "fn a() {}\n", 0);
    }
}
