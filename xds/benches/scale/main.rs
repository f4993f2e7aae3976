//! How far the server goes: meshes of many services, many clients, what an edit costs.
//!
//! Three kinds of processes, so that each is measured by itself: this one starts, for each size, a server; the server starts its clients.
//! `cargo xtask bench xds` runs it; arguments are sizes, as in `1000x100` for services and clients.

#![allow(clippy::disallowed_methods, reason = "a measurement may wait and read as it likes")]

mod client;
mod made;
mod parser;
mod process;
mod server;

use std::process::Command;

/// Services and clients, unless arguments say others.
const SIZES: [&str; 4] = ["1000x100", "1000x1000", "10000x100", "10000x1000"];

/// What can go wrong; a measurement that fails is not one.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    // Cargo says `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["server", services, clients] => {
            runtime()?.block_on(server::run(services.parse()?, clients.parse()?))
        }
        ["clients", address, count, names] => {
            runtime()?.block_on(client::run(address.parse()?, count.parse()?, names.as_ref()))
        }
        [] => sizes(&SIZES),
        ref sizes => self::sizes(sizes),
    }
}

fn sizes(sizes: &[&str]) -> Result<(), Failure> {
    println!("{}", server::HEAD);
    for size in sizes {
        let (services, clients) = size.split_once('x').ok_or("a size is, as an example, 1000x100")?;
        let status = Command::new(std::env::current_exe()?).args(["server", services, clients]).status()?;
        if !status.success() {
            return Err(format!("{size} failed: {status}").into());
        }
    }
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}
