//! How many instructions the proxy needs for a request, counted by callgrind: unlike time they are the same again on
//! another day and another machine, so that a change that costs 5 % is seen.
//!
//! `instructions [SCENARIO…]` prints a line for each scenario, its name and a count. The proxy runs under `valgrind` in a process
//! of its own, on one thread; servers and client are here. One client sends one request after the other on one connection:
//! what happens at the same time, or how many bytes come at once, would be chance. Each scenario is run with few and with
//! many requests, and counted is what the further ones cost: start and end are in both and drop out.

#![allow(clippy::disallowed_methods, reason = "a measurement may wait and read as it likes")]

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mesh::plan::compile;
use mesh::{Mesh, Registry, Settings, Source, Sources};
use proxy::{AccessLog, Config, Entry, Format, Proxy};

mod traffic;

use traffic::{Peers, Scenario};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Requests of the two runs.
const REQUESTS: [u32; 2] = [1_000, 5_000];

/// The gateway's port in the mesh; it listens on any.
const PORT: u16 = 80;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, folder] = arguments.as_slice()
        && first == "serve"
    {
        return serve(Path::new(folder));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let peers = runtime.block_on(Peers::start(folder.path()))?;
    for scenario in Scenario::ALL {
        if !arguments.is_empty() && !arguments.iter().any(|name| name == scenario.name) {
            continue;
        }
        std::fs::write(folder.path().join("mesh.yaml"), peers.mesh(&scenario))?;
        let [few, many] = REQUESTS;
        let run = |requests| -> Result<u64> {
            let counted = Counted::start(folder.path())?;
            let asked = runtime.block_on(peers.ask(&scenario, counted.address, requests));
            let instructions = counted.end()?;
            asked.map(|()| instructions)
        };
        let (least, most) = (run(few)?, run(many)?);
        println!("{} {}", scenario.name, most.saturating_sub(least) / u64::from(many - few));
    }
    Ok(())
}

/// The proxy under callgrind.
struct Counted {
    process: std::process::Child,
    address: SocketAddr,
    out: std::path::PathBuf,
}

impl Counted {
    fn start(folder: &Path) -> Result<Self> {
        let out = folder.join("callgrind.out");
        let mut process = Command::new("valgrind")
            .args(["--tool=callgrind", "--quiet", "--trace-children=no"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(std::env::current_exe()?)
            .arg("serve")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let mut said = std::io::BufReader::new(process.stdout.take().ok_or("it says nothing")?);
        std::io::BufRead::read_line(&mut said, &mut line)?;
        let address = line.trim().parse().map_err(|_| "the proxy did not start")?;
        Ok(Self { process, address, out })
    }

    /// Ends it; all instructions of its life.
    fn end(mut self) -> Result<u64> {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        if !status.success() {
            return Err(format!("the proxy ended with {status}").into());
        }
        let text = std::fs::read_to_string(&self.out)?;
        let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
        Ok(totals.ok_or("callgrind wrote no totals")?.trim().parse()?)
    }
}

/// Serves the folder's gateway until the input ends.
fn serve(folder: &Path) -> Result<()> {
    let config = Config {
        folder: folder.to_owned(),
        threads: 1,
        access_log: Some(AccessLog { path: Some("/dev/null".into()), format: Format::Envoy }),
        // What is done by the clock would count for more on a slow machine.
        flush_interval: Duration::from_secs(3600),
        ..Config::default()
    };
    let settings = Settings::default();
    let yaml = std::fs::read_to_string(folder.join("mesh.yaml"))?;
    let mesh = Mesh::parse(&Sources::single("mesh.yaml", yaml)).mesh;
    let registry = Registry::of(&mesh, &mesh::Inventory::default(), &settings);
    let source = Source::Gateway { namespace: "default".to_owned(), name: "counted".to_owned() };
    let plan = compile(&mesh, &registry, &settings, &source, 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (proxy, _events) = Proxy::start(config)?;
    let address = runtime.block_on(async {
        proxy.swap(vec![plan.into()]).await;
        let any = (std::net::Ipv4Addr::LOCALHOST, 0).into();
        proxy.bind(Entry { source, port: Some(PORT) }, &[any]).await
    })?;
    println!("{address}");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    runtime.block_on(proxy.shutdown(Duration::from_secs(5)));
    Ok(())
}
