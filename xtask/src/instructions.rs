//! How many instructions the built-in proxy needs for a request, beside what was accepted: `cargo xtask bench instructions`.
//!
//! Callgrind counts (`proxy/examples/instructions`). The same program on the same kind of machine needs nearly the same number each
//! time (within 1 %), so one that needs more by more than the tolerance has become dearer, and somebody has to say that it
//! may. Another compiler makes another program: then a difference is told, and fails nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build::{self, cargo};
use crate::report::Counts;
use crate::setup::extras;
use crate::shell;

/// What was accepted.
const ACCEPTED: &str = "proxy/benches/instructions.toml";

/// By how many percent a scenario may be dearer than what was accepted.
const TOLERANCE: u64 = 5;

/// How often a scenario that seems too dear is counted again, and one that is accepted is counted.
const AGAIN: usize = 2;

/// The only kind of machine that counts are kept of: others have other instructions.
const MACHINE: (&str, &str) = ("linux", "x86_64");

/// Counts by scenario.
type Instructions = BTreeMap<String, u64>;

/// What was accepted, and of which compiler's program.
#[derive(Debug, Default, PartialEq, Eq)]
struct Accepted {
    rustc: String,
    instructions: Instructions,
}

/// Counts, and compares or (`--accept`) writes down.
pub(crate) fn bench(root: &Path, args: &[OsString]) -> Result<()> {
    let accepts = match args {
        [] => false,
        [only] if only == "--accept" => true,
        _ => bail!("`cargo xtask bench instructions [--accept]`"),
    };
    if !accepts {
        return check(root, &mut Counts::default());
    }
    let Some(program) = program(root)? else { bail!("nothing can be counted here") };
    let mut all = Vec::new();
    for _ in 0..=AGAIN {
        all.push(count(&program, &[])?);
    }
    let accepted = Accepted { rustc: rustc()?, instructions: medians(&all) };
    let path = root.join(ACCEPTED);
    fs::write(&path, accepted.text()).with_context(|| format!("writing {}", path.display()))?;
    println!("accepted: {ACCEPTED}");
    Ok(())
}

/// Fails where a scenario has become too dear. Each counts as a test.
pub(crate) fn check(root: &Path, counts: &mut Counts) -> Result<()> {
    let text = fs::read_to_string(root.join(ACCEPTED)).with_context(|| format!("reading {ACCEPTED}"))?;
    let accepted = Accepted::parse(&text)?;
    let Some(program) = program(root)? else {
        counts.skipped += accepted.instructions.len() as u64;
        return Ok(());
    };
    let mut least = count(&program, &[])?;
    for _ in 0..AGAIN {
        let dear: Vec<&str> = dear(&accepted.instructions, &least).collect();
        if dear.is_empty() {
            break;
        }
        eprintln!("{} seems dear: it is counted again", dear.join(", "));
        for (name, count) in count(&program, &dear)? {
            least.entry(name).and_modify(|least| *least = count.min(*least)).or_insert(count);
        }
    }
    print(&accepted.instructions, &least);
    let dear: Vec<&str> = dear(&accepted.instructions, &least).collect();
    let same_compiler = accepted.rustc == rustc()?;
    counts.passed += (least.len() - dear.len()) as u64;
    if dear.is_empty() {
        return Ok(());
    }
    let what = format!(
        "{} needs more than {TOLERANCE} % more instructions for a request than was accepted",
        dear.join(", ")
    );
    if !same_compiler {
        eprintln!(
            "{what}, of rustc {} though, and this is another: that fails nothing. `cargo xtask bench instructions --accept` writes \
             down this one's",
            accepted.rustc
        );
        counts.skipped += dear.len() as u64;
        return Ok(());
    }
    counts.failed += dear.len() as u64;
    bail!(
        "{what}. If that is worth it: `cargo xtask bench instructions --accept`, and commit {ACCEPTED} with the reason. Where they \
         go: `valgrind --tool=callgrind` on `{} serve` (see there), and callgrind_annotate",
        program.display()
    )
}

/// Compiles what counts; `None`, with a word, where nothing can be counted.
fn program(root: &Path) -> Result<Option<PathBuf>> {
    let (system, machine) = MACHINE;
    if (std::env::consts::OS, std::env::consts::ARCH) != MACHINE {
        eprintln!("skipped: instructions are kept of {machine} on {system} alone");
        return Ok(None);
    }
    if !extras::ensure(&[extras::VALGRIND])? {
        eprintln!("skipped: without valgrind no instructions are counted");
        return Ok(None);
    }
    let mut build = cargo();
    build.args([
        "build",
        "--locked",
        "--profile",
        "counted",
        "--package",
        "proxy",
        "--example",
        "instructions",
    ]);
    shell::run(&mut build)?;
    Ok(Some(build::target(root).join("counted/examples/instructions")))
}

