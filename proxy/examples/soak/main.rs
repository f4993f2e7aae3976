//! A proxy under stress, and what that leaves behind: memory for each connection, idle and busy, and whether it is free
//! again; then random edits, instances that come and go, faults, servers that fail and clients that give up, with counters
//! on both sides that must agree.
//!
//! `soak [SECONDS [IDLE [BUSY [ROUNDS]]]]` (120 10000 2000 5). The proxy runs here, its peers in a process of their own, so that what
//! is measured is the proxy's alone. Both need as many open files as there are connections, and some: `ulimit -n 32768`.

#![allow(clippy::disallowed_methods, reason = "a measurement may wait and read as it likes")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mesh::plan::compile;
use mesh::{Mesh, Plan, Registry, Settings, Source, Sources};
use proxy::{Config, Entry, Events, Proxy, Stats};

mod peers;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A server's number, whose parity is its version, and its port.
type Server = (usize, u16);

/// How often the plan changes.
const EDIT: Duration = Duration::from_millis(100);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Whoever talks to the peers blocks, so what counts runs on another thread.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    if arguments.first().is_some_and(|it| it == "peers") {
        return runtime.block_on(peers::run());
    }
    let number = |at: usize, otherwise| arguments.get(at).map_or(Ok(otherwise), |it| it.parse());
    let (seconds, idle, busy, rounds) =
        (number(0, 120)?, number(1, 10_000)?, number(2, 2_000)?, number(3, 5)?);
    runtime.block_on(soak(Duration::from_secs(seconds), idle, busy, rounds))
}

async fn soak(length: Duration, idle: u64, busy: u64, rounds: u64) -> Result<()> {
    let mut peers = Peers::start()?;
    let ports = peers.hear()?;
    let servers: Vec<Server> = ports.split(' ').filter_map(|port| port.parse().ok()).enumerate().collect();
    let (proxy, events) = Proxy::start(Config::default())?;
    let totals = Arc::new(Mutex::new(Stats::default()));
    tokio::spawn(count(events, Arc::clone(&totals)));
    let mut revision = 1;
    let source = Source::Workload { namespace: "default".to_owned(), name: "a-v1".to_owned() };
    proxy.swap(vec![plan(&source, &calm(&servers), revision)]).await;
    let loopback = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let address = proxy.bind(Entry { source: source.clone(), port: Some(80) }, &[loopback]).await?;
    peers.ask(&format!("at {address}"))?;

    peers.ask("idle 100")?;
    peers.ask("close")?;
    let (files, fresh) = settled(usize::MAX).await;
    println!("at rest: {fresh} KB, {files} files");
    for round in 1..=rounds {
        let (_, before) = settled(files).await;
        peers.ask(&format!("idle {idle}"))?;
        let with_idle = memory();
        peers.ask(&format!("busy {busy}"))?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (with_busy, open) = (memory(), open_files());
        let done = peers.ask("close")?;
        let (left, after) = settled(files).await;
        println!(
            "round {round}: {idle} idle: {with_idle} KB ({:.1} KB each); with {busy} busy: {with_busy} KB ({:.1} KB each), \
             {open} files; {done}; afterwards {after} KB, {} files more than at rest",
            each(with_idle, before, idle),
            each(with_busy, with_idle, busy),
            left.saturating_sub(files),
        );
    }
    let first = ended(&totals);
    println!("counted until here: {}", told(&totals));

    peers.ask("wild 64")?;
    let (began, mut told_at, mut slowest) = (Instant::now(), Instant::now(), Duration::ZERO);
    while began.elapsed() < length {
        revision += 1;
        let next = plan(&source, &wild(&servers), revision);
        let swapping = Instant::now();
        proxy.swap(vec![next]).await;
        slowest = slowest.max(swapping.elapsed());
        if told_at.elapsed() > length / 12 {
            told_at = Instant::now();
            let requests = ended(&totals) - first;
            println!(
                "{:>4} s: {} KB, {} files, {requests} requests",
                began.elapsed().as_secs(),
                memory(),
                open_files()
            );
        }
        tokio::time::sleep(EDIT).await;
    }
    let clients = peers.ask("stop")?;
    let (left, after) = settled(files).await;
    println!(
        "{revision} plans, slowest swap {slowest:?}; afterwards {after} KB, {} files more than at rest",
        left.saturating_sub(files)
    );
    proxy.shutdown(Duration::from_secs(10)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    println!("clients: {clients}");
    println!("proxy, all in all: {}", told(&totals));
    let sent: u64 = field(&clients, "sent");
    let seen = ended(&totals) - first;
    // Who gives up may do so before its request is read.
    let unread = field(&clients, "gave_up");
    println!("sent {sent}, seen by the proxy {seen}, given up {unread}");
    let totals = totals.lock().map_err(|_| "a counter broke")?;
    let answered: u64 = totals.codes.values().sum();
    if !(seen <= sent && sent <= seen + unread)
        || totals.chosen != totals.requests
        || answered != totals.requests
    {
        return Err("the counters disagree".into());
    }
    println!("the counters agree: requests in = responses + resets");
    Ok(())
}

async fn count(mut events: Events, totals: Arc<Mutex<Stats>>) {
    loop {
        tokio::select! {
            batch = events.batches.recv() => {
                let Some(batch) = batch else { return };
                let Ok(mut totals) = totals.lock() else { return };
                // Copies have no route, and no client waits for them.
                let asked = batch.stats.iter().filter(|(key, _)| key.route.is_some());
                asked.for_each(|(_, stats)| totals.merge(stats));
            }
            notice = events.notices.recv() => if notice.is_none() { return },
        }
    }
}

fn ended(totals: &Mutex<Stats>) -> u64 {
    totals.lock().map_or(0, |totals| totals.requests)
}

fn told(totals: &Mutex<Stats>) -> String {
    let Ok(totals) = totals.lock() else { return String::new() };
    let codes: BTreeMap<_, _> = totals.codes.iter().collect();
    let flags: BTreeMap<_, _> = totals.flags.iter().collect();
    format!(
        "in {}, ended {}, by status {codes:?}, flags {flags:?}, retries {}",
        totals.chosen, totals.requests, totals.retries
    )
}

/// The number behind `name=`.
fn field(line: &str, name: &str) -> u64 {
    let found = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "kilobytes")]
