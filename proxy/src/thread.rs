//! One thread of the data plane: its runtime, its inbox and its clock for handing over observations.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh::{Plan, Source};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::activity::drain::Drain;
use crate::config::Config;
use crate::downstream::accept;
use crate::reporting::access_log::Sink;
use crate::reporting::observation::{Batch, Notice};
use crate::reporting::trace;
use crate::request::client::ListenerContext;
use crate::state::shared::Shared;
use crate::state::sources::Sources;
use crate::tls::Store;
use crate::upstream::checker::Checkers;
use crate::upstream::cluster_manager::ClusterManager;

/// Whose traffic enters at a listener.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The source whose plan routes it.
    pub source: Source,
    /// The [`mesh::plan::Listener`] of the plan, by its port. `None`: the request's authority chooses it
    /// ([`mesh::route::listener_for`]), as one outbound port serves a whole workload.
    pub port: Option<u16>,
}

/// What a thread is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Accept connections here.
    Bind {
        listener: std::net::TcpListener,
        address: SocketAddr,
        entry: Entry,
        done: oneshot::Sender<io::Result<()>>,
    },
    /// Accept no more here, and let the open connections end.
    Unbind { address: SocketAddr, done: oneshot::Sender<bool> },
    /// Route by these plans and no others.
    Swap { plans: Arc<HashMap<Source, Arc<Plan>>>, done: oneshot::Sender<Instant> },
    /// End once all requests have, or after this time.
    Shutdown { grace: Duration, done: oneshot::Sender<()> },
}

/// Where a thread puts what it has to say.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    /// Observations.
    pub(crate) batches: mpsc::Sender<Batch>,
    /// Notices.
    pub(crate) notices: mpsc::Sender<Notice>,
}

/// Starts a thread; it ends when told to, or when all senders of its inbox are gone.
pub(crate) fn spawn(
    index: usize,
    config: Arc<Config>,
    (cluster_manager, tls): (Arc<ClusterManager>, Arc<Store>),
    written: (Option<Sink>, Option<trace::Sink>),
    inbox: mpsc::UnboundedReceiver<Command>,
    outbox: Outbox,
) -> io::Result<()> {
    let (started, starting) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name(format!("proxy-{index}")).spawn(move || {
        let runtime =
            Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                // Nobody waits any more where the receiver is gone.
                let _ = started.send(Ok(()));
                // One thread checks for all.
                let checkers = (index == 0).then(Checkers::default);
                let shared = Shared::new(config, cluster_manager, tls, written, outbox.notices.clone());
                runtime.block_on(Thread::new(shared, outbox, checkers).run(inbox));
            }
            Err(error) => drop(started.send(Err(error))),
        }
    })?;
    starting.recv().map_err(|_gone| io::Error::other("the thread ended at once"))?
}

struct Thread {
    shared: Rc<Shared>,
    sources: Sources,
    outbox: Outbox,
    bound: HashMap<SocketAddr, Bound>,
    swept: Instant,
    /// Of the thread that checks the health of endpoints.
    checkers: Option<Checkers>,
}

/// A listener at work.
struct Bound {
    accepting: JoinHandle<()>,
    drain: Rc<Drain>,
}

/// For how long the last batch waits for a reader.
const LAST_BATCH: Duration = Duration::from_millis(500);
/// How often idle connections are looked through.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

impl Thread {
    fn new(shared: Shared, outbox: Outbox, checkers: Option<Checkers>) -> Self {
        let sources = Sources::new(Arc::clone(&shared.cluster_manager));
        Self {
            shared: Rc::new(shared),
            sources,
            outbox,
            bound: HashMap::new(),
            swept: Instant::now(),
            checkers,
        }
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        let mut flush = tokio::time::interval(self.shared.config.flush_interval);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(Command::Bind { listener, address, entry, done }) => {
                        // Who asked may have gone; the listener stays until the proxy ends.
                        let _ = done.send(self.bind(listener, address, &entry));
                    }
                    Some(Command::Unbind { address, done }) => {
                        let _ = done.send(self.unbind(address).await);
                    }
                    Some(Command::Swap { plans, done }) => {
                        self.sources.swap(&plans);
                        if let Some(checkers) = &mut self.checkers {
                            checkers.follow(plans.values(), &self.shared.cluster_manager, &self.shared.tls);
                        }
                        let _ = done.send(Instant::now());
                    }
                    Some(Command::Shutdown { grace, done }) => {
                        self.end(grace).await;
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                _ = flush.tick() => {
                    self.flush();
                    self.sources.look(Instant::now());
                    self.sweep();
                }
            }
        }
    }

    fn bind(
        &mut self,
        listener: std::net::TcpListener,
        address: SocketAddr,
        entry: &Entry,
    ) -> io::Result<()> {
        let listener = TcpListener::from_std(listener)?;
        let front = Rc::new(ListenerContext::new(
            Rc::clone(&self.shared),
            self.sources.get(&entry.source),
            entry.port,
        ));
        let drain = Rc::<Drain>::default();
        let accepting = tokio::task::spawn_local(accept::accept(front, listener, Rc::clone(&drain)));
        self.shared.listens(address);
        self.bound.insert(address, Bound { accepting, drain });
        Ok(())
    }

    async fn unbind(&mut self, address: SocketAddr) -> bool {
        let Some(bound) = self.bound.remove(&address) else { return false };
        bound.accepting.abort();
        // Once its task has ended, the socket is closed.
        let _ = bound.accepting.await;
        bound.drain.end();
        self.shared.listens_no_more(address);
        true
    }

    async fn end(&mut self, grace: Duration) {
        let addresses: Vec<_> = self.bound.keys().copied().collect();
        for address in addresses {
            self.unbind(address).await;
        }
        if tokio::time::timeout(grace, self.shared.work.below(1)).await.is_err() {
            tracing::info!(
                connections = self.shared.work.open(),
                "connections are cut after the grace period"
            );
        }
        self.flush_all().await;
    }

    fn sweep(&mut self) {
        let now = Instant::now();
        let config = &self.shared.config;
        let (limit, idle) = (config.header_read_timeout, config.stream_idle());
        if now.duration_since(self.swept) >= SWEEP_INTERVAL.min(limit).min(idle.unwrap_or(limit)) {
            self.swept = now;
            self.sources.sweep(now, config.idle_timeout);
            self.bound.values().for_each(|bound| bound.drain.expire(now, limit, idle));
        }
    }

    /// Hands over what was written down and counted, unless nobody reads: then it is counted on.
    fn flush(&self) {
        self.turn_page();
        if let Ok(place) = self.outbox.batches.try_reserve() {
            let batch = self.shared.take();
            if !batch.is_empty() {
                place.send(batch);
            }
        }
    }

    fn turn_page(&self) {
        if let Some(log) = &self.shared.log {
            log.turn();
        }
    }

    async fn flush_all(&self) {
        self.turn_page();
        let batch = self.shared.take();
        if !batch.is_empty() {
            // Where nobody reads any more, nobody misses it.
            let last = self.outbox.batches.send_timeout(batch, LAST_BATCH);
            let _ = last.await;
        }
    }
}
