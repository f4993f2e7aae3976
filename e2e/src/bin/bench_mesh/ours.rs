//! Meshwright: edits by its API, requests through its built-in proxy.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use api::Snapshot;
use api::request::{NewRevision, PostRevision, PostValidate, Validation};
use e2e::{Server, http};
use mesh::edit::{RouteTarget, Share};
use mesh::{Edit, RouteKey, Source};
use tempfile::TempDir;

use crate::cost;
use crate::figures::{Figures, millis};
use crate::generate::{EDITED, Layout, Services, host};
use crate::probe::Probe;

/// After an edit, for what is done behind it: that is part of its cost.
const SETTLE: Duration = Duration::from_millis(300);

pub(crate) async fn measure(services: &Services, layout: Layout, edits: usize) -> Result<Figures> {
    let folder = TempDir::new()?;
    let files = folder.path().join("mesh");
    services.write(&files, layout)?;
    let began = Instant::now();
    let server = Server::start(&["--mesh", &files.to_string_lossy(), "--threads", "1"]).await?;
    let snapshot: Snapshot = http::get_json(&server.address, "/api/v1/mesh").await?;
    let is_client = |source: &Source| matches!(source, Source::Workload { name, .. } if name == "client");
    let listener = snapshot.listeners.iter().find(|listener| is_client(&listener.source));
    let proxy: SocketAddr = listener.context("the client has a listener")?.address.parse()?;
    let mut probe = Probe::open(proxy, services.port)?;
    let start = probe.until("v1")?.duration_since(began);
    tokio::time::sleep(SETTLE).await;

    let process = [server.id().context("the server runs")?];
    let at_start = cost::memory(&process)?;
    let mut base = snapshot.revision.number;
    let before = cost::cpu(&process)?;
    let mut times = Vec::new();
    for edit in 0..edits {
        let (weight, version) = if edit % 2 == 0 { (0, "v2") } else { (100, "v1") };
        let body = PostRevision { base, author: None, edits: vec![set_weight(weight)], resources: None };
        let began = Instant::now();
        let looking = tokio::task::spawn_blocking(move || (probe.until(version), probe));
        let made: NewRevision = http::post_json(&server.address, "/api/v1/revisions", &body).await?;
        let (seen, returned) = looking.await?;
        probe = returned;
        times.push(millis(seen?.duration_since(began)));
        base = made.revision.number;
        tokio::time::sleep(SETTLE).await;
    }
    let cpu = cost::cpu(&process)? - before;
    let memory = [at_start, cost::memory(&process)?];

    let mut validated = Vec::new();
    for edit in 0..edits {
        let weight = if edit % 2 == 0 { 30 } else { 70 };
        let body = PostValidate { sources: None, edits: vec![set_weight(weight)] };
        let began = Instant::now();
        let _: Validation = http::post_json(&server.address, "/api/v1/validate", &body).await?;
        validated.push(millis(began.elapsed()));
    }
    let name = format!("Meshwright ({})", layout.name());
    Ok(Figures { name, start, edits: times, validated, cpu, memory })
}

/// The first version's weight.
fn set_weight(weight: u32) -> Edit {
    let share = |subset: &str, weight| Share {
        host: host(EDITED),
        subset: Some(subset.to_owned()),
        port: None,
        weight,
    };
    let route = RouteKey { namespace: "default".to_owned(), name: format!("s{EDITED}"), index: 0 };
    Edit::SetWeights {
        target: RouteTarget::Route(route),
        shares: vec![share("v1", weight), share("v2", 100 - weight)],
    }
}
