//! The server with gRPC's own client of xDS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use mesh::{Source, Sources};
use testkit::skipped;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use xds::ads::Options;
use xds::node::Bind;
use xds::proxyless;
use xds::translate::{Delivery, translate};

use crate::client::{Worlds, within};
use crate::made::Made;
use crate::worlds::plans;

/// A Python with gRPC, and what it says; it ends with its handle.
struct Python {
    _process: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Python {
    async fn start(python: &Path, server: SocketAddr) -> (Self, [SocketAddr; 2]) {
        let bootstrap = serde_json::json!({
            "xds_servers": [{
                "server_uri": server.to_string(),
                "channel_creds": [{"type": "insecure"}],
                "server_features": ["xds_v3"],
            }],
            "node": {"id": "shop", "metadata": {xds::node::METADATA: {"workload": "shop"}}},
        });
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/callers.py");
        let mut process = Command::new(python)
            .args(["-B".as_ref(), script.as_os_str()])
            .env("GRPC_XDS_BOOTSTRAP_CONFIG", bootstrap.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut it = Self { _process: process, input, lines: BufReader::new(output).lines() };
        let ports = it.line().await;
        let mut ports = ports.split(' ').map(|port| ([127, 0, 0, 1], port.parse::<u16>().unwrap()).into());
        let upstreams = [ports.next().unwrap(), ports.next().unwrap()];
        (it, upstreams)
    }

    async fn line(&mut self) -> String {
        within(self.lines.next_line()).await.unwrap().expect("it has ended")
    }

    async fn call(&mut self, target: &str) -> String {
        self.input.write_all(format!("{target}\n").as_bytes()).await.unwrap();
        self.line().await
    }
}

/// A Python that has gRPC, as the set-up has installed it.
fn python() -> Option<PathBuf> {
    let found = std::env::var_os("MESHWRIGHT_GRPC").map(PathBuf::from).filter(|path| path.is_file());
    if found.is_none() {
        skipped("no Python with gRPC (`cargo xtask test` sets it up, or MESHWRIGHT_GRPC names one)");
    }
    found
}

#[tokio::test]
async fn a_client_of_grpc_goes_where_it_is_sent() {
    let Some(python) = python() else { return };
    let worlds = Worlds::new(&[]);
    let server = worlds.serve(Options::default()).await;
    let (mut python, [one, two]) = Python::start(&python, server.address).await;
    let clusters = vec![("one", one, 5000), ("two", two, 5000)];
    let made = Made { revision: 1, clusters, to: "one", bad: false, apart: false };
    worlds.put("shop", made.proxyless("shop.test"));
    assert_eq!(python.call("shop.test").await, "one");
    let node = server.node("shop", |node| node.acked == Some(1)).await;
    assert!(node.agent.starts_with("gRPC"), "{}", node.agent);
    assert!(!node.delta);
    worlds.put("shop", Made { revision: 2, to: "two", ..made }.proxyless("shop.test"));
    server.node("shop", |node| node.acked == Some(2)).await;
    // It takes what it is sent before it says so, but uses it a little later.
    within(async { while python.call("shop.test").await != "two" {} }).await;
    server.end().await;
}

/// A service of two versions, of which all calls go to one.
fn mesh(one: SocketAddr, two: SocketAddr, weight: u32) -> Sources {
    let (one, two, other) = (one.port(), two.port(), 100 - weight);
    let text = format!(
        "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: reviews, namespace: default}}
spec:
  hosts: [reviews.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 9080, name: grpc, protocol: GRPC}}]
  endpoints:
  - {{address: 127.0.0.1, labels: {{version: v1}}, ports: {{grpc: {one}}}}}
  - {{address: 127.0.0.1, labels: {{version: v2}}, ports: {{grpc: {two}}}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: shop, namespace: default}}
spec:
  hosts: [shop.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 9080, name: http, protocol: HTTP}}]
  workloadSelector: {{labels: {{app: shop}}}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: shop, namespace: default}}
spec: {{address: 127.0.0.1, labels: {{app: shop}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: reviews, namespace: default}}
spec:
  host: reviews.default.svc.cluster.local
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: reviews, namespace: default}}
spec:
  hosts: [reviews.default.svc.cluster.local]
  http:
  - route:
    - {{destination: {{host: reviews.default.svc.cluster.local, subset: v1}}, weight: {weight}}}
    - {{destination: {{host: reviews.default.svc.cluster.local, subset: v2}}, weight: {other}}}
"
    );
    Sources::single("mesh.yaml", text)
}

#[tokio::test]
async fn a_mesh_is_for_clients_of_grpc_too() {
    let Some(python) = python() else { return };
    let worlds = Worlds::new(&[]);
    let server = worlds.serve(Options::default()).await;
    let (mut python, [one, two]) = Python::start(&python, server.address).await;
    let put = |revision: u64, weight: u32| {
        let plans = plans(&mesh(one, two, weight));
        let mut plan = plans
            .into_iter()
            .find(|plan| matches!(&plan.source, Source::Workload { name, .. } if name == "shop"))
            .unwrap();
        plan.revision = revision;
        let whole = translate(&plan, &Bind::default(), Delivery::Whole);
        worlds.put("shop", Arc::new(proxyless::proxyless(&whole)));
    };
    put(1, 100);
    let target = "reviews.default.svc.cluster.local:9080";
    assert_eq!(python.call(target).await, "one");
    put(2, 0);
    let node = server.node("shop", |node| node.acked == Some(2)).await;
    assert!(proxyless::is_one(&node.agent), "{}", node.agent);
    assert_eq!(node.rejection, None);
    within(async { while python.call(target).await != "two" {} }).await;
    server.end().await;
}
