//! The handle of the data plane: starts its threads and tells them what to listen on and which plans to run.
//!
//! Each thread has an inbox. What is told to all of them is done when the last of them has answered.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mesh::Plan;
use mesh::plan::{Plans, distinct};
use tokio::sync::{mpsc, oneshot};

use crate::config::Config;
use crate::downstream::listen::listen;
use crate::reporting::access_log::Sink;
use crate::reporting::names::Names;
use crate::reporting::observation::{Batch, Notice};
use crate::reporting::trace::{self, Spans};
use crate::thread::{self, Command, Entry};
use crate::tls::Store;
use crate::upstream::cluster_manager::ClusterManager;

/// Batches that may wait per thread before it keeps counting instead of handing over.
const BATCHES_PER_THREAD: usize = 16;
/// Notices that may wait.
const NOTICES: usize = 4096;
/// For how much longer than the grace period a shutdown waits for a thread.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The data plane. Clones are handles of the same one; it ends when it is shut down or the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Proxy {
    inboxes: Arc<[mpsc::UnboundedSender<Command>]>,
    tls: Arc<Store>,
    names: Arc<Names>,
    /// The thread that writes the access log.
    writing: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What comes out of the data plane.
#[derive(Debug)]
pub struct Events {
    /// From each thread, every [`Config::flush_interval`] in which it had traffic. Ends after the last thread has.
    /// Nothing is lost to a slow reader: the threads count on and hand over later.
    pub batches: mpsc::Receiver<Batch>,
    /// As it happens. Dropped where nobody reads them.
    pub notices: mpsc::Receiver<Notice>,
    /// Of requests that are recorded, where [`Config::tracing`] says that some are. Those that find no room are dropped.
    pub spans: Option<Spans>,
}

/// All threads run what was swapped in.
#[derive(Debug, Clone, Copy)]
pub struct Swapped {
    /// When the last of them had it.
    pub at: Instant,
}

