//! Set-up and chores: `cargo xtask help`.
//!
//! It is the first thing that a newcomer compiles: it stays small, and depends on next to nothing.

mod args;
mod bench;
mod build;
mod cache;
mod check;
mod dev;
mod fuzz;
mod instructions;
mod lockfile;
mod page;
mod report;
mod run;
mod setup;
mod shell;
mod sync;
mod test;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use self::args::Task;

fn main() -> ExitCode {
    match args::parse(env::args_os().skip(1)).and_then(perform) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<()> {
    // The workspace is where this crate lies in; paths in messages are relative to it.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    env::set_current_dir(root)?;
    match task {
        Task::Help => print!("{}", args::HELP),
        Task::Run { open, args } => run::run(root, open, &args)?,
        Task::Dev { args } => dev::dev(root, &args)?,
        Task::Build => drop(build::all(root)?),
        Task::Test { browser } => test::test(root, browser)?,
        Task::Check => check::check(root)?,
        Task::Bench { name, args } => bench::bench(root, &name, &args)?,
        Task::Fuzz { name, seconds } => fuzz::fuzz(root, name.as_deref(), seconds)?,
        Task::Setup(needs) => drop(setup::ensure(root, needs)?),
        Task::Parts => setup::parts::ensure(root, setup::parts::ALL)?
            .iter()
            .for_each(|(name, path)| println!("{name}={}", path.display())),
        Task::Open { address } => run::open_when_ready(&address)?,
    }
    Ok(())
}
