//! Whether everything that is built into the program may be: deny.toml lists the licences that are
//! allowed, so that `cargo deny` and this check, which takes no time, agree.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::build::cargo;
use crate::shell;

/// Checks every dependency of every crate on every platform, tests included.
pub(super) fn check(root: &Path) -> Result<()> {
    let config = fs::read_to_string(root.join("deny.toml")).context("reading deny.toml")?;
    let allowed = allowed(&config);
    let mut tree = cargo();
    tree.args([
        "tree",
        "--locked",
        "--workspace",
        "--target",
        "all",
        "--prefix",
        "none",
        "--format",
        "{p}|{l}",
    ]);
    let tree = shell::output(&mut tree)?;
    // Between two crates of the workspace there is an empty line.
    let lines = tree.lines().filter(|line| !line.is_empty());
    let packages: BTreeSet<&str> = lines.map(|line| line.trim_end_matches(" (*)")).collect();
    let refused: Vec<&str> = packages.iter().filter(|line| !is_fine(line, &allowed)).copied().collect();
    if !refused.is_empty() {
        bail!("not allowed by deny.toml:\n  {}", refused.join("\n  "));
    }
    println!("{} packages, all under {}", packages.len(), allowed.join(", "));
    Ok(())
}

/// The licences of deny.toml's `allow = [ … ]`.
fn allowed(config: &str) -> Vec<&str> {
    let list = config.split_once("\nallow = [").and_then(|(_, rest)| rest.split_once(']'));
    let list = list.map_or("", |(list, _)| list);
    list.lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(|line| line.split(','))
        .map(|entry| entry.trim().trim_matches('"'))
        .filter(|entry| !entry.is_empty())
        .collect()
}

fn is_fine(line: &str, allowed: &[&str]) -> bool {
    line.split_once('|').is_some_and(|(_, licence)| permits(licence, allowed))
}

/// Whether an SPDX expression (and the older `A/B`, which means OR) leaves a choice that is allowed.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let result = any(&mut words, allowed);
    words.next().is_none() && result
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut result = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        result |= all(words, allowed);
    }
    result
}

fn all(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut result = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        result &= one(words, allowed);
    }
    result
}

fn one(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    match words.next() {
        Some("(") => any(words, allowed) & words.next_if_eq(&")").is_some(),
        Some(licence) => {
            // An exception only ever permits more.
            if words.next_if_eq(&"WITH").is_some() {
                words.next();
            }
            allowed.contains(&licence)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_understood() {
        #[track_caller]
        fn check(expression: &str, expected: bool) {
            assert_eq!(permits(expression, &["MIT", "Apache-2.0", "ISC"]), expected, "{expression}");
        }
        check("MIT", true);
        check("GPL-3.0", false);
        check("MIT OR GPL-3.0", true);
        check("GPL-3.0/MIT", true);
        check("MIT AND GPL-3.0", false);
        check("(MIT OR GPL-3.0) AND ISC", true);
        check("(GPL-2.0 OR GPL-3.0) AND ISC", false);
        check("MIT OR GPL-2.0 AND GPL-3.0", true);
        check("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true);
        check("", false);
        check("MIT OR", true);
        check("(MIT", false);
        check("MIT ISC", false);
    }

    #[test]
    fn the_list_of_deny_toml_is_read() {
        let config =
            "[licenses]\n# comment\nallow = [\n  \"MIT\", # short\n  \"ISC\",\n]\nexceptions = [\"GPL\"]\n";
        assert_eq!(allowed(config), ["MIT", "ISC"]);
        assert!(allowed(include_str!("../../../deny.toml")).contains(&"Apache-2.0"));
    }
}
