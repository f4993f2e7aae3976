//! The server that is measured, in a process of its own, and the edits.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use prost::Message;
use tokio::process::Command;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use xds::ads::{self, Client, Nodes, Options, Server, SnapshotSource};
use xds::resource::{Kind, Resource, Resources, Snapshot};

use crate::made::{Made, VERSIONS};
use crate::{Failure, process};

/// The head of the table.
pub(crate) const HEAD: &str = "\
| services × versions | clients | what | edits | text → resources, ms | resources → last ACK, ms (median, max) | CPU per edit, ms | sent per edit | memory, MB (peak) |
| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |";

/// Long enough for any size.
const LONG: Duration = Duration::from_secs(300);

/// How many endpoints change in a second, of all.
const CHURN: f64 = 0.01;

/// How often they change.
const TICK: Duration = Duration::from_millis(100);

struct One(watch::Sender<Arc<Snapshot>>);

impl SnapshotSource for One {
    fn subscribe(&self, _: &Client) -> Result<watch::Receiver<Arc<Snapshot>>, String> {
        Ok(self.0.subscribe())
    }
}

struct Bench {
    services: usize,
    clients: usize,
    made: Made,
    world: Arc<One>,
    nodes: Nodes,
}

/// What a number of edits took.
#[derive(Default)]
struct Figures {
    made: Vec<Duration>,
    taken: Vec<Duration>,
    cpu: Duration,
    bytes: u64,
}

/// Serves so many services to so many clients, and edits.
pub(crate) async fn run(services: usize, clients: usize) -> Result<(), Failure> {
    let mut made = Made::new(services);
    let start = Instant::now();
    let snapshot = Arc::new(made.snapshot(&Snapshot::default()));
    let first = start.elapsed();
    let resources: usize = Kind::ALL.into_iter().map(|kind| snapshot.of(kind).len()).sum();
    let size =
        Kind::ALL.into_iter().flat_map(|kind| snapshot.of(kind).values()).map(|it| it.body.value.len());
    eprintln!(
        "{services} services: {} KB of text, {resources} resources, {} KB, in {first:.0?}; {} MB",
        made.bytes() / 1024,
        size.sum::<usize>() / 1024,
        process::memory().0,
    );
    let names = tempfile::NamedTempFile::new()?;
    let list = |kind| snapshot.of(kind).keys().map(|name| format!("{name}\n")).collect::<String>();
    std::fs::write(names.path(), list(Kind::Endpoints) + "---\n" + &list(Kind::Routes))?;

    let world = Arc::new(One(watch::Sender::new(Arc::clone(&snapshot))));
    let listener = ads::listen(([127, 0, 0, 1], 0).into())?;
    let address = listener.local_addr()?;
    let server = Server::new(Arc::clone(&world) as Arc<dyn SnapshotSource>, Options::default());
    let (nodes, stop) = (server.nodes(), CancellationToken::new());
    let serving = tokio::spawn(server.serve(listener, stop.clone()));
    let mut bench = Bench { services, clients, made, world, nodes };

    let (start, cpu) = (Instant::now(), process::cpu());
    let mut child = Command::new(std::env::current_exe()?)
        .args(["clients", &address.to_string(), &clients.to_string()])
        .arg(names.path())
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    bench.settle(snapshot.revision).await?;
    drop(snapshot);
    let first = Figures {
        made: vec![first],
        taken: vec![start.elapsed()],
        cpu: process::cpu().saturating_sub(cpu),
        bytes: bench.nodes.bytes(),
    };
    bench.print("all connect", &first);

    let mut figures = Figures::default();
    for edit in 0..10 {
        bench.edit(&mut figures, |made| made.set(services / 2, 1 + edit)).await?;
    }
    bench.print("one weight", &figures);

    let mut figures = Figures::default();
    for edit in 0..5 {
        bench.edit(&mut figures, |made| made.set(services + edit, 50)).await?;
    }
    bench.print("one service more", &figures);

    let figures = bench.churn(50).await?;
    bench.print("endpoints, 1 % a second", &figures);

    drop(child.stdin.take());
    child.wait().await?;
    stop.cancel();
    serving.await??;
    Ok(())
}

impl Bench {
    async fn edit(&mut self, figures: &mut Figures, edit: impl FnOnce(&mut Made)) -> Result<(), Failure> {
        let (start, cpu, bytes) = (Instant::now(), process::cpu(), self.nodes.bytes());
        edit(&mut self.made);
        let before = Arc::clone(&self.world.0.borrow());
        let snapshot = Arc::new(self.made.snapshot(&before));
        figures.made.push(start.elapsed());
        let revision = snapshot.revision;
        self.offer(snapshot, revision, figures).await?;
        figures.cpu += process::cpu().saturating_sub(cpu);
        figures.bytes += self.nodes.bytes() - bytes;
        Ok(())
    }

