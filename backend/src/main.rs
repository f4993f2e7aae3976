//! The program: parses its arguments and runs the command that they name.

use clap::Parser;

fn main() -> anyhow::Result<std::process::ExitCode> {
    meshwright::cli::Cli::parse().run()
}
