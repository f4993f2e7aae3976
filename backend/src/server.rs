//! The whole server put together: log, proxy, sample, control loop, telemetry, load and HTTP; and its end, in the right order.

mod cluster;
mod head;
mod identity;
mod listen;
mod plane;
mod watch;
mod wiring;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::cluster::flights::Flights;
use api::Snapshot;
use api::reduce::HISTORY;
use api::state::{Target, TargetState, TargetStatus};
use mesh::Settings;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::clock::now_millis;
use crate::connections::{self, Limits};
use crate::control::{Actor, Head, Parts};
use crate::events::Hub;
use crate::files;
use crate::http::{self, App, Guard};
use crate::load::Load;
use crate::metrics::Metrics;
use crate::origins::cluster::{Follow, sources};
use crate::origins::folder::Folder;
use crate::origins::{self, Baseline, Origin};
use crate::sample;
use crate::settings::SettingsArgs;
use crate::spans::Exporter;
use crate::store::{Store, StoreError};
use crate::targets::{Check, envoy};
use crate::telemetry::alerts::{Alerts, Moved};
use crate::telemetry::instances::Instances;
use crate::telemetry::{self, Follower};
use crate::work::Work;
use cluster::Link;
use head::First;

pub use listen::{DEFAULT as DEFAULT_ADDRESS, ListenError};
pub use watch::Ended;

/// Batches of observations, milestones and findings that may wait.
const QUEUE: usize = 64;
/// For requests that are under way when the server ends.
const GRACE: Duration = Duration::from_secs(5);

/// What the operator may turn.
#[derive(Debug, Default)]
pub struct Config {
    /// Folder of YAML; the sample mesh without one.
    pub mesh: Option<PathBuf>,
    /// Where to listen; without it 127.0.0.1:7080 or the next free port.
    pub listen: Option<SocketAddr>,
    /// Folder of the revision log; one in the user's data folder without it.
    pub data: Option<PathBuf>,
    /// Requests a second of the load generator. Without it 100 for the sample, and none for a mesh of one's own.
    pub rate: Option<f64>,
    /// Threads of the proxy; 0 is one per core.
    pub threads: usize,
    /// The mesh's defaults, where they are not the sample's or Istio's.
    pub settings: SettingsArgs,
    /// Where requests are written down.
    pub access_log: Option<proxy::AccessLog>,
    /// Which requests are traced, and where to.
    pub tracing: Option<(proxy::Tracing, Exporter)>,
    /// For how long nothing of a stream may move, where that is not the default; 0 is no limit.
    pub stream_idle: Option<Duration>,
    /// Whether a listener beyond loopback is meant.
    pub allow_remote: bool,
    /// Secret that requests must carry.
    pub token: Option<String>,
    /// Further names that the server may be reached by.
    pub allow_hosts: Vec<String>,
    /// What connections to it may do.
    pub limits: Limits,
    /// The server for Envoys, and those that stand in the built-in proxy's place.
    pub envoys: envoy::Config,
    /// The cluster whose mesh it is, in a folder's place.
    pub cluster: Option<::cluster::Options>,
    /// Whether a data plane of this program runs beside a cluster's own.
    pub data_plane: bool,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The mesh's folder.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// The revision log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No revision of the log.
    #[error("no revision of the log can be run: {0}")]
    NoneRuns(String),
    /// There is no home folder to keep the log in.
    #[error("there is no home folder to keep the revision log in; name a folder with --data")]
    NoHome,
    /// The proxy.
    #[error(transparent)]
    Proxy(#[from] proxy::StartError),
    /// The server for Envoys.
    #[error(transparent)]
    Envoys(#[from] envoy::StartError),
    /// The sample.
    #[error(transparent)]
    Sample(#[from] sample::Error),
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ::cluster::Error),
    /// The cluster.
    #[error(
        "the cluster has not listed all that it has within {0} s; name fewer namespaces with --namespace"
    )]
    SlowCluster(u64),
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The page, with the token where there is one.
    pub url: String,
    /// Said when 7080 was taken.
    pub moved: bool,
    /// Where Envoys ask for the mesh.
    pub for_envoys: Option<SocketAddr>,
    /// Whether they have to show a token there.
    pub envoys_show_token: bool,
    /// A page of the mesh itself, behind its gateway, for people to open.
    pub page: Option<String>,
    #[cfg(test)]
    pub(crate) handle: crate::control::Control,
    guard: Arc<Guard>,
    stop: CancellationToken,
    http: JoinHandle<()>,
    control: JoinHandle<()>,
    /// What the rest cannot be without has ended.
    ended: mpsc::Receiver<Ended>,
    tasks: JoinSet<()>,
    /// Sends spans, and ends after the proxy has.
    spans: Option<JoinHandle<()>>,
    sample: Option<sample::Running>,
}

