//! The command line.

use std::ffi::OsString;

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;

use crate::setup::Needs;

/// What `cargo xtask help` prints.
pub(crate) const HELP: &str = "\
Set-up and chores. Every command sets up what it needs and is missing, once.

cargo xtask run [--no-open] [-- ARGS]  builds everything and starts the designer, with ARGS for it
cargo xtask dev [-- ARGS]              the same for developing: the page is rebuilt as files change
cargo xtask build                      builds everything: target/release/meshwright
cargo xtask test [--no-browser]        every test, and the journeys through a real browser
cargo xtask check                      format, lints, docs, purity, circles, licences, file sizes
cargo xtask bench NAME [-- ARGS]       one measurement: loop, page, proxy, xds, …
cargo xtask fuzz [NAME] [--seconds N]   made-up input from outsiders, by libFuzzer: all, or one
cargo xtask setup [wasm|ui|all|parts]  set-up alone: for `cargo build`, for Trunk, for tests (default); Kubernetes and Istio
";

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Says what there is.
    Help,
    /// Builds and starts the designer.
    Run { open: bool, args: Vec<OsString> },
    /// Starts it for developing.
    Dev { args: Vec<OsString> },
    /// Builds it.
    Build,
    /// Tests it.
    Test { browser: bool },
    /// Checks all that is not a test.
    Check,
    /// Measures it.
    Bench { name: String, args: Vec<OsString> },
    /// Fuzzes it.
    Fuzz { name: Option<String>, seconds: Option<u32> },
    /// Sets tools up.
    Setup(Needs),
    /// Builds what tests with Kubernetes and Istio are made with.
    Parts,
    /// Opens a page once it is there; `run` starts this beside the server.
    Open { address: String },
}

/// Understands the arguments, without the program's name.
pub(crate) fn parse<I>(args: I) -> Result<Task>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let mut parser = lexopt::Parser::from_args(args);
    let command = match parser.next()? {
        None | Some(Short('h') | Long("help")) => return Ok(Task::Help),
        Some(Value(command)) => command.string()?,
        Some(option) => return Err(option.unexpected().into()),
    };
    let mut task = match command.as_str() {
        "help" => Task::Help,
        "run" => Task::Run { open: true, args: Vec::new() },
        "dev" => Task::Dev { args: Vec::new() },
        "build" => Task::Build,
        "test" => Task::Test { browser: true },
        "check" => Task::Check,
        "bench" => {
            Task::Bench { name: value(&mut parser, "which one: `cargo xtask bench NAME`")?, args: Vec::new() }
        }
        "fuzz" => Task::Fuzz { name: None, seconds: None },
        "setup" => Task::Setup(Needs::Browser),
        "open" => Task::Open { address: value(&mut parser, "an address")? },
        unknown => bail!("there is no command `{unknown}`\n\n{HELP}"),
    };
    while let Some(arg) = parser.next()? {
        match (&mut task, arg) {
            (_, Short('h') | Long("help")) => return Ok(Task::Help),
            (Task::Run { open, .. }, Long("no-open")) => *open = false,
            (Task::Test { browser }, Long("no-browser")) => *browser = false,
            (Task::Bench { args, .. }, Long("accept")) => args.push("--accept".into()),
            (Task::Fuzz { name, .. }, Value(given)) if name.is_none() => *name = Some(given.string()?),
            (Task::Fuzz { seconds, .. }, Long("seconds")) => *seconds = Some(parser.value()?.parse()?),
            (Task::Setup(_), Value(name)) => {
                task = match name.string()?.as_str() {
                    "wasm" => Task::Setup(Needs::Wasm),
                    "ui" => Task::Setup(Needs::Ui),
                    "all" => Task::Setup(Needs::Browser),
                    "parts" => Task::Parts,
                    other => bail!("set-up is for wasm, ui, all or parts, not `{other}`"),
                }
            }
            // lexopt has swallowed the `--`: what follows are values, the first of which it hands out.
            (Task::Run { args, .. } | Task::Dev { args } | Task::Bench { args, .. }, Value(first)) => {
                args.push(first);
                args.extend(parser.raw_args()?);
            }
            (_, arg) => return Err(arg.unexpected().into()),
        }
    }
    Ok(task)
}

fn value(parser: &mut lexopt::Parser, what: &'static str) -> Result<String> {
    match parser.next()? {
        Some(Value(value)) => Ok(value.string()?),
        _ => None.context(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &Task) {
        assert_eq!(&parse(line.split_whitespace()).unwrap(), expected);
    }

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn commands_are_understood() {
        check("", &Task::Help);
        check("--help", &Task::Help);
        check("run --help", &Task::Help);
        check("run", &Task::Run { open: true, args: vec![] });
        check("run --no-open", &Task::Run { open: false, args: vec![] });
        check("run --no-open -- --rate 0 x", &Task::Run { open: false, args: words("--rate 0 x") });
        check("run -- --no-open", &Task::Run { open: true, args: words("--no-open") });
        check("dev -- --mesh m", &Task::Dev { args: words("--mesh m") });
        check("test", &Task::Test { browser: true });
        check("test --no-browser", &Task::Test { browser: false });
        check("bench loop", &Task::Bench { name: "loop".into(), args: vec![] });
        check("bench loop -- -n 3", &Task::Bench { name: "loop".into(), args: words("-n 3") });
        check(
            "bench instructions --accept",
            &Task::Bench { name: "instructions".into(), args: words("--accept") },
        );
        check("setup", &Task::Setup(Needs::Browser));
        check("setup wasm", &Task::Setup(Needs::Wasm));
        check("setup parts", &Task::Parts);
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for line in ["walk", "--quickly", "run --fast", "bench", "setup everything", "check now"] {
            assert!(parse(line.split_whitespace()).is_err(), "{line}");
        }
    }
}
