//! `cargo xtask dev`: Trunk's live reload in front of a debug server.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build::{self, Profile};
use crate::run::{PORT, free_port};
use crate::setup::{self, Needs};

/// Starts both and ends both: when one of them stops, so does the other.
pub(crate) fn dev(root: &Path, args: &[OsString]) -> Result<()> {
    let tools = setup::ensure(root, Needs::Ui)?;
    // Trunk.toml forwards the API to this port.
    if free_port(PORT)? != PORT {
        bail!("port {PORT} is taken, by another Meshwright perhaps: end it first");
    }
    let program = build::server(root, Profile::Debug)?;
    let mut server = Command::new(program)
        .args(args)
        .env("MESHWRIGHT_LISTEN", format!("127.0.0.1:{PORT}"))
        .spawn()
        .context("starting the server")?;
    let mut trunk = Command::new("trunk");
    trunk.args(["serve", "--dist"]).arg(build::target(root).join("ui-dev"));
    let trunk = tools.apply(&mut trunk).spawn().context("starting Trunk");
    let result = trunk.and_then(|mut trunk| {
        let result = first_to_end(&mut server, &mut trunk);
        end(&mut trunk);
        result
    });
    end(&mut server);
    result
}

fn first_to_end(server: &mut Child, trunk: &mut Child) -> Result<()> {
    loop {
        if let Some(status) = server.try_wait()? {
            bail!("the server ended ({status})");
        }
        if let Some(status) = trunk.try_wait()? {
            bail!("Trunk ended ({status})");
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn end(child: &mut Child) {
    // It may have ended already, which is all that is wanted.
    let _ = child.kill();
    let _ = child.wait();
}
