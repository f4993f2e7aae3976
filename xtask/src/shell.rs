//! Running other programs: in the foreground, for their output, or into a log with progress.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context, Result, bail};

/// Runs a program in the foreground, said first; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", show(command));
    let status = command.status().with_context(|| format!("starting {}", show(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", show(command));
    }
    Ok(())
}

/// Runs a program in the foreground like [`run`]; `on_line` sees each line of its standard output.
pub(crate) fn watched(command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<()> {
    eprintln!("$ {}", show(command));
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("starting {}", show(command)))?;
    for line in child.stdout.take().into_iter().flat_map(|pipe| BufReader::new(pipe).split(b'\n')) {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        on_line(&line);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}` failed ({status})", show(command));
    }
    Ok(())
}

/// Runs a program and returns its standard output, trimmed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting {}", show(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", show(command), output.status, stderr.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a program, run silently, succeeds before this much time has passed; it is ended if not.
pub(crate) fn succeeds_within(command: &mut Command, limit: Duration) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = silent.spawn() else { return false };
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if start.elapsed() < limit => thread::sleep(Duration::from_millis(50)),
            Ok(None) | Err(_) => {
                // It may have ended by itself in the meantime: either way it is gone now.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

/// Runs a program with all that it prints appended to `log`; `on_line` sees each line, or each
/// redrawing of a progress bar.
pub(crate) fn logged(command: &mut Command, log: &Path, on_line: impl Fn(&str) + Sync) -> Result<()> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("opening {}", log.display()))?;
    writeln!(file, "$ {}", show(command))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", show(command)))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let sink = Mutex::new(file);
    thread::scope(|scope| {
        scope.spawn(|| stdout.map(|pipe| follow(pipe, &sink, &on_line)));
        scope.spawn(|| stderr.map(|pipe| follow(pipe, &sink, &on_line)));
    });
    let status = child.wait()?;
    if !status.success() {
        let text = fs::read_to_string(log).unwrap_or_default();
        bail!("`{}` failed ({status}). The end of {}:\n{}", show(command), log.display(), tail(&text, 25));
    }
    Ok(())
}

fn follow(mut pipe: impl Read, sink: &Mutex<File>, on_line: &(impl Fn(&str) + Sync)) {
    let mut pending = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        pending.extend_from_slice(&buffer[..count]);
        while let Some(end) = pending.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let ended_by = pending[end];
            let line: Vec<u8> = pending.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]);
            on_line(&line);
            // A progress bar that is drawn again and again would only bury the rest of the log.
            if ended_by == b'\n' {
                let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = writeln!(sink, "{line}");
            }
        }
    }
}

/// The last `count` lines of a text.
fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Where a program is found on the PATH.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A command line as a person would type it.
fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args()).map(|word| {
        let word = word.to_string_lossy();
        if word.contains(char::is_whitespace) { format!("'{word}'") } else { word.into_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["build", "--features", "a b"]);
        assert_eq!(show(&command), "cargo build --features 'a b'");
    }

    #[test]
    fn the_tail_of_a_log() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }

    #[test]
    fn a_failure_shows_the_end_of_the_log_and_lines_are_seen() {
        let log = env::temp_dir().join(format!("xtask-log-{}", std::process::id()));
        let seen = Mutex::new(Vec::new());
        let mut command = Command::new("sh");
        command.args(["-c", "printf 'one\\rtwo\\n'; echo three >&2; exit 3"]);
        let error =
            logged(&mut command, &log, |line| seen.lock().unwrap().push(line.to_owned())).unwrap_err();
        let text = fs::read_to_string(&log).unwrap();
        fs::remove_file(&log).unwrap();
        let mut seen = seen.into_inner().unwrap();
        seen.sort();
        assert_eq!(seen, ["one", "three", "two"]);
        assert!(text.contains("\ntwo\n") && !text.contains("\none\n"), "{text}");
        assert!(error.to_string().contains("three"), "{error}");
    }
}
