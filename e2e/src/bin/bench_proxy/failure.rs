//! An instance that dies under load and comes back: how many requests fail through this proxy, and through Envoy.
//!
//! Two instances of one service take turns. One is killed (its connections are reset, then refused) and started again a few
//! seconds later. Both proxies get the same requests at the same rate, once with Istio's default retries, once without any,
//! and once without but with outlier detection. What counts is who got something else than 200.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::contender::{free_port, listening, nginx, spawn, start_envoy, start_own};

/// Clients, each with a connection of its own.
const CLIENTS: u32 = 32;
/// Requests a second of each.
const RATE: u32 = 25;
/// How long they ask.
const LENGTH: Duration = Duration::from_secs(12);
/// When the instance dies, and for how long it is away.
const DIES: Duration = Duration::from_secs(3);
const AWAY: Duration = Duration::from_secs(4);

/// What stands between a failure and the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// Two retries of what did certainly no work: Istio's default.
    Retries,
    Nothing,
    /// An instance that fails five times in a row is left out.
    Ejection,
}

impl Policy {
    const ALL: [Self; 3] = [Self::Retries, Self::Nothing, Self::Ejection];

    fn name(self) -> &'static str {
        match self {
            Self::Retries => "default retries",
            Self::Nothing => "no retries",
            Self::Ejection => "no retries, outlier detection",
        }
    }
}

/// One of the two instances.
struct Instance {
    folder: PathBuf,
    port: u16,
    process: Option<Child>,
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    /// By status; h2load writes -1 for none.
    statuses: BTreeMap<i32, u64>,
    longest_micros: u64,
}

/// Measures all policies, so often.
pub(crate) async fn run(rounds: usize) -> Result<()> {
    println!("| policy | proxy | requests | failed | by status | longest ms |");
    println!("| --- | --- | ---: | ---: | --- | ---: |");
    for policy in Policy::ALL {
        let mut all = BTreeMap::new();
        for round in 1..=rounds {
            for envoy in [false, true] {
                let name = if envoy { "Envoy" } else { "Meshwright" };
                eprintln!("{}, round {round} of {rounds}: {name}", policy.name());
                let seen = measure(policy, envoy).await.context(name)?;
                all.entry(name).or_insert_with(Seen::default).add(seen);
            }
        }
        for (name, seen) in all.into_iter().rev() {
            println!("| {} | {name} | {seen}", policy.name());
        }
    }
    Ok(())
}

async fn measure(policy: Policy, envoy: bool) -> Result<Seen> {
    let folder = TempDir::new()?;
    let site = folder.path().join("site");
    fs::create_dir_all(&site)?;
    fs::write(site.join("1024"), "x".repeat(1024))?;
    let mut one = Instance::start(folder.path(), "one").await?;
    let two = Instance::start(folder.path(), "two").await?;
    let port = free_port()?;
    let _proxy = proxy(policy, envoy, port, [one.port, two.port], folder.path())?;
    listening(port).await?;
    let log = folder.path().join("log");
    let requests = u64::from(CLIENTS) * u64::from(RATE) * LENGTH.as_secs();
    let mut load = Command::new("h2load");
    load.args(["--h1", "-t", "1", "-c", &CLIENTS.to_string(), "-n", &requests.to_string()]);
    load.args(["--rps", &RATE.to_string(), "--log-file"]).arg(&log);
    let mut load = spawn(load.arg(format!("http://127.0.0.1:{port}/1024")))?;
    tokio::time::sleep(DIES).await;
    one.kill().await?;
    tokio::time::sleep(AWAY).await;
    one.revive().await?;
    let status = load.wait().await?;
    ensure!(status.success(), "h2load ended with {status}");
    let seen = Seen::read(&log)?;
    let answered: u64 = seen.statuses.values().sum();
    ensure!(answered <= requests, "{answered} answers to {requests} requests");
    Ok(seen.with_unanswered(requests - answered))
}

impl Instance {
    async fn start(folder: &Path, name: &str) -> Result<Self> {
        let mut instance = Self { folder: folder.join(name), port: free_port()?, process: None };
        fs::create_dir_all(&instance.folder)?;
        instance.revive().await?;
        Ok(instance)
    }

