//! Envoy in the proxy's place: it gets the same plans from the server that all Envoys get theirs from, and what it says of
//! requests and endpoints becomes observations and notices.

mod patch;
mod said;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mesh::{Plan, Source};
use proxy::{Config, Notice, ObservationKey, Stats};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use xds::ads::{Client, Options, Server, SnapshotSource, States};
use xds::bootstrap;
use xds::node::{Bind, Node};
use xds::resource::Snapshot;
use xds::translate::{Delivery, translate};

use testkit::get;

/// Says with which data plane the tests are made: `envoy`, or this crate's.
const PLANE: &str = "MESHWRIGHT_PLANE";
/// Envoy's binary.
const BINARY: &str = "MESHWRIGHT_ENVOY";
/// Any port.
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
/// Long enough for the slowest machine.
const LONG: Duration = Duration::from_secs(10);

/// An Envoy; it ends when it is dropped.
pub(crate) struct Envoy {
    /// Ends with its handle.
    _process: Child,
    admin: SocketAddr,
    /// What it says on its standard error.
    said: Arc<Mutex<String>>,
    bind: Bind,
    plan: Mutex<(u64, Arc<Plan>)>,
    world: watch::Sender<Arc<Snapshot>>,
    states: watch::Receiver<States>,
    observed: mpsc::UnboundedReceiver<said::Ended>,
    notices: mpsc::UnboundedReceiver<Notice>,
    open: HashMap<String, bool>,
    _folder: tempfile::TempDir,
    _server: DropGuard,
}

/// Whether the tests are made with Envoy.
pub(crate) fn is_asked_for() -> bool {
    std::env::var(PLANE).is_ok_and(|plane| plane == "envoy")
}

/// What there is for the only node.
struct World(watch::Receiver<Arc<Snapshot>>);

impl SnapshotSource for World {
    fn subscribe(&self, _: &Client) -> Result<watch::Receiver<Arc<Snapshot>>, String> {
        Ok(self.0.clone())
    }
}

