//! `cargo xtask run`: the designer, from nothing to a page.

use std::env;
use std::ffi::{OsStr, OsString};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::build::{self, Profile};
use crate::cache::Cache;
use crate::page;
use crate::setup::progress::{Step, seconds};
use crate::setup::{self, Needs, cargo_tool};
use crate::shell;

/// The server's own name for the address that it listens on.
const LISTEN: &str = "MESHWRIGHT_LISTEN";

/// The designer's port, when nobody says otherwise and it is free.
pub(crate) const PORT: u16 = 7080;

/// Builds everything and becomes the server, so that whoever stops us stops it.
pub(crate) fn run(root: &Path, open: bool, args: &[OsString]) -> Result<()> {
    let start = Instant::now();
    let program = build(root)?;
    let address = match address(args, env::var_os(LISTEN).as_deref()) {
        Some(given) => given,
        None => format!("127.0.0.1:{}", free_port(PORT)?),
    };
    let url = format!("http://{}", address.replace("0.0.0.0", "127.0.0.1"));
    eprintln!("\nready after {}: Meshwright is at {url}  (Ctrl-C ends it)\n", seconds(start.elapsed()));
    if open && has_desktop() {
        open_in_background(&address)?;
    }
    let mut server = Command::new(program);
    server.args(args).env(LISTEN, &address);
    replace(server)
}

/// Builds what a first look needs, and returns the program.
fn build(root: &Path) -> Result<PathBuf> {
    // Where tools are compiled first, the server is beside them: neither leaves all cores busy to its end.
    let log = Cache::of_user()?.log("server");
    let server_first = Step {
        what: "the server".to_owned(),
        why: "it does not wait for the tools",
        how: "cargo build; about 3 min on 2 cores",
        work: Box::new(move |progress| {
            let mut cargo = build::server_command(Profile::Quick);
            shell::logged(cargo_tool::with_progress(&mut cargo), &log, |line| progress.cargo(line))?;
            Ok("compiled".to_owned())
        }),
    };
    let tools = setup::ensure_beside(root, Needs::Page, vec![server_first])?;
    page::build(root, &tools)?;
    build::server(root, Profile::Quick)
}

/// Where the server will listen, if the arguments or the environment say so.
fn address(args: &[OsString], variable: Option<&OsStr>) -> Option<String> {
    let mut args = args.iter().map(|arg| arg.to_string_lossy());
    while let Some(arg) = args.next() {
        if arg == "--listen" {
            return args.next().map(Into::into);
        }
        if let Some(address) = arg.strip_prefix("--listen=") {
            return Some(address.to_owned());
        }
    }
    variable.map(|value| value.to_string_lossy().into_owned())
}

/// The first port from `first` that nobody listens on.
pub(crate) fn free_port(first: u16) -> Result<u16> {
    (first..first.saturating_add(100))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .with_context(|| format!("no free port from {first} on"))
}

fn has_desktop() -> bool {
    cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some_and(|v| !v.is_empty()))
}

/// Starts [`open_when_ready`] as a process of its own: we are about to become the server.
fn open_in_background(address: &str) -> Result<()> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["open", address]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("starting what opens the browser")?;
    Ok(())
}

/// Waits until somebody listens, then opens the page in the user's browser.
pub(crate) fn open_when_ready(address: &str) -> Result<()> {
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        if start.elapsed() > Duration::from_secs(60) {
            bail!("nobody listens on {address}");
        }
        thread::sleep(Duration::from_millis(100));
    }
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    shell::run(Command::new(opener).arg(format!("http://{address}")))
}

#[cfg(unix)]
fn replace(mut server: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    // Only returns when it fails.
    Err(server.exec()).context("starting the server")
}

#[cfg(not(unix))]
fn replace(mut server: Command) -> Result<()> {
    shell::run(&mut server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_what_the_server_will_take() {
        #[track_caller]
        fn check(line: &str, variable: Option<&str>, expected: Option<&str>) {
            let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(address(&args, variable.map(OsStr::new)).as_deref(), expected);
        }
        check("--rate 0", None, None);
        check("--listen 127.0.0.1:9", None, Some("127.0.0.1:9"));
        check("--rate 1 --listen=[::1]:9", Some("x"), Some("[::1]:9"));
        check("", Some("127.0.0.1:7"), Some("127.0.0.1:7"));
    }

    #[test]
    fn a_taken_port_is_passed_over() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_port(port).unwrap(), port);
    }
}