/// Where the sample mesh's log is kept unless the operator says so. `None` without a home folder.
pub(crate) fn sample_data_folder() -> Option<PathBuf> {
    identity::data_folder(&identity::name(None), None)
}

impl Server {
    /// Starts everything. When it returns, the proxy runs the newest revision and the page is served.
    pub async fn start(mut config: Config) -> Result<Self, ServeError> {
        let (listener, moved) = listen::bind(&config).await?;
        let address = listener.local_addr().map_err(ListenError::Address)?;
        let mut tasks = JoinSet::new();
        let link = match &config.cluster {
            Some(options) => Some(Link::start(options, &mut tasks).await?),
            None => None,
        };
        let name = match &link {
            Some(link) => link.info.context.clone(),
            None => identity::name(config.mesh.as_deref()),
        };
        let folder = match &link {
            Some(Link { info, .. }) => {
                identity::cluster_folder(&info.context, &info.server, &info.namespaces)
            }
            None => identity::data_folder(&name, config.mesh.as_deref()),
        };
        let data = config.data.clone().or(folder).ok_or(ServeError::NoHome)?;
        // Watched before it is read: what changes from now on is seen.
        let origin = config.mesh.clone().map(Folder::new);
        let found = match &origin {
            Some(origin) => Some(origin.read().await?),
            None => None,
        };
        let store = Store::open(&data)?;
        let of_sample = config.mesh.is_none() && link.is_none();
        let settings = match &link {
            Some(link) => config.settings.over(link.settings.clone()),
            None if of_sample => config.settings.of_sample(),
            None => config.settings.of_mesh(),
        };
        let (of_origin, inventory) = match (&link, &found, &origin) {
            (Some(link), ..) => {
                let origin = format!("the cluster {}", link.info.context);
                (Some(head::Found { origin, sources: sources(&link.view) }), Arc::clone(&link.view.inventory))
            }
            (None, Some(found), Some(origin)) => {
                let sources = found.sources.clone();
                (Some(head::Found { origin: origin.name().to_owned(), sources }), Arc::default())
            }
            _ => (None, Arc::default()),
        };
        let First { head, set_aside } = head::first(&store, of_origin, &inventory, &settings).await?;
        // What changed there while the server was away is proposed, too.
        let baseline = match origin.as_ref().zip(found) {
            Some((origin, found)) => {
                Some(Baseline::new(origin.name(), store.baseline()?, found, now_millis()))
            }
            None => None,
        };

        let (milestones, reached) = mpsc::channel(QUEUE);
        let mut plane = plane::start(&mut config, milestones.clone()).await?;
        let (entries, for_envoys) = (plane.entries, plane.for_envoys);
        let sample = match of_sample {
            true => Some(sample::start(wiring::outbound(Arc::clone(&entries)), &sample::ports()).await?),
            false => None,
        };
        let ports = sample.as_ref().map(wiring::moved_ports).unwrap_or_default();
        let (outside, from_outside) = mpsc::channel(1);
        let mut flights = Flights::default();
        let (mut dry_run, mut info) = (None, None);
        if let Some(link) = link {
            let follow = Follow::new(link.mirror.clone(), link.flights.clone(), &head.analysis);
            tasks.spawn(follow.run(outside));
            flights = link.flights.clone();
            info = Some(link.info.clone());
            let (target, check) = link.target(&store, &head, milestones.clone())?;
            plane.targets.push(target);
            dry_run = Some(check);
        }

        let first = u64::try_from(now_millis()).unwrap_or_default();
        let mut state = snapshot(name, &head, &store, &settings, plane.routing)?;
        state.set_aside.clone_from(&set_aside);
        state.unread = baseline.as_ref().map(Baseline::unread).unwrap_or_default();
        state.cluster = info;
        let hub = Arc::new(Hub::new(state, first));
        let stop = CancellationToken::new();
        let metrics = Arc::new(Metrics::new(plane.names));
        let (follower, revisions) = Follower::new();
        tasks.spawn(telemetry::task::run(telemetry::task::Feeds {
            revisions,
            batches: plane.batches,
            notices: plane.notices,
            milestones,
            hub: Arc::clone(&hub),
            metrics: Arc::clone(&metrics),
            instances: Instances::new(Moved::new(&ports)),
            alerts: Alerts::new(&ports),
            domain: settings.domain.clone(),
        }));
        tasks.spawn(plane.task);
        let (found, findings) = mpsc::channel(1);
        if let Some(origin) = origin {
            tasks.spawn(origins::follow(origin, found));
        }
        let (mut actor, control) = Actor::new(Parts {
            store: store.clone(),
            hub: Arc::clone(&hub),
            targets: plane.targets,
            origin: baseline,
            findings,
            outside: from_outside,
            flights,
            check: dry_run.clone().map(|it| it as Arc<dyn Check>),
            telemetry: follower,
            milestones: reached,
            ports,
            head,
        });
        actor.start().await;
        let rate = config.rate.unwrap_or(if of_sample { 100.0 } else { 0.0 });
        let load = Load::start(rate, Arc::clone(&hub), stop.clone());
        let path = if of_sample { "/productpage" } else { "/" };
        let page =
            wiring::goal(&entries.load(), &control.head().analysis, path).map(|goal| goal.url.to_string());
        tasks.spawn(wiring::aim(Arc::clone(&hub), entries, control.clone(), load.clone(), path));

        let guard = Arc::new(Guard::new(address, &config.allow_hosts, config.token.clone()));
        #[cfg(test)]
        let handle = control.clone();
        let (work, set_aside) = (Work::default(), set_aside.map(Arc::new));
        let app = App {
            hub,
            control,
            store,
            load,
            metrics,
            cluster: dry_run,
            settings,
            work,
            set_aside,
            stop: stop.clone(),
        };
        let service = http::router(app, Arc::clone(&guard));
        let (tell, ended) = mpsc::channel(2);
        let serve = connections::serve(listener, service, config.limits, stop.clone(), GRACE);
        let http = watch::watched("the API", serve, stop.clone(), tell.clone());
        let control = watch::watched("the control loop", actor.run(stop.clone(), GRACE), stop.clone(), tell);
        let url = identity::url(address, config.token.as_deref());
        Ok(Self {
            #[cfg(test)]
            handle,
            address,
            url,
            moved,
            for_envoys,
            envoys_show_token: plane.envoys_show_token,
            page,
            guard,
            stop,
            http,
            control,
            ended,
            tasks,
            spans: plane.spans,
            sample,
        })
    }

