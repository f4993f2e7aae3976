//! Real Envoys: found, started and supervised, given the mesh, and heard.

mod admin;
pub mod binary;
mod cache;
pub mod managed;
mod observe;
pub mod process;
pub mod status;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::state::{TargetState, TargetStatus};
use arc_swap::ArcSwap;
use futures::FutureExt;
use futures::future::BoxFuture;
use proxy::{Batch, Names};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use xds::ads::{Options, ServeError, Server, States};
use xds::als::{self, Logs};
use xds::bootstrap;
use xds::node::STREAM_IDLE;

use super::entries::{Entries, listeners};
use super::{News, Offer, Target};
use crate::timeline::StageReached;
use cache::SnapshotCache;
use managed::Managed;

/// Where the server for Envoys is unless the operator says so: Istio's port for it.
pub const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 15010);
/// Ports above it that are tried when it is taken.
const NEXT_PORTS: u16 = 20;

/// Messages of access logs that may wait.
const LOGS: usize = 1024;

/// How long nothing new is told of the Envoys for each that there is: of a thousand, four times a second.
const REST: Duration = Duration::from_micros(250);

/// What the operator may turn.
#[derive(Debug, Default)]
pub struct Config {
    /// Where Envoys ask; without it 127.0.0.1:15010 or a free port near it.
    pub listen: Option<SocketAddr>,
    /// Who may ask, and how.
    pub options: Options,
    /// For how long nothing of a stream may move, where that is not the default; 0 is no limit.
    pub stream_idle: Option<Duration>,
    /// Envoy's binary, for those that this program runs in the built-in proxy's place.
    pub own: Option<PathBuf>,
}

/// The server for Envoys does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address.
    #[error("cannot listen for Envoys on {address}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It would be open to everybody.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// The Envoys as a target.
#[derive(Debug)]
pub struct Envoys {
    /// Where they ask.
    pub address: SocketAddr,
    cache: Arc<SnapshotCache>,
    states: watch::Receiver<States>,
    /// Those that this program runs in the built-in proxy's place.
    managed: Option<Managed>,
    offer: Option<Arc<Offer>>,
    told: Option<TargetStatus>,
    /// When the next change may be told.
    rested: Instant,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Envoys {
    /// Serves Envoys; they get nothing before the first plans are there. Also returns what they write down of requests.
    pub async fn start(mut config: Config) -> Result<(Self, Logs), StartError> {
        let listener = listen(config.listen)?;
        let address = listener
            .local_addr()
            .map_err(|source| StartError::Address { address: DEFAULT_ADDRESS, source })?;
        let cache = Arc::new(SnapshotCache::new(config.stream_idle.unwrap_or(STREAM_IDLE)));
        let token = config.options.token.clone();
        let (sink, logs) = als::channel(LOGS);
        config.options.logs = Some(sink);
        let server = Server::new(Arc::clone(&cache) as Arc<dyn xds::ads::SnapshotSource>, config.options);
        server.allows(address)?;
        let states = server.nodes().watch();
        let stop = CancellationToken::new();
        let ending = stop.clone();
        let serving = tokio::spawn(async move {
            if let Err(error) = server.serve(listener, ending).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the xDS server has ended");
            }
        });
        let managed = config.own.map(|binary| {
            Managed::new(binary, bootstrap::Server { token, ..bootstrap::Server::plain(address) })
        });
        let rested = Instant::now();
        let envoys = Self { address, cache, states, managed, offer: None, told: None, rested, stop, serving };
        Ok((envoys, logs))
    }

