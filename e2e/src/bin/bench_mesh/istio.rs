//! istiod on the same files, with one Envoy: a file is replaced, requests go through the Envoy.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::istio::{self, Istiod, Kind};
use tempfile::TempDir;

use crate::cost;
use crate::figures::{Figures, millis};
use crate::generate::{EDITED, Layout, Services, host};
use crate::probe::Probe;

/// After an edit, for what is done behind it: that is part of its cost.
const SETTLE: Duration = Duration::from_millis(300);

pub(crate) fn measure(
    istiod: &Path,
    envoy: &Path,
    services: &Services,
    debounce: &str,
    edits: usize,
) -> Result<Figures> {
    let folder = TempDir::new()?;
    let files = folder.path().join("config");
    services.write(&files, Layout::FileEach)?;
    fs::write(files.join("sidecar.yaml"), istio::sidecar(services.port))?;
    let began = Instant::now();
    let istiod = Istiod::start(istiod, folder.path(), testkit::free_ports(), debounce)?;
    let envoy = istiod.envoy(envoy, Kind::Sidecar, folder.path(), services.port, &host(EDITED))?;
    let mut probe = Probe::open(SocketAddr::from((Ipv4Addr::LOCALHOST, services.port)), services.port)?;
    let start = probe.until("v1")?.duration_since(began);
    thread::sleep(SETTLE);

    let processes = [istiod.id(), envoy.id()];
    let at_start = cost::memory(&processes)?;
    let before = cost::cpu(&processes)?;
    let mut times = Vec::new();
    for edit in 0..edits {
        let (weight, version) = if edit % 2 == 0 { (0, "v2") } else { (100, "v1") };
        // Replaced as a whole, so that no half of it is read.
        let new = folder.path().join("new.yaml");
        fs::write(&new, services.documents(EDITED, weight))?;
        let began = Instant::now();
        fs::rename(&new, files.join(format!("s{EDITED}.yaml")))?;
        times.push(millis(probe.until(version)?.duration_since(began)));
        thread::sleep(SETTLE);
    }
    let cpu = cost::cpu(&processes)? - before;
    let memory = [at_start, cost::memory(&processes)?];
    let name = format!("istiod and an Envoy (debounce {debounce})");
    Ok(Figures { name, start, edits: times, validated: Vec::new(), cpu, memory })
}
