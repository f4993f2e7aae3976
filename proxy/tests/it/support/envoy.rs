//! Envoy in the proxy's place: the same plan, translated, and what its access log says as observations.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use mesh::{Plan, Source};
use proxy::{ObservationKey, Stats};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use xds::bootstrap;
use xds::node::Bind;
use xds::translate::names;

use super::client::get;

/// Says with which data plane the tests are made: `envoy`, or this crate's.
const PLANE: &str = "MESHWRIGHT_PLANE";
/// Envoy's binary.
const BINARY: &str = "MESHWRIGHT_ENVOY";

/// An Envoy; it ends when it is dropped.
pub(crate) struct Envoy {
    /// Ends with its handle.
    _process: Child,
    log: Lines<BufReader<ChildStdout>>,
    _said: Lines<BufReader<ChildStderr>>,
    plan: Arc<Plan>,
    _folder: tempfile::TempDir,
}

/// Whether the tests are made with Envoy.
pub(crate) fn is_asked_for() -> bool {
    std::env::var(PLANE).is_ok_and(|plane| plane == "envoy")
}

impl Envoy {
    /// Starts one with the routes of a plan; the address is that of the listener for a port, or for HTTP to all ports.
    pub(crate) async fn start(plan: &Arc<Plan>, port: Option<u16>) -> (Self, SocketAddr) {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let ports = plan.listeners.iter().map(|listener| (listener.port, any)).collect();
        let bind = Bind { http: Some(any), ports, ..Bind::default() };
        let mut config = bootstrap::fixed(plan, &bind, Some(any)).unwrap();
        log_to_stdout(&mut config);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("envoy.json");
        std::fs::write(&path, config.to_string()).unwrap();
        let binary = PathBuf::from(std::env::var_os(BINARY).expect("MESHWRIGHT_ENVOY names Envoy's binary"));
        let mut process = Command::new(binary)
            .args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "info", "--config-path"])
            .arg(&path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
        let (mut admin, mut all) = (None, String::new());
        while let Some(line) = said.next_line().await.unwrap() {
            if let Some((_, address)) = line.split_once("admin address: ") {
                admin = Some(address.trim().parse::<SocketAddr>().unwrap());
            }
            if line.contains("starting workers") {
                break;
            }
            all += &line;
            all.push('\n');
        }
        let ended = process.try_wait().unwrap();
        let Some(admin) = admin.filter(|_| ended.is_none()) else {
            panic!("Envoy does not start:\n{all}\n{config:#}")
        };
        let listeners = get(admin, "/listeners?format=json", &[]).await.body;
        let listeners: Value = serde_json::from_str(&listeners).unwrap();
        let wanted = port.map_or_else(|| "outbound".to_owned(), |port| port.to_string());
        let listeners = listeners["listener_statuses"].as_array().unwrap();
        let own = listeners.iter().find(|listener| listener["name"] == wanted.as_str());
        let own = own.unwrap_or_else(|| panic!("no listener {wanted}:\n{config:#}"));
        let bound = own["local_address"]["socket_address"]["port_value"].as_u64().unwrap();
        let address = SocketAddr::new(any.ip(), u16::try_from(bound).unwrap());
        // Its threads begin to listen a little later than it says.
        let started = "/stats?filter=listener_manager.workers_started";
        while !get(admin, started, &[]).await.body.contains(": 1") {
            assert!(process.try_wait().unwrap().is_none(), "Envoy has ended:\n{all}");
        }
        let envoy = Self { _process: process, log, _said: said, plan: Arc::clone(plan), _folder: folder };
        (envoy, address)
    }

    /// The next observation.
    pub(crate) async fn seen(&mut self) -> Option<(ObservationKey, Stats)> {
        let line = self.log.next_line().await.unwrap()?;
        let line: Value = serde_json::from_str(&line).unwrap();
        let text = |field: &str| line[field].as_str().unwrap_or("").to_owned();
        let number = |field: &str| line[field].as_u64().unwrap_or(0);
        let cluster = names::parse_cluster(&text("cluster"));
        let endpoints = self.plan.clusters.iter().filter(|it| Some(&it.key) == cluster.as_ref());
        let upstream = text("upstream");
        let instance = endpoints
            .flat_map(|it| &it.endpoints)
            .find(|it| format!("{}:{}", it.address, it.port) == upstream);
        let subset = cluster.as_ref().and_then(|key| key.subset.clone());
        let key = ObservationKey {
            source: Arc::new(Source::clone(&self.plan.source)),
            revision: self.plan.revision,
            route: names::parse_route(&text("route")),
            host: cluster.map_or_else(|| text("authority"), |key| key.host),
            version: instance
                .map_or_else(|| subset.clone().unwrap_or_default(), |it| it.version().to_owned()),
            subset,
        };
        let mut stats = Stats::default();
        if text("kind") == "tcp" {
            (stats.connections_opened, stats.connections_closed) = (1, 1);
            return Some((key, stats));
        }
        let code = u16::try_from(number("code")).unwrap();
        let flags = text("flags").replace('-', "");
        stats.requests = 1;
        stats.codes = HashMap::from([(code, 1)]);
        let each = flags.split(',').filter(|flag| !flag.is_empty());
        stats.flags = each.map(|flag| (&*Box::leak(flag.to_owned().into_boxed_str()), 1)).collect();
        stats.latency.record(number("duration") * 1000).unwrap();
        stats.retries = number("attempts").saturating_sub(1);
        (stats.bytes_sent, stats.bytes_received) = (number("received"), number("sent"));
        Some((key, stats))
    }
}

/// Each request and each connection becomes a line.
fn log_to_stdout(config: &mut Value) {
    let kind = config["@type"].as_str().unwrap_or("").rsplit('.').next().unwrap_or("").to_owned();
    if let "HttpConnectionManager" | "TcpProxy" = &*kind {
        let kind = if kind == "TcpProxy" { "tcp" } else { "http" };
        config["access_log"] = json!([{
            "name": "envoy.access_loggers.stdout",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
                "log_format": {"json_format": {
                    "kind": kind,
                    "code": "%RESPONSE_CODE%",
                    "flags": "%RESPONSE_FLAGS%",
                    "route": "%ROUTE_NAME%",
                    "cluster": "%UPSTREAM_CLUSTER_RAW%",
                    "upstream": "%UPSTREAM_HOST%",
                    "authority": "%REQ(:AUTHORITY)%",
                    "duration": "%DURATION%",
                    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
                    "received": "%BYTES_RECEIVED%",
                    "sent": "%BYTES_SENT%",
                }},
            },
        }]);
    }
    match config {
        Value::Object(fields) => fields.values_mut().for_each(log_to_stdout),
        Value::Array(list) => list.iter_mut().for_each(log_to_stdout),
        _ => {}
    }
}
