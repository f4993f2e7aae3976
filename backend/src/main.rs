//! The program: parses its arguments and runs the command that they name.

use std::process::ExitCode;

use clap::Parser;

/// Requests allocate a lot that lives shortly, and this one's places are still in the processor's cache when they are used again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match meshwright::cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            // With its causes, on one line; a backtrace helps nobody who mistyped a path.
            eprintln!("meshwright: {error:#}");
            ExitCode::FAILURE
        }
    }
}