fn each(now: u64, before: u64, count: u64) -> f64 {
    now.saturating_sub(before) as f64 / count.max(1) as f64
}

/// Resident kilobytes; 0 where the system does not say.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Waits until no more files are open than that, for 20 s at most and for 2 s at least; files and memory then.
async fn settled(files: usize) -> (usize, u64) {
    for second in 0..20 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if second > 0 && open_files() <= files {
            break;
        }
    }
    (open_files(), memory())
}

/// The process of the peers: a line to it, a line back.
struct Peers {
    child: std::process::Child,
    lines: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
}

impl Peers {
    fn start() -> Result<Self> {
        let mut child = std::process::Command::new(std::env::current_exe()?)
            .arg("peers")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("it says nothing")?;
        Ok(Self { child, lines: std::io::BufRead::lines(std::io::BufReader::new(output)) })
    }

    fn hear(&mut self) -> Result<String> {
        Ok(self.lines.next().ok_or("the peers ended")??)
    }

    fn ask(&mut self, what: &str) -> Result<String> {
        use std::io::Write as _;
        writeln!(self.child.stdin.as_mut().ok_or("it hears nothing")?, "{what}")?;
        self.hear()
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn plan(source: &Source, yaml: &str, revision: u64) -> Arc<Plan> {
    let settings = Settings::default();
    let mesh = Mesh::parse(&Sources::single("mesh.yaml", yaml)).mesh;
    let registry = Registry::of(&mesh, &mesh::Inventory::default(), &settings);
    Arc::new(compile(&mesh, &registry, &settings, source, revision))
}

/// `reviews` at these servers, half of them v1 and half of them v2, with further policy and rules in flow style.
fn mesh_of(servers: &[Server], policy: &str, rules: &str, annotation: &str) -> String {
    let mut yaml = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: reviews}\nspec:\n  \
         hosts: [reviews.default.svc.cluster.local]\n  location: MESH_INTERNAL\n  resolution: STATIC\n  ports: [{number: 80, name: http, protocol: HTTP}]\n  endpoints:\n"
        .to_owned();
    for (number, port) in servers {
        let version = 1 + number % 2;
        let _ = writeln!(
            yaml,
            "  - {{address: 127.0.0.1, ports: {{http: {port}}}, labels: {{version: v{version}}}}}"
        );
    }
    let _ = write!(
        yaml,
        "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: reviews}}\nspec:\n  host: reviews\n  \
         trafficPolicy: {{{policy}}}\n  subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]\n\
         ---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: reviews, annotations: {{{annotation}}}}}\nspec:\n  \
         hosts: [reviews]\n  http: [{{{rules}}}]\n"
    );
    yaml
}

const IDLE: &str = "connectionPool: {tcp: {idleTimeout: 1s}}";

fn calm(servers: &[Server]) -> String {
    mesh_of(servers, IDLE, "route: [{destination: {host: reviews}}]", "")
}

fn wild(servers: &[Server]) -> String {
    let pick = |all: &[&str]| all[fastrand::usize(..all.len())].to_owned();
    let some: Vec<Server> = servers.iter().copied().filter(|_| fastrand::u8(..4) > 0).collect();
    let share = fastrand::u8(0..=100);
    let policy = pick(&[
        IDLE,
        "connectionPool: {tcp: {idleTimeout: 1s}, http: {maxRequestsPerConnection: 3}}, loadBalancer: {simple: RANDOM}",
        "connectionPool: {tcp: {idleTimeout: 1s, maxConnections: 20}, http: {http1MaxPendingRequests: 8}}, outlierDetection: \
         {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 1s, maxEjectionPercent: 60}",
        "connectionPool: {tcp: {idleTimeout: 1s}}, loadBalancer: {consistentHash: {httpCookie: {name: home, ttl: 60s}}}",
        "connectionPool: {tcp: {idleTimeout: 1s}, http: {http2MaxRequests: 16, maxRetries: 2}}",
    ]);
    let more = pick(&[
        "",
        ", retries: {attempts: 3, retryOn: '5xx,reset', perTryTimeout: 50ms}",
        ", timeout: 20ms",
        ", fault: {delay: {percentage: {value: 20}, fixedDelay: 0.01s}, abort: {percentage: {value: 10}, httpStatus: 418}}",
        ", mirror: {host: reviews, subset: v2}, mirrorPercentage: {value: 30}",
    ]);
    let reset = pick(&["", "", "meshwright.io/connection-faults: 'http[0] reset 2%'"]);
    let rules = format!(
        "route: [{{destination: {{host: reviews, subset: v1}}, weight: {share}}}, \
         {{destination: {{host: reviews, subset: v2}}, weight: {}}}]{more}",
        100 - share
    );
    mesh_of(&some, &policy, &rules, &reset)
}
