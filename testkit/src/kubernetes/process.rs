//! A program of the cluster, which can be killed and started again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A program; it is killed with the value, and what it said last is printed where a test has failed.
#[derive(Debug)]
pub(super) struct Process {
    command: Command,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// Starts it; what it says goes to `NAME.log` in a folder.
    pub(super) fn start(command: Command, name: &str, folder: &Path) -> Self {
        let mut process = Self { command, log: folder.join(format!("{name}.log")), child: None };
        process.restart();
        process
    }

    /// Starts it, unless it runs.
    pub(super) fn restart(&mut self) {
        if !self.is_running() {
            let log = File::options().create(true).append(true).open(&self.log).unwrap();
            self.command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
            self.child = Some(self.command.spawn().unwrap());
        }
    }

    /// Kills it, and waits until it is gone.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Whether it runs.
    pub(super) fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Its process.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends a signal, by its name. A shell has `kill` where there is no such program.
    pub(super) fn signal(&self, name: &str) {
        let sent = format!("kill -s {name} {}", self.id().unwrap());
        assert!(Command::new("sh").args(["-c", &sent]).status().unwrap().success(), "{sent}");
    }

    /// The last lines that it said.
    pub(super) fn said(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        format!("{}:\n{}", self.log.display(), lines[lines.len().saturating_sub(LAST)..].join("\n"))
    }
}

/// So many lines are shown of a log.
const LAST: usize = 25;

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.said());
        }
        self.kill();
    }
}