    async fn revive(&mut self) -> Result<()> {
        let root = self.folder.parent().context("a folder of a folder")?.join("site");
        let server = format!("server {{ listen 127.0.0.1:{}; root {}; }}\n", self.port, root.display());
        self.process = Some(nginx(&self.folder, "nginx", &server)?);
        listening(self.port).await
    }

    async fn kill(&mut self) -> Result<()> {
        Ok(self.process.take().context("it is dead already")?.kill().await?)
    }
}

fn proxy(policy: Policy, envoy: bool, port: u16, instances: [u16; 2], folder: &Path) -> Result<Child> {
    let [one, two] = instances.map(|port| port.to_string());
    let fill =
        |text: &str| text.replace("@port", &port.to_string()).replace("@one", &one).replace("@two", &two);
    if envoy {
        let retries = match policy {
            Policy::Retries => {
                "retry_policy: {retry_on: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes', \
                 num_retries: 2, host_selection_retry_max_attempts: 5, retry_host_predicate: [{name: previous, typed_config: \
                 {'@type': type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}]},"
            }
            _ => "",
        };
        let ejection = match policy {
            Policy::Ejection => {
                "outlier_detection: {consecutive_5xx: 5, interval: 1s, base_ejection_time: 1s, max_ejection_percent: 50}"
            }
            _ => "",
        };
        let yaml = fill(ENVOY).replace("@retries", retries).replace("@ejection", ejection);
        return start_envoy(folder, &yaml);
    }
    let retries = if policy == Policy::Retries { "" } else { "retries: {attempts: 0}" };
    let ejection = match policy {
        Policy::Ejection => {
            "outlierDetection: {consecutive5xxErrors: 5, interval: 1s, baseEjectionTime: 1s, maxEjectionPercent: 50}"
        }
        _ => "",
    };
    start_own(folder, port, &fill(MESH).replace("@retries", retries).replace("@ejection", ejection))
}

impl Seen {
    fn read(log: &Path) -> Result<Self> {
        let mut seen = Self::default();
        for line in fs::read_to_string(log).context("h2load wrote no log")?.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            let [_, status, micros] = columns.as_slice() else { continue };
            *seen.statuses.entry(status.parse()?).or_default() += 1;
            seen.longest_micros = seen.longest_micros.max(micros.parse()?);
        }
        Ok(seen)
    }

    /// Requests of connections that ended before are not in the log.
    fn with_unanswered(mut self, count: u64) -> Self {
        if count > 0 {
            *self.statuses.entry(-1).or_default() += count;
        }
        self
    }

    fn add(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.longest_micros = self.longest_micros.max(other.longest_micros);
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: u64 = self.statuses.values().sum();
        let well = self.statuses.get(&200).copied().unwrap_or_default();
        let failed = self.statuses.iter().filter(|(status, _)| **status != 200);
        let failed: Vec<String> = failed.map(|(status, count)| format!("{status}: {count}")).collect();
        write!(f, "{all} | {} | {} | {} |", all - well, failed.join(", "), self.longest_micros / 1000)
    }
}

const MESH: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: bench}
spec: {servers: [{port: {number: @port, name: in, protocol: HTTP}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: @one}}, {address: 127.0.0.1, ports: {http: @two}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews.test
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    @ejection
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: ['*']
  gateways: [bench]
  http:
  - route: [{destination: {host: reviews.test}}]
    @retries
";

const ENVOY: &str = "\
static_resources:
  listeners:
  - name: in
    address: {socket_address: {address: 127.0.0.1, port_value: @port}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          codec_type: AUTO
          route_config:
            virtual_hosts:
            - name: all
              domains: ['*']
              routes: [{match: {prefix: /}, route: {@retries cluster: reviews, timeout: 15s}}]
          http_filters:
          - {name: router, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: reviews
    type: STATIC
    connect_timeout: 10s
    lb_policy: ROUND_ROBIN
    @ejection
    # As Istio has them: with Envoy's own limit of three retries at once most requests would not be retried.
    circuit_breakers: {thresholds: [{max_connections: 4294967295, max_pending_requests: 4294967295, max_requests: 4294967295, max_retries: 4294967295}]}
    common_lb_config: {healthy_panic_threshold: {value: 0}}
    load_assignment:
      cluster_name: reviews
      endpoints:
      - lb_endpoints:
        - {endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: @one}}}}
        - {endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: @two}}}}
";