    async fn offer(&self, it: Arc<Snapshot>, revision: u64, figures: &mut Figures) -> Result<(), Failure> {
        let start = Instant::now();
        self.world.0.send_replace(it);
        self.settle(revision).await?;
        figures.taken.push(start.elapsed());
        Ok(())
    }

    /// Waits until all clients have all of a revision.
    async fn settle(&self, revision: u64) -> Result<(), Failure> {
        let mut states = self.nodes.watch();
        let all = states.wait_for(|states| {
            let has = |node: &&Arc<xds::ads::NodeState>| {
                node.acked >= Some(revision) && node.kinds.contains_key(&Kind::VirtualHost)
            };
            states.iter().filter(has).count() == self.clients
        });
        tokio::time::timeout(LONG, all).await.map_err(|_late| "clients do not take what they are sent")??;
        Ok(())
    }

    /// Endpoints move to other ports, some at each tick; what is sent at a tick is awaited before the next.
    async fn churn(&self, ticks: usize) -> Result<Figures, Failure> {
        let mut figures = Figures::default();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few"
        )]
        let each = ((self.services * VERSIONS) as f64 * CHURN * TICK.as_secs_f64()).ceil() as usize;
        let (cpu, bytes, mut next) = (process::cpu(), self.nodes.bytes(), 0);
        for _ in 0..ticks {
            tick.tick().await;
            let before = Arc::clone(&self.world.0.borrow());
            let mut snapshot = Snapshot::clone(&before);
            snapshot.revision += 1;
            let mut all = Resources::clone(snapshot.of(Kind::Endpoints));
            let names: Vec<Arc<str>> = all.keys().cloned().collect();
            // A cluster of a version has one endpoint.
            for name in names.iter().cycle().skip(next % names.len()).take(each) {
                let mut assignment = ClusterLoadAssignment::decode(all[name].body.value.as_slice())?;
                moved(&mut assignment);
                let resource = Resource::new(Kind::Endpoints, Arc::clone(name), assignment.encode_to_vec());
                all.insert(Arc::clone(name), Arc::new(resource));
            }
            next += each;
            snapshot.set(Kind::Endpoints, Arc::new(all));
            let revision = snapshot.revision;
            drop(before);
            self.offer(Arc::new(snapshot), revision, &mut figures).await?;
        }
        figures.cpu = process::cpu().saturating_sub(cpu);
        figures.bytes = self.nodes.bytes() - bytes;
        Ok(figures)
    }

    fn print(&self, what: &str, figures: &Figures) {
        let millis = |it: Duration| it.as_secs_f64() * 1000.0;
        let median = |list: &[Duration]| {
            let mut list = list.to_vec();
            list.sort();
            list.get(list.len() / 2).copied().unwrap_or_default()
        };
        let edits = figures.taken.len();
        let max = figures.taken.iter().max().copied().unwrap_or_default();
        let made = if figures.made.is_empty() {
            "–".to_owned()
        } else {
            format!("{:.0}", millis(median(&figures.made)))
        };
        let each = u32::try_from(edits).unwrap_or(1);
        let sent = figures.bytes / u64::from(each);
        let sent = match sent {
            0..10_000 => format!("{sent} B"),
            10_000..10_000_000 => format!("{} KB", sent / 1000),
            _ => format!("{} MB", sent / 1_000_000),
        };
        let (now, peak) = process::memory();
        println!(
            "| {} × {VERSIONS} | {} | {what} | {edits} | {made} | {:.1}, {:.1} | {:.1} | {sent} | {now} ({peak}) |",
            self.services,
            self.clients,
            millis(median(&figures.taken)),
            millis(max),
            millis(figures.cpu / each),
        );
    }
}

/// The first endpoint at another port.
fn moved(assignment: &mut ClusterLoadAssignment) {
    use envoy_types::pb::envoy::config::core::v3::address::Address;
    use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
    use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
    let endpoint = assignment.endpoints.first_mut().and_then(|group| group.lb_endpoints.first_mut());
    if let Some(HostIdentifier::Endpoint(endpoint)) = endpoint.and_then(|it| it.host_identifier.as_mut())
        && let Some(Address::SocketAddress(socket)) =
            endpoint.address.as_mut().and_then(|it| it.address.as_mut())
        && let Some(PortSpecifier::PortValue(port)) = &mut socket.port_specifier
    {
        *port = 1024 + (*port + 1) % 60_000;
    }
}
