//! Steps that run side by side, with one line of progress for all of them.

use std::io::{IsTerminal, Write, stderr};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Something that has to be set up.
pub(crate) struct Step {
    /// What: a name and a version.
    pub(crate) what: String,
    /// Why it is needed, in a few words.
    pub(crate) why: &'static str,
    /// How it is done and how long that takes.
    pub(crate) how: &'static str,
    /// Does it; says afterwards what was done.
    pub(crate) work: Box<dyn FnOnce(&Progress) -> Result<String> + Send>,
}

/// Where a step says how far it is.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<String>);

impl Progress {
    /// Replaces what the step is at.
    pub(crate) fn set(&self, status: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = status.into();
    }

    /// Understands a line that cargo prints.
    pub(crate) fn cargo(&self, line: &str) {
        if let Some(status) = cargo_status(line) {
            self.set(status);
        }
    }

    fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Runs all steps at once: while one downloads, the others compile. All of them are run to their end
/// even when one fails, since what is done need not be done again.
pub(crate) fn run(steps: Vec<Step>) -> Result<()> {
    let width = steps.iter().map(|step| step.what.len()).max().unwrap_or(0);
    for step in &steps {
        eprintln!("setup  {:width$}  {} · {}", step.what, step.why, step.how);
    }
    let start = Instant::now();
    let progress: Vec<(String, Progress)> =
        steps.iter().map(|step| (step.what.clone(), Progress::default())).collect();
    let mut running = vec![true; steps.len()];
    let mut failures = Vec::new();
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for (index, step) in steps.into_iter().enumerate() {
            let (sender, progress) = (sender.clone(), &progress[index].1);
            scope.spawn(move || {
                let result = (step.work)(progress);
                // The receiver outlives every step: it is dropped after the last one has reported.
                let _ = sender.send((index, result));
            });
        }
        drop(sender);
        let screen = Screen::new();
        loop {
            match receiver.recv_timeout(screen.interval) {
                Ok((index, result)) => {
                    running[index] = false;
                    let what = &progress[index].0;
                    let time = seconds(start.elapsed());
                    match result {
                        Ok(done) => screen.line(&format!("done   {what:width$}  {done} ({time})")),
                        Err(error) => {
                            screen.line(&format!("FAILED {what:width$}  {error:#} ({time})"));
                            failures.push(what.as_str());
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    let parts = progress.iter().zip(&running).filter(|(_, running)| **running);
                    let parts: Vec<String> =
                        parts.map(|((what, progress), _)| format!("{what}: {}", progress.get())).collect();
                    screen.status(&format!("{:>6}  {}", seconds(start.elapsed()), parts.join(" · ")));
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    if !failures.is_empty() {
        bail!("set-up is not complete: {}", failures.join(", "));
    }
    Ok(())
}

/// Lines for the record, and below them a status: redrawn on a terminal, now and then a line elsewhere.
struct Screen {
    terminal: bool,
    interval: Duration,
}

impl Screen {
    fn new() -> Self {
        let terminal = stderr().is_terminal();
        let interval = if terminal { Duration::from_millis(200) } else { Duration::from_secs(20) };
        Self { terminal, interval }
    }

    fn status(&self, text: &str) {
        if self.terminal {
            let short: String = text.chars().take(110).collect();
            eprint!("\r\x1b[2K{short}");
            let _ = stderr().flush();
        } else {
            eprintln!("{text}");
        }
    }

    fn line(&self, text: &str) {
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        eprintln!("{clear}{text}");
    }
}

/// A duration as people say it: `0.4 s`, `12 s`, `2 min 05 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// What a line of cargo's says about how far it is: `123/368` out of its progress bar, or what it does
/// before there is one.
fn cargo_status(line: &str) -> Option<String> {
    let line = line.trim_start_matches(['\x1b', '[', 'K', ' ']);
    let (verb, rest) = line.trim().split_once(' ')?;
    match verb {
        "Building" => {
            let (_, counts) = rest.split_once("] ")?;
            Some(counts.split([':', ' ']).next()?.to_owned())
        }
        "Updating" | "Downloading" | "Blocking" | "Locking" | "Installing" => Some(verb.to_lowercase()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_how_far_it_is() {
        #[track_caller]
        fn check(line: &str, expected: Option<&str>) {
            assert_eq!(cargo_status(line).as_deref(), expected);
        }
        check("    Building [=====>        ] 123/368: syn, serde_derive", Some("123/368"));
        check("    Building [>             ] 0/368", Some("0/368"));
        check("\x1b[K    Building [=>  ] 7/9: x", Some("7/9"));
        check(" Downloading crates ...", Some("downloading"));
        check("   Compiling syn v3.0.10", None);
        check("", None);
    }

    #[test]
    fn durations_read_well() {
        #[track_caller]
        fn check(millis: u64, expected: &str) {
            assert_eq!(seconds(Duration::from_millis(millis)), expected);
        }
        check(430, "0.4 s");
        check(12_900, "12 s");
        check(125_000, "2 min 05 s");
    }

    fn step(what: &str, result: Result<String>) -> Step {
        Step { what: what.to_owned(), why: "", how: "", work: Box::new(move |_| result) }
    }

    #[test]
    fn all_steps_run_and_failures_are_named() {
        assert!(run(vec![step("a", Ok(String::new()))]).is_ok());
        let steps = vec![step("a", Err(anyhow::anyhow!("no"))), step("b", Ok(String::new()))];
        assert_eq!(run(steps).unwrap_err().to_string(), "set-up is not complete: a");
    }
}
