//! Steps in a row: what each took, which failed, and how many tests there were.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::setup::progress::seconds;

/// How many tests passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were not run.
    pub(crate) skipped: u64,
    /// Of those that the next summary will say passed, the ones that only said why they could not run.
    hollow: u64,
}

impl Counts {
    /// Adds what a line of a test's output says, if it is the line that sums it up.
    pub(crate) fn read(&mut self, line: &str) {
        if line.trim().starts_with(SKIPPED) {
            self.hollow += 1;
            return;
        }
        let Some(summary) = line.trim().strip_prefix("test result: ") else { return };
        for (count, what) in summary.split([';', '.']).filter_map(|part| part.trim().split_once(' ')) {
            let Ok(count) = count.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.skipped += count,
                _ => (),
            }
        }
        let hollow = std::mem::take(&mut self.hollow).min(self.passed);
        self.passed -= hollow;
        self.skipped += hollow;
    }
}

/// How a line begins that a test writes to its standard output when the machine lacks what it needs.
const SKIPPED: &str = "skipped: ";

/// What happened so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    steps: Vec<(String, Duration, bool)>,
    /// All tests of all steps.
    pub(crate) counts: Counts,
}

impl Report {
    /// Does a step and notes how it went; later steps are done even when it failed.
    pub(crate) fn step<T>(&mut self, name: &str, work: impl FnOnce(&mut Counts) -> Result<T>) -> Option<T> {
        eprintln!("\n── {name}");
        let start = Instant::now();
        let result = work(&mut self.counts);
        self.steps.push((name.to_owned(), start.elapsed(), result.is_ok()));
        result.inspect_err(|error| eprintln!("FAILED {name}: {error:#}")).ok()
    }

    /// Says how everything went; an error if anything failed.
    pub(crate) fn finish(self) -> Result<()> {
        let width = self.steps.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
        println!();
        for (name, time, passed) in &self.steps {
            println!("{}  {name:width$}  {}", if *passed { "ok    " } else { "FAILED" }, seconds(*time));
        }
        let Counts { passed, failed, skipped, .. } = self.counts;
        if self.counts != Counts::default() {
            let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
            println!("{passed} passed, {failed} failed{skipped}");
        }
        let failures: Vec<String> =
            self.steps.into_iter().filter(|(.., passed)| !passed).map(|(name, ..)| name).collect();
        if !failures.is_empty() {
            bail!("failed: {}", failures.join(", "));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_test_runs_are_added_up() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 14 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.10s",
            "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ] {
            counts.read(line);
        }
        assert_eq!(counts, Counts { passed: 16, failed: 3, skipped: 1, hollow: 0 });
    }

    #[test]
    fn a_test_that_says_that_it_cannot_run_has_not_passed() {
        let mut counts = Counts::default();
        for line in [
            "test one ... ok",
            "skipped: there is no such thing here",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
        ] {
            counts.read(line);
        }
        assert_eq!(counts, Counts { passed: 1, failed: 0, skipped: 1, hollow: 0 });
    }

    #[test]
    fn later_steps_are_done_and_the_failure_is_kept() {
        let mut report = Report::default();
        assert_eq!(report.step("one", |_| -> Result<()> { bail!("no") }), None);
        assert_eq!(report.step("two", |_| Ok(2)), Some(2));
        assert_eq!(report.finish().unwrap_err().to_string(), "failed: one");
    }
}