impl Envoy {
    /// Starts one with the routes of a plan; the address is that of the listener for a port, or for HTTP to all ports.
    pub(crate) async fn start(config: &Config, plan: Arc<Plan>, port: Option<u16>) -> (Self, SocketAddr) {
        let ports = plan.listeners.iter().map(|listener| (listener.port, ANY)).collect();
        let stream_idle = config.stream_idle_timeout;
        let bind = Bind { http: Some(ANY), ports, stream_idle, ..Bind::default() };
        let (world, changes) = watch::channel(Arc::new(resources(&plan, &bind, 1)));
        let server = Server::new(Arc::new(World(changes)), Options::default());
        let states = server.nodes().watch();
        let listener = TcpListener::bind(ANY).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(listener, stop.clone()));
        let node = Node { id: "it".to_owned(), source: Source::clone(&plan.source), bind: bind.clone() };
        let mut start = bootstrap::dynamic(&node, &bootstrap::Server::plain(address), ANY);
        start["cluster_manager"] = json!({"outlier_detection": {"event_log_path": "/dev/stdout"}});
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("envoy.json");
        std::fs::write(&path, start.to_string()).unwrap();
        let binary = std::env::var_os(BINARY)
            .map(PathBuf::from)
            .unwrap_or_else(|| panic!("{BINARY} names Envoy's binary"));
        let mut command = Command::new(binary);
        if !config.folder.as_os_str().is_empty() {
            command.current_dir(&config.folder);
        }
        let mut process = command
            .args(["--disable-hot-restart", "--log-level", "info", "--file-flush-interval-msec", "5"])
            .args(["--concurrency", &config.threads.max(1).to_string(), "--config-path"])
            .arg(&path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(process.stderr.take().unwrap()).lines();
        let (said, mut admin) = (Arc::new(Mutex::new(String::new())), None);
        while let Some(line) = errors.next_line().await.unwrap() {
            let found =
                line.split_once("admin address: ").map(|(_, address)| address.trim().parse().unwrap());
            keep(&said, &line);
            if found.is_some() {
                admin = found;
                break;
            }
        }
        let admin = admin.unwrap_or_else(|| panic!("Envoy does not start:\n{}", all(&said)));
        let kept = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                keep(&kept, &line);
            }
        });
        let (ended, observed) = mpsc::unbounded_channel();
        let (tells, notices) = mpsc::unbounded_channel();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let source = Arc::new(Source::clone(&plan.source));
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                match said::read(&line, &source) {
                    Some(said::Said::Ended(it)) => drop(ended.send(it)),
                    Some(said::Said::Notice(notice)) => drop(tells.send(notice)),
                    None => {}
                }
            }
        });
        let envoy = Self {
            _process: process,
            admin,
            said,
            bind,
            plan: Mutex::new((1, Arc::clone(&plan))),
            world,
            states,
            observed,
            notices,
            open: HashMap::new(),
            _folder: folder,
            _server: stop.drop_guard(),
        };
        envoy.taken(1).await.unwrap_or_else(|why| panic!("{why}\n{plan:?}"));
        let address = envoy.listens(&plan, port, config.threads.max(1)).await;
        (envoy, address)
    }

    /// Puts another plan in the place of the one that it has.
    pub(crate) async fn swap(&self, plan: Arc<Plan>) -> Result<(), String> {
        let revision = {
            let mut own = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
            *own = (own.0 + 1, plan);
            self.world.send_replace(Arc::new(resources(&own.1, &self.bind, own.0)));
            own.0
        };
        self.taken(revision).await?;
        while self.stat("listener_manager.total_listeners_warming").await > 0 {}
        Ok(())
    }

    /// Waits until it has taken a revision.
    async fn taken(&self, revision: u64) -> Result<(), String> {
        let mut states = self.states.clone();
        let taken = async {
            loop {
                if let Some(node) = states.borrow_and_update().first() {
                    let refused = node.rejection.as_ref().filter(|it| it.stands);
                    if let Some(refused) = refused {
                        return Err(format!("Envoy refuses {refused:?}"));
                    }
                    if node.acked >= Some(revision) {
                        return Ok(());
                    }
                }
                states.changed().await.unwrap();
            }
        };
        let taken = tokio::time::timeout(LONG, taken).await;
        taken.unwrap_or_else(|_| Err(format!("revision {revision} is not taken:\n{}", all(&self.said))))
    }

    /// Where it listens, once it does.
    async fn listens(&self, plan: &Plan, port: Option<u16>, threads: usize) -> SocketAddr {
        let workload = matches!(plan.source, Source::Workload { .. });
        let first = plan.listeners.first().filter(|_| !workload).map(|it| it.port);
        let wanted = port.or(first).map_or_else(|| "outbound".to_owned(), |port| port.to_string());
        let all_listen = async {
            loop {
                let body = get(self.admin, "/listeners?format=json", &[]).await.body;
                let listeners: Value = serde_json::from_str(&body).unwrap();
                let listeners = listeners["listener_statuses"].as_array().cloned().unwrap_or_default();
                let own = listeners.iter().find(|listener| listener["name"] == wanted.as_str());
                // Each thread listens by itself.
                let count = (listeners.len() * threads) as u64;
                if let Some(own) = own
                    && self.stat("listener_manager.listener_create_success").await >= count
                {
                    let bound = own["local_address"]["socket_address"]["port_value"].as_u64().unwrap();
                    return SocketAddr::new(ANY.ip(), u16::try_from(bound).unwrap());
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let address = tokio::time::timeout(LONG, all_listen).await;
        address.unwrap_or_else(|_| panic!("no listener {wanted}:\n{}", all(&self.said)))
    }

    /// One of its counters or gauges; 0 as long as it has none by that name.
    async fn stat(&self, name: &str) -> u64 {
        let found = get(self.admin, &format!("/stats?filter=^{name}$"), &[]).await.body;
        found.rsplit(": ").next().and_then(|it| it.trim().parse().ok()).unwrap_or(0)
    }

    /// The next observation.
    pub(crate) async fn seen(&mut self) -> Option<(ObservationKey, Stats)> {
        let ended = self.observed.recv().await?;
        let plan = Arc::clone(&self.plan.lock().unwrap_or_else(PoisonError::into_inner).1);
        Some(ended.observation(&plan))
    }

    /// The next notice. Of its breakers Envoy says nothing by itself, so it is asked.
    pub(crate) async fn notice(&mut self) -> Notice {
        loop {
            if let Ok(notice) = self.notices.try_recv() {
                // What it has just written down its other threads hear of before they hear of this question's sequel.
                self.stat("server.uptime").await;
                return notice;
            }
            let gauges = get(self.admin, "/stats?filter=circuit_breakers.default.*_open$", &[]).await.body;
            for (name, open) in gauges.lines().filter_map(|line| line.split_once(": ")) {
                let open = open.trim() == "1";
                if self.open.insert(name.to_owned(), open).unwrap_or(false) != open {
                    let plan = Arc::clone(&self.plan.lock().unwrap_or_else(PoisonError::into_inner).1);
                    if let Some(notice) = said::breaker(name, open, &plan.source) {
                        return notice;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The resources of a plan as they are sent, with all that is logged on the standard output.
fn resources(plan: &Plan, bind: &Bind, revision: u64) -> Snapshot {
    let mut snapshot = translate(plan, bind, Delivery::Delta);
    snapshot.revision = revision;
    patch::log_to_stdout(&mut snapshot);
    snapshot
}

fn keep(said: &Mutex<String>, line: &str) {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    said.push_str(line);
    said.push('\n');
}

fn all(said: &Mutex<String>) -> String {
    said.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
