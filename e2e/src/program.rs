//! Programs that end with the value that stands for them, and what they cost.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Longer than the slowest machine takes to start any of them.
const LONG: Duration = Duration::from_secs(60);
/// Between two looks at a program that does not say when it is ready.
const LOOK: Duration = Duration::from_millis(50);

/// A program that ends with the value.
pub struct Program(Child);

impl From<Child> for Program {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl Program {
    /// Its process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Starts it; what it says goes to a file.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self(command.spawn().with_context(|| format!("start {command:?}"))?))
    }

    /// Waits until something is so, as long as the program runs.
    pub fn until(&mut self, log: &Path, mut ready: impl FnMut() -> bool) -> Result<()> {
        let began = Instant::now();
        while !ready() {
            let ended = self.0.try_wait()?;
            if ended.is_some() || began.elapsed() > LONG {
                let text = fs::read_to_string(log).unwrap_or_default();
                let tail: Vec<_> = text.lines().rev().take(15).collect();
                bail!(
                    "{} ({ended:?}) is not ready:\n{}",
                    log.display(),
                    tail.into_iter().rev().collect::<Vec<_>>().join("\n")
                );
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