    /// A task that hands on what Envoys write down of requests, as observations.
    pub(crate) fn hear(
        &self,
        logs: Logs,
        names: Arc<Names>,
        batches: mpsc::Sender<Batch>,
        milestones: mpsc::Sender<StageReached>,
    ) -> impl Future<Output = ()> + Send + 'static {
        observe::run(logs, names, self.states.clone(), Arc::clone(&self.cache), batches, milestones)
    }

    /// Where traffic enters, for those who look at each call, if this program runs Envoys in the built-in proxy's place.
    pub fn entries(&self) -> Option<Arc<ArcSwap<Entries>>> {
        self.managed.as_ref().map(Managed::entries)
    }

    /// What they run now, if that is another thing than the last time.
    fn status(&mut self, now: i64) -> Option<TargetStatus> {
        let offer = self.offer.as_ref()?;
        let head = (offer.revision, offer.millis(std::time::Instant::now()));
        let states = Arc::clone(&self.states.borrow_and_update());
        self.rested = Instant::now() + REST.saturating_mul(u32::try_from(states.len()).unwrap_or(u32::MAX));
        // Of this program's own, those that it has ended are no target any longer.
        let ended = |id: &str| self.managed.as_ref().is_some_and(|managed| managed.ended(id));
        let states: States = states.iter().filter(|it| !ended(&it.node.id)).cloned().collect();
        let notes = |source: &mesh::Source| self.cache.notes(source);
        let awaited = self.managed.iter().flat_map(|managed| managed.awaited(&states));
        let status = status::status(&states, awaited, head, now, self.told.as_ref(), notes);
        if status == self.told {
            return None;
        }
        self.told = status;
        self.told.clone()
    }
}

impl Target for Envoys {
    fn offer(&mut self, offer: &Arc<Offer>) {
        self.offer = Some(Arc::clone(offer));
    }

    /// Tells all Envoys what is new for them.
    fn apply(&mut self) -> BoxFuture<'_, ()> {
        let revision = self.offer.as_ref().map(|offer| offer.revision);
        let span = tracing::info_span!("apply", to = "envoy", revision);
        async {
            let Some(offer) = self.offer.clone() else { return };
            let binds = self.managed.as_mut().map(|managed| managed.follow(&offer.plans)).unwrap_or_default();
            let cache = Arc::clone(&self.cache);
            // A large mesh takes its time.
            let set = move || cache.set(offer.revision, offer.plans.clone(), binds);
            if let Err(error) = tokio::task::spawn_blocking(set).await {
                tracing::error!(%error, "the revision was not sent to Envoys");
            }
        }
        .instrument(span)
        .boxed()
    }

    /// An Envoy has come, gone, taken or refused something; many of them together where there are many.
    fn changed(&mut self) -> BoxFuture<'_, ()> {
        async {
            sleep_until(self.rested).await;
            if self.states.changed().await.is_err() {
                std::future::pending().await
            }
        }
        .boxed()
    }

    fn news(&mut self, now: i64) -> News {
        let mut news = News { status: self.status(now), ..News::default() };
        if let Some(managed) = &self.managed {
            let opened = managed.admit(&self.states.borrow());
            news.listeners = opened.then(|| listeners(&managed.entries().load()));
            if let Some(TargetState::Applied { revision, .. }) = news.status.as_ref().map(|it| &it.state) {
                news.swapped = Some((*revision, std::time::Instant::now()));
            }
        }
        news
    }

    /// Ends this program's own Envoys, then the server. Others keep what they have.
    fn shutdown(mut self: Box<Self>, _: Duration) -> BoxFuture<'static, ()> {
        async move {
            if let Some(managed) = &mut self.managed {
                managed.shutdown().await;
            }
            self.stop.cancel();
            if let Err(error) = self.serving.await {
                tracing::error!(%error, "the xDS server did not shut down cleanly");
            }
        }
        .boxed()
    }
}

fn listen(asked: Option<SocketAddr>) -> Result<TcpListener, StartError> {
    let address = asked.unwrap_or(DEFAULT_ADDRESS);
    let first = match xds::ads::listen(address) {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    if asked.is_none() {
        for port in (1..=NEXT_PORTS).map(|step| DEFAULT_ADDRESS.port() + step).chain([0]) {
            if let Ok(listener) = xds::ads::listen(SocketAddr::new(DEFAULT_ADDRESS.ip(), port)) {
                return Ok(listener);
            }
        }
    }
    Err(StartError::Address { address, source: first })
}