/// The threads could not be started.
#[derive(Debug, thiserror::Error)]
#[error("a proxy thread could not be started, or the access log not opened")]
pub struct StartError(#[from] io::Error);

/// No listener could be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// None of the addresses is free; this is what the first one said.
    #[error("cannot listen on {address}")]
    Address {
        /// The first address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The proxy was shut down.
    #[error("the proxy was shut down")]
    Down,
}

/// Whether there is TLS to prepare.
fn speaks_tls(plan: &Plan) -> bool {
    plan.listeners.iter().any(|listener| !listener.tls.is_empty())
        || plan.clusters.iter().any(|cluster| cluster.policy.tls.is_some())
}

impl Proxy {
    /// Starts the threads. They listen nowhere and know no plans yet.
    #[expect(
        clippy::disallowed_methods,
        reason = "commands are few, and whoever gives one waits for its answer"
    )]
    pub fn start(config: Config) -> Result<(Self, Events), StartError> {
        let threads = config.thread_count();
        let config = Arc::new(config);
        let tls = Store::watched(&config.folder)?;
        let (log, writing) = config.access_log.as_ref().map(Sink::open).transpose()?.unzip();
        let (recorder, spans) = config.tracing.map(|_| trace::Sink::open()).unzip();
        let (batch_sender, batches) = mpsc::channel(BATCHES_PER_THREAD * threads);
        let (notice_sender, notices) = mpsc::channel(NOTICES);
        let cluster_manager = Arc::new(ClusterManager::new(notice_sender.clone()));
        let names = Arc::clone(&cluster_manager.names);
        let inboxes = (0..threads)
            .map(|index| {
                let (sender, inbox) = mpsc::unbounded_channel();
                let outbox = thread::Outbox { batches: batch_sender.clone(), notices: notice_sender.clone() };
                thread::spawn(
                    index,
                    Arc::clone(&config),
                    (Arc::clone(&cluster_manager), Arc::clone(&tls)),
                    (log.clone(), recorder.clone()),
                    inbox,
                    outbox,
                )?;
                Ok(sender)
            })
            .collect::<Result<_, io::Error>>()?;
        let writing = Arc::new(Mutex::new(writing));
        Ok((Self { inboxes, tls, names, writing }, Events { batches, notices, spans }))
    }

    /// The names that clients made up. Whoever else counts what they asked for counts it under these.
    pub fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names)
    }

    /// Listens for a source's traffic on the first of these addresses that is free (port 0: any port), and says where.
    #[tracing::instrument(skip_all, fields(source = ?entry.source, port = entry.port))]
    pub async fn bind(&self, entry: Entry, addresses: &[SocketAddr]) -> Result<SocketAddr, BindError> {
        let (sockets, bound) = listen(addresses, self.inboxes.len())
            .map_err(|(address, source)| BindError::Address { address, source })?;
        let mut answers = Vec::with_capacity(sockets.len());
        for (inbox, listener) in self.inboxes.iter().zip(sockets) {
            let (done, answer) = oneshot::channel();
            let command = Command::Bind { listener, address: bound, entry: entry.clone(), done };
            inbox.send(command).map_err(|_down| BindError::Down)?;
            answers.push(answer);
        }
        for answer in answers {
            let listening = answer.await.map_err(|_down| BindError::Down)?;
            listening.map_err(|source| BindError::Address { address: bound, source })?;
        }
        Ok(bound)
    }

    /// Stops listening on an address that [`Proxy::bind`] returned. Connections end after the request that they carry.
    /// False when nothing listened there.
    #[tracing::instrument(skip(self))]
    pub async fn unbind(&self, address: SocketAddr) -> bool {
        self.tell(|done| Command::Unbind { address, done }).await.contains(&true)
    }

    /// Replaces all plans by these, one for each source; a source without one is answered as if no route matched.
    ///
    /// Each thread takes all of them between two requests, so none sees half of a revision. Active requests
    /// end under the plan that they began with. Connections, counters and the turns of balancers stay; only idle
    /// connections to endpoints that are in none of the new plans are closed.
    #[tracing::instrument(skip_all, fields(plans = plans.len()))]
    pub async fn swap(&self, plans: Vec<Arc<Plan>>) -> Swapped {
        self.swap_all(Arc::new(plans.into_iter().map(|plan| (plan.source.clone(), plan)).collect())).await
    }

    /// As [`Proxy::swap`], with plans that are by their sources already.
    pub async fn swap_all(&self, plans: Arc<Plans>) -> Swapped {
        if distinct(plans.values().map(Arc::as_ref)).any(speaks_tls) {
            let (tls, plans) = (Arc::clone(&self.tls), plans.values().cloned().collect::<Vec<_>>());
            // What could not be prepared is made when it is first needed.
            let _ = tokio::task::spawn_blocking(move || tls.prepare(&plans)).await;
        }
        let times = self.tell(|done| Command::Swap { plans: Arc::clone(&plans), done }).await;
        Swapped { at: times.into_iter().max().unwrap_or_else(Instant::now) }
    }

    /// Accepts nothing more, lets active requests end, cuts what is left after `grace`, and ends the threads.
    /// All observations are in [`Events`] when it returns, as far as they are read, and all lines in the access log.
    #[tracing::instrument(name = "drain", skip(self))]
    pub async fn shutdown(self, grace: Duration) {
        let ended = self.tell(|done| Command::Shutdown { grace, done });
        if tokio::time::timeout(grace + LAST_WORDS, ended).await.is_err() {
            tracing::warn!("a proxy thread did not end in time");
        }
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writing) = writing {
            // It ends once the threads have, which hold its other side.
            let written = tokio::task::spawn_blocking(|| writing.join());
            if tokio::time::timeout(LAST_WORDS, written).await.is_err() {
                tracing::warn!("the access log was not written to its end");
            }
        }
    }

    /// Tells every thread, and collects the answers of those that still run.
    async fn tell<T>(&self, command: impl Fn(oneshot::Sender<T>) -> Command) -> Vec<T> {
        let asked: Vec<_> = self
            .inboxes
            .iter()
            .filter_map(|inbox| {
                let (done, answer) = oneshot::channel();
                inbox.send(command(done)).is_ok().then_some(answer)
            })
            .collect();
        let mut answers = Vec::with_capacity(asked.len());
        for answer in asked {
            answers.extend(answer.await);
        }
        answers
    }
}
