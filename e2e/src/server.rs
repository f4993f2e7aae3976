//! The server as a process of its own, in a temporary data folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running server. Ends with the value.
pub struct Server {
    child: Child,
    /// `127.0.0.1:<port>`.
    pub address: String,
    data: TempDir,
}

/// The server's binary: `MESHWRIGHT_BIN`, or the release build of this workspace.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("MESHWRIGHT_BIN") {
        return Ok(path.into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let path = target.join("release/meshwright");
    if !path.exists() {
        bail!("{} is missing: `cargo xtask test` builds it, or set MESHWRIGHT_BIN", path.display());
    }
    Ok(path)
}

impl Server {
    /// Starts the server with further arguments and waits until it says where it listens.
    pub async fn start(args: &[&str]) -> Result<Self> {
        Self::start_in(TempDir::new()?, "127.0.0.1:0", args).await
    }

    async fn start_in(data: TempDir, listen: &str, args: &[&str]) -> Result<Self> {
        let mut child = Command::new(binary()?)
            .arg("serve")
            .args(["--listen", listen, "--data"])
            .arg(data.path())
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .context("start the server")?;
        let stdout = child.stdout.take().context("the server has no stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = tokio::time::timeout(Duration::from_secs(30), async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = address_in(&line) {
                    return Ok(address);
                }
            }
            bail!("the server ended before it said where it listens")
        })
        .await
        .context("the server did not say where it listens")??;
        // Drained so that the server never blocks on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, address, data })
    }

    /// The designer's address.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Its process, as long as it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The folder of the revision log.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Kills the server with SIGKILL and starts it again on the same data.
    pub async fn crash(mut self, args: &[&str]) -> Result<Self> {
        self.child.kill().await?;
        Self::start_in(self.data, "127.0.0.1:0", args).await
    }

    /// As [`Server::crash`], at the same address: what a browser keeps of a page, it keeps by that.
    pub async fn restart(mut self, args: &[&str]) -> Result<Self> {
        self.child.kill().await?;
        Self::start_in(self.data, &self.address, args).await
    }
}

/// `127.0.0.1:7080` of `designer: http://127.0.0.1:7080/`.
fn address_in(line: &str) -> Option<String> {
    let rest = line.split_once("http://")?.1;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".:[]".contains(c))).unwrap_or(rest.len());
    Some(rest[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::address_in;

    #[test]
    fn the_address_is_found_in_the_line() {
        let check = |line: &str, expected: Option<&str>| assert_eq!(address_in(line).as_deref(), expected);
        check("designer: http://127.0.0.1:7080/", Some("127.0.0.1:7080"));
        check("open http://[::1]:80", Some("[::1]:80"));
        check("starting", None);
    }
}
