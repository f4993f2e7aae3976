//! istiod with a gateway's and a sidecar's Envoy, and the built-in proxy in both their places. All on loopback, all ended with the
//! value.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use e2e::istio::{self, Istiod, Kind, Mesh};
use e2e::program::Program;
use tempfile::TempDir;

/// Ports of loopback that were free.
pub(crate) struct Ports {
    /// The services' port, at which the sidecar listens too.
    pub(crate) service: u16,
    /// A port that only some service has.
    pub(crate) other: u16,
    /// The gateway's.
    pub(crate) gateway: u16,
    /// istiod's: HTTP, gRPC, gRPC with TLS, webhooks, monitoring.
    istiod: [u16; 5],
}

impl Ports {
    pub(crate) fn free() -> Self {
        let [service, other, gateway, a, b, c, d, e] = testkit::free_ports();
        Self { service, other, gateway, istiod: [a, b, c, d, e] }
    }
}

/// Istio.
pub(crate) struct Lab {
    pub(crate) gateway: SocketAddr,
    pub(crate) sidecar: SocketAddr,
    // In the order in which they end.
    _envoys: [Program; 2],
    _istiod: Istiod,
    _folder: TempDir,
}

impl Lab {
    pub(crate) fn start(istiod: &Path, envoy: &Path, mesh: &str, ports: &Ports) -> Result<Self> {
        let folder = TempDir::new()?;
        let config = folder.path().join("config");
        fs::create_dir_all(&config)?;
        fs::write(config.join("mesh.yaml"), mesh)?;
        fs::write(config.join("sidecar.yaml"), istio::sidecar(ports.service))?;
        let istiod = Istiod::start(istiod, folder.path(), Mesh::Files, ports.istiod, "1ms")?;
        let start = |kind, port| istiod.envoy(envoy, kind, folder.path(), port, READY);
        let envoys = [start(Kind::Gateway, ports.gateway)?, start(Kind::Sidecar, ports.service)?];
        let [gateway, sidecar] =
            [ports.gateway, ports.service].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        Ok(Self { gateway, sidecar, _envoys: envoys, _istiod: istiod, _folder: folder })
    }
}

/// The host that says whether routes have come.
const READY: &str = "ready.example.com";

/// The built-in proxy on the same files.
pub(crate) struct Ours {
    pub(crate) gateway: SocketAddr,
    pub(crate) sidecar: SocketAddr,
    _programs: [Program; 2],
    _folder: TempDir,
}

impl Ours {
    pub(crate) fn start(mesh: &str, ports: &Ports) -> Result<Self> {
        let folder = TempDir::new()?;
        fs::write(folder.path().join("mesh.yaml"), mesh)?;
        let (gateway, first) = own(folder.path(), ["--gateway", "default/edge"], ports.gateway)?;
        let (sidecar, second) = own(folder.path(), ["--workload", "default/client"], ports.service)?;
        Ok(Self { gateway, sidecar, _programs: [first, second], _folder: folder })
    }
}

/// One proxy, and where the port of the mesh is served.
fn own(mesh: &Path, source: [&str; 2], port: u16) -> Result<(SocketAddr, Program)> {
    let mut command = Command::new(e2e::binary()?);
    command.arg("proxy").arg("--mesh").arg(mesh).args(source).args([
        "--listen",
        "127.0.0.1:0",
        "--threads",
        "1",
    ]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().context("start the built-in proxy")?;
    let stdout = child.stdout.take();
    let program = Program::from(child);
    let stdout = stdout.context("the built-in proxy has no standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    let first = lines.next().context("the built-in proxy has ended")??;
    let address = first.strip_prefix("listening on ").with_context(|| format!("not an address: {first}"))?;
    let address: SocketAddr = address.parse()?;
    if !istio::answers(address, &format!("{READY}:{port}")) {
        bail!("the built-in proxy does not serve port {port} on {address}");
    }
    // Drained, so that it never blocks on a full pipe.
    thread::spawn(move || lines.for_each(drop));
    Ok((address, program))
}