/// Counts these scenarios, or all.
fn count(program: &Path, scenarios: &[&str]) -> Result<Instructions> {
    let mut found = Instructions::new();
    shell::watched(Command::new(program).args(scenarios), |line| {
        if let Some((name, count)) = line.split_once(' ')
            && let Ok(count) = count.parse()
        {
            found.insert(name.to_owned(), count);
        }
    })?;
    Ok(found)
}

fn medians(all: &[Instructions]) -> Instructions {
    let names = all.iter().flat_map(BTreeMap::keys);
    names
        .map(|name| {
            let mut counts: Vec<u64> = all.iter().filter_map(|one| one.get(name).copied()).collect();
            counts.sort_unstable();
            (name.clone(), counts[counts.len() / 2])
        })
        .collect()
}

/// Scenarios that need too many. One that nobody has accepted yet is among them, and one that was not counted.
fn dear<'a>(accepted: &'a Instructions, now: &'a Instructions) -> impl Iterator<Item = &'a str> {
    let too_many = move |name: &str| match (accepted.get(name), now.get(name)) {
        (Some(accepted), Some(now)) => now * 100 > accepted * (100 + TOLERANCE),
        _ => true,
    };
    let new = now.keys().filter(|name| !accepted.contains_key(*name));
    accepted.keys().chain(new).map(String::as_str).filter(move |name| too_many(name))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn change(before: u64, now: u64) -> f64 {
    now as f64 / before as f64 - 1.0
}

fn print(accepted: &Instructions, now: &Instructions) {
    println!("\n{:<16} {:>10} {:>10} {:>8}", "for a request", "accepted", "now", "change");
    for (name, now) in now {
        match accepted.get(name) {
            Some(before) => {
                println!("{name:<16} {before:>10} {now:>10} {:>+7.1}%", change(*before, *now) * 100.0);
            }
            None => println!("{name:<16} {:>10} {now:>10}", "–"),
        }
    }
}

fn rustc() -> Result<String> {
    let text = shell::output(Command::new("rustc").arg("-vV"))?;
    let release = text.lines().find_map(|line| line.strip_prefix("release: "));
    Ok(release.context("`rustc -vV` names no release")?.to_owned())
}

impl Accepted {
    fn parse(text: &str) -> Result<Self> {
        let mut found = Self::default();
        for line in
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '[']))
        {
            let (name, value) = line.split_once(" = ").with_context(|| format!("«{line}» in {ACCEPTED}"))?;
            if name == "rustc" {
                value.trim_matches('"').clone_into(&mut found.rustc);
            } else {
                let count = value.parse().with_context(|| format!("«{line}» in {ACCEPTED}"))?;
                found.instructions.insert(name.to_owned(), count);
            }
        }
        Ok(found)
    }

    fn text(&self) -> String {
        let lines: String =
            self.instructions.iter().map(|(name, count)| format!("{name} = {count}\n")).collect();
        format!(
            "# Instructions that the built-in proxy needs for a request. `cargo xtask test` fails where it needs {TOLERANCE} % more;\n\
             # `cargo xtask bench instructions --accept` writes this file. What each scenario is: proxy/examples/instructions.\n\
             rustc = \"{}\"\n\n[instructions]\n{lines}",
            self.rustc
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(all: &[(&str, u64)]) -> Instructions {
        all.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn what_is_accepted_is_read_as_it_was_written() {
        let accepted =
            Accepted { rustc: "1.95.0".to_owned(), instructions: counts(&[("http1", 1), ("tls", 20)]) };
        assert_eq!(Accepted::parse(&accepted.text()).unwrap(), accepted);
        assert!(Accepted::parse("http1 = many").is_err());
    }

    #[test]
    fn more_than_the_tolerance_is_dear() {
        let accepted = counts(&[("a", 1000), ("b", 1000), ("gone", 5)]);
        let now = counts(&[("a", 1050), ("b", 1051), ("new", 1)]);
        assert_eq!(dear(&accepted, &now).collect::<Vec<_>>(), ["b", "gone", "new"]);
    }

    #[test]
    fn one_count_far_off_is_not_accepted() {
        let all = [counts(&[("a", 10)]), counts(&[("a", 90)]), counts(&[("a", 11)])];
        assert_eq!(medians(&all), counts(&[("a", 11)]));
    }
}
