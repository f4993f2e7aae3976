//! The program: parses its arguments and runs the command that they name.

use std::process::ExitCode;

use clap::Parser;

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