    /// Waits until a part has ended that the rest cannot be without. The program is to end then, with an error.
    pub async fn ended(&mut self) -> Ended {
        match self.ended.recv().await {
            Some(ended) => ended,
            // Nobody is left to tell of it: all ended as they should.
            None => std::future::pending().await,
        }
    }

    /// The page for a browser that this program starts: whoever lists processes sees the address, so it lets in once and has no secret.
    pub fn ticket_url(&self) -> String {
        let page = identity::url(self.address, None);
        self.guard.ticket().map_or(page.clone(), |ticket| format!("{page}?ticket={ticket}"))
    }

    /// Ends it: no new requests, those under way are answered, then the proxy drains, then the rest goes.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        for part in [self.http, self.control] {
            if let Err(error) = part.await {
                tracing::error!(%error, "a part of the server did not shut down cleanly");
            }
        }
        if let Some(sample) = self.sample {
            sample.stop().await;
        }
        self.tasks.shutdown().await;
        if let Some(spans) = self.spans
            && tokio::time::timeout(GRACE, spans).await.is_err()
        {
            tracing::warn!("some spans were not sent");
        }
    }
}

fn snapshot(
    name: String,
    head: &Head,
    store: &Store,
    settings: &Settings,
    target: Target,
) -> Result<Snapshot, StoreError> {
    let pending = TargetState::Pending { revision: head.info.number };
    Ok(Snapshot {
        name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: head.info.clone(),
        sources: (*head.analysis.sources).clone(),
        settings: settings.clone(),
        targets: vec![TargetStatus { target, state: pending, nodes: Vec::new() }],
        listeners: Vec::new(),
        load: None,
        history: store.history(None, HISTORY)?,
        timeline: None,
        tick: None,
        series: Vec::new(),
        proposal: None,
        alerts: Vec::new(),
        set_aside: None,
        unread: Vec::new(),
        inventory: Arc::clone(head.analysis.inventory()),
        cluster: None,
        instances: Vec::new(),
    })
}
