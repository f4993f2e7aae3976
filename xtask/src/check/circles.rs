//! Whether the modules of a folder use each other in circles: then none of them can be read, tested or moved alone.
//!
//! What a module uses is read off its paths that begin with `crate`, `super` or `self`, with re-exports followed to where
//! an item is at home. An inline module counts as part of its file, and tests do not count.

mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use self::tokens::{Paths, paths};
use crate::shell;

/// A module's name: the parts of its path below `src`.
type Name = Vec<String>;

/// A crate's modules with what their paths say.
type Modules = BTreeMap<Name, Paths>;

/// Looks at every crate that git knows.
pub(super) fn check(root: &Path) -> Result<()> {
    let files = shell::output(Command::new("git").args(["ls-files", "*.rs"]))?;
    let mut crates: BTreeMap<&str, Modules> = BTreeMap::new();
    for file in files.lines() {
        let Some((folder, name)) =
            file.split_once("/src/").and_then(|(folder, path)| Some((folder, name(path)?)))
        else {
            continue;
        };
        // One that was removed and not yet committed.
        let path = root.join(file);
        if path.exists() {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {file}"))?;
            crates.entry(folder).or_default().insert(name, paths(&text));
        }
    }
    let mut found = Vec::new();
    for (name, modules) in &crates {
        for (folder, circle) in circles(modules) {
            let place = std::iter::once(*name).chain(folder.iter().map(String::as_str));
            let place = place.collect::<Vec<_>>().join("/");
            found.push(format!("{place}: {}", circle.join(" ↔ ")));
        }
    }
    if !found.is_empty() {
        bail!("modules that use each other in a circle:\n  {}", found.join("\n  "));
    }
    println!("{} modules in {} crates", crates.values().map(BTreeMap::len).sum::<usize>(), crates.len());
    Ok(())
}

/// The module that a file below `src` holds; none for tests and for programs beside the crate.
fn name(path: &str) -> Option<Name> {
    let path = path.strip_suffix(".rs")?;
    if path.starts_with("bin/") || path.split('/').any(|part| part == "tests") {
        return None;
    }
    // What the program's root uses is below it either way.
    let parts = path.split('/').filter(|part| !["lib", "main"].contains(part));
    Some(parts.map(str::to_owned).collect())
}

/// The circles among the modules of each folder, with the folder.
fn circles(modules: &Modules) -> Vec<(&[String], Vec<&str>)> {
    // Arrows between siblings: from either end up to where both are in one folder.
    let mut folders: BTreeMap<&[String], BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for (from, paths) in modules {
        for path in &paths.used {
            let to = home(modules, from, path, 0);
            let depth = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            if let (Some(a), Some(b)) = (from.get(depth), to.get(depth)) {
                folders.entry(&from[..depth]).or_default().entry(a).or_default().insert(b);
            }
        }
    }
    let mut found = Vec::new();
    for (folder, arrows) in folders {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            arrows.keys().map(|module| (*module, reached(&arrows, module))).collect();
        let mut seen = BTreeSet::new();
        for (module, others) in &reached {
            if others.contains(module) && !seen.contains(module) {
                let back = |other: &&&str| reached.get(**other).is_some_and(|back| back.contains(module));
                let circle: Vec<&str> = others.iter().filter(back).copied().collect();
                seen.extend(circle.iter().copied());
                found.push((folder, circle));
            }
        }
    }
    found
}

/// Everything that arrows lead to from here.
fn reached<'a>(arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        for next in arrows.get(module).into_iter().flatten() {
            if found.insert(*next) {
                open.push(next);
            }
        }
    }
    found
}

/// Re-exports of re-exports that are followed, so that a circle among them ends.
const HOPS: usize = 8;

/// The module in which what a path names is at home, seen from another.
fn home<'a>(modules: &'a Modules, from: &'a [String], path: &[String], hops: usize) -> &'a [String] {
    let mut at = from;
    for (index, part) in path.iter().enumerate() {
        at = match part.as_str() {
            "crate" => &[],
            "self" => at,
            "super" => &at[..at.len().saturating_sub(1)],
            _ => {
                let below = [at, std::slice::from_ref(part)].concat();
                if let Some((name, _)) = modules.get_key_value(&below) {
                    name
                } else {
                    let Some(target) = modules.get(at).and_then(|module| module.exported.get(part)) else {
                        return at;
                    };
                    let rest = [target, &path[index + 1..]].concat();
                    return if hops < HOPS { home(modules, at, &rest, hops + 1) } else { at };
                }
            }
        };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[(&str, &str)]) {
        let modules: Modules =
            files.iter().filter_map(|(path, text)| Some((name(path)?, paths(text)))).collect();
        let found: Vec<(String, String)> = circles(&modules)
            .into_iter()
            .map(|(folder, circle)| (folder.join("/"), circle.join(" ")))
            .collect();
        let expected: Vec<(String, String)> =
            expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn circles_are_found_in_every_folder() {
        let root = ("lib.rs", "mod a; mod b; mod c;");
        check(&[root, ("a.rs", "use crate::b::B;"), ("b.rs", "use crate::c;"), ("c.rs", "")], &[]);
        check(
            &[
                root,
                ("a.rs", "use crate::b::B;"),
                ("b.rs", "fn b() { crate::c::c() }"),
                ("c.rs", "use super::a;"),
            ],
            &[("", "a b c")],
        );
        // What is deep inside belongs to the folder's module.
        check(
            &[root, ("a.rs", ""), ("a/x.rs", "use super::super::b;"), ("b.rs", "use crate::a::A;")],
            &[("", "a b")],
        );
        check(
            &[
                ("a.rs", "mod x; mod y;"),
                ("a/x.rs", "use super::y::Y;"),
                ("a/y.rs", "use crate::a::x::{self, X};"),
            ],
            &[("a", "x y")],
        );
    }

    #[test]
    fn a_module_may_use_the_one_that_it_is_in() {
        check(&[("a.rs", "use self::x::X;"), ("a/x.rs", "use super::A;")], &[]);
    }

    #[test]
    fn re_exports_are_followed() {
        let files = [
            ("lib.rs", "pub use b::{Thing as Other, Thing};"),
            ("a.rs", "use crate::Other;"),
            ("b.rs", "pub(crate) use inner::Thing; use crate::a::A;"),
            ("b/inner.rs", ""),
        ];
        check(&files, &[("", "a b")]);
        check(&files[..2], &[]);
    }

    #[test]
    fn tests_and_comments_are_no_use() {
        let tests =
            "#[cfg(test)]\nmod tests { use crate::a::A; }\n// crate::a\nconst S: &str = \"crate::a\";";
        check(&[("a.rs", "use crate::b::B;"), ("b.rs", tests), ("b/tests.rs", "use crate::a;")], &[]);
    }
}
