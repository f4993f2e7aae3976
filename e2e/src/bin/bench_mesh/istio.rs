//! istiod on the same resources, with one Envoy: the API that it watches tells of an edit, requests go through the Envoy.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::istio::{Cluster, Istiod, Kind, Mesh};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cost;
use crate::figures::{Figures, millis};
use crate::generate::{EDITED, Services, host};
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
    let cluster = Cluster::start()?;
    fill(&cluster, services);
    let began = Instant::now();
    let istiod =
        Istiod::start(istiod, folder.path(), Mesh::MadeUp(&cluster), testkit::free_ports(), debounce)?;
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
        let began = Instant::now();
        cluster.put("virtualservices", virtual_service(EDITED, weight));
        times.push(millis(probe.until(version)?.duration_since(began)));
        thread::sleep(SETTLE);
    }
    let cpu = cost::cpu(&processes)? - before;
    let memory = [at_start, cost::memory(&processes)?];
    let name = format!("istiod and an Envoy (debounce {debounce})");
    Ok(Figures { name, start, edits: times, validated: Vec::new(), cpu, memory })
}

/// Puts in what [`Services::write`] writes, and what has the sidecar listen on loopback.
fn fill(cluster: &Cluster, services: &Services) {
    let (port, [v1, v2]) = (services.port, services.backends);
    let resource = |kind: &str, name: &str, spec| {
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": "default"},
            "spec": spec,
        })
    };
    let client = json!({"address": "127.0.0.1", "labels": {"app": "client", "version": "v1"}});
    cluster.put("workloadentries", resource("WorkloadEntry", "client", client));
    let sidecar = json!({
        "workloadSelector": {"labels": {"app": "client"}},
        "egress": [{
            "port": {"number": port, "protocol": "HTTP", "name": "http"},
            "bind": "127.0.0.1",
            "captureMode": "NONE",
            "hosts": ["./*"],
        }],
    });
    cluster.put("sidecars", resource("Sidecar", "client", sidecar));
    for service in 0..services.count {
        let (name, host) = (format!("s{service}"), host(service));
        let endpoint = |port, version| json!({"address": "127.0.0.1", "ports": {"http": port}, "labels": {"app": name, "version": version}});
        let entry = json!({
            "hosts": [host],
            "location": "MESH_INTERNAL",
            "resolution": "STATIC",
            "ports": [{"number": port, "name": "http", "protocol": "HTTP"}],
            "endpoints": [endpoint(v1, "v1"), endpoint(v2, "v2")],
        });
        cluster.put("serviceentries", resource("ServiceEntry", &name, entry));
        let subset = |version| json!({"name": version, "labels": {"version": version}});
        let rule = json!({"host": host, "subsets": [subset("v1"), subset("v2")]});
        cluster.put("destinationrules", resource("DestinationRule", &name, rule));
        cluster.put("virtualservices", virtual_service(service, 100));
    }
}

fn virtual_service(service: usize, weight: u8) -> Value {
    let host = host(service);
    let route = |subset, weight| json!({"destination": {"host": host, "subset": subset}, "weight": weight});
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": format!("s{service}"), "namespace": "default"},
        "spec": {"hosts": [host], "http": [{"route": [route("v1", weight), route("v2", 100 - weight)]}]},
    })
}
