//! What the tasks of one thread share. Nothing of it leaves the thread, so nothing of it is locked.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh::plan::{Cluster, ClusterKey};
use mesh::route::Draws;
use mesh::{Plan, Source};
use tokio::sync::mpsc;

use crate::access_log::{Log, Sink};
use crate::config::Config;
use crate::drain::Drain;
use crate::fleet::Fleet;
use crate::observation::{Batch, Notice, Place, Tries};
use crate::pool::Upstream;
use crate::source::SourceState;
use crate::stats::Table;
use crate::tls::Store;
use crate::trace;

pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) tls: Arc<Store>,
    /// Where requests are written down.
    pub(crate) log: Option<Rc<Log>>,
    /// Where requests are recorded, as parts of traces.
    pub(crate) recorder: Option<trace::Sink>,
    pub(crate) stats: Table,
    /// Endpoints on which tries ended that nobody was told of yet.
    tried: RefCell<Vec<Rc<Upstream>>>,
    /// Everything that must end before the thread may.
    pub(crate) work: Rc<Drain>,
    random: RefCell<fastrand::Rng>,
    sources: RefCell<HashMap<Source, Rc<SourceState>>>,
    plans: RefCell<Arc<HashMap<Source, Arc<Plan>>>>,
    /// Where this proxy listens.
    own: RefCell<HashSet<SocketAddr>>,
    /// What all threads know of the upstreams.
    pub(crate) fleet: Arc<Fleet>,
    notices: mpsc::Sender<Notice>,
    /// The last revision that a request was routed by.
    noticed: Cell<u64>,
    /// The machine's name, once somebody has asked for it.
    hostname: OnceCell<String>,
    /// When a client's mistake was last told.
    told: Cell<Option<Instant>>,
}

/// How often mistakes of clients are told.
const TELL: Duration = Duration::from_secs(10);

impl Shared {
    pub(crate) fn new(
        config: Arc<Config>,
        fleet: Arc<Fleet>,
        tls: Arc<Store>,
        (log, recorder): (Option<Sink>, Option<trace::Sink>),
        notices: mpsc::Sender<Notice>,
    ) -> Self {
        Self {
            config,
            tls,
            log: log.map(|sink| Rc::new(Log::new(sink))),
            recorder,
            stats: Table::default(),
            tried: RefCell::default(),
            work: Rc::default(),
            random: RefCell::default(),
            sources: RefCell::default(),
            plans: RefCell::default(),
            own: RefCell::default(),
            fleet,
            notices,
            noticed: Cell::new(0),
            hostname: OnceCell::new(),
            told: Cell::new(None),
        }
    }

    /// The state of a source, made when it is first asked for.
    pub(crate) fn source(&self, source: &Source) -> Rc<SourceState> {
        let mut sources = self.sources.borrow_mut();
        let state = sources.entry(source.clone()).or_insert_with(|| {
            let plan = self.plans.borrow().get(source).cloned();
            Rc::new(SourceState::new(source, plan, &self.fleet))
        });
        Rc::clone(state)
    }

    /// Routes by these plans from now on.
    pub(crate) fn swap(&self, plans: &Arc<HashMap<Source, Arc<Plan>>>) {
        *self.plans.borrow_mut() = Arc::clone(plans);
        // Plans share their clusters, so one index serves many sources.
        let mut indices: HashMap<*const Cluster, HashMap<&ClusterKey, &Cluster>> = HashMap::new();
        for (source, state) in self.sources.borrow().iter() {
            let plan = plans.get(source);
            let clusters = plan.map_or(&[][..], |plan| &plan.clusters);
            let index = indices
                .entry(clusters.as_ptr())
                .or_insert_with(|| clusters.iter().map(|cluster| (&cluster.key, cluster)).collect());
            state.swap(plan.cloned(), index);
        }
    }

    /// The random numbers of one decision.
    pub(crate) fn draws(&self) -> Draws {
        let mut random = self.random.borrow_mut();
        Draws { weight: random.u64(..), delay: random.u64(..), abort: random.u64(..) }
    }

    /// The machine's name.
    pub(crate) fn hostname(&self) -> &str {
        self.hostname.get_or_init(|| {
            let kernels = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
            let name = kernels.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
            name.trim().to_owned()
        })
    }

    /// Lends the random numbers.
    pub(crate) fn with_random<T>(&self, work: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        work(&mut self.random.borrow_mut())
    }

    /// A try on an endpoint has ended with this status; 0 is no response.
    pub(crate) fn tried(&self, upstream: &Rc<Upstream>, status: u16) {
        if upstream.tried(status) {
            self.tried.borrow_mut().push(Rc::clone(upstream));
        }
    }

    /// All that was counted since the last time.
    pub(crate) fn take(&self) -> Batch {
        let mut tries: HashMap<Place, Tries> = HashMap::new();
        for upstream in self.tried.take() {
            if let Some((place, more)) = upstream.take_tries() {
                tries.entry(place.clone()).or_default().merge(&more);
            }
        }
        Batch { stats: self.stats.take(), tries }
    }

    /// Tells of the first request under a revision.
    pub(crate) fn routed_by(&self, revision: u64, at: Instant) {
        if self.noticed.replace(revision) != revision {
            // Where nobody listens, nobody misses it.
            let _ = self.notices.try_send(Notice::FirstRequest { revision, at });
        }
    }

    /// Whether it is time to tell of a client's mistake: anybody can make any number of them.
    pub(crate) fn may_tell(&self) -> bool {
        let may = self.told.get().is_none_or(|told| told.elapsed() >= TELL);
        if may {
            self.told.set(Some(Instant::now()));
        }
        may
    }

    /// This proxy listens here: connecting to it would lead back.
    pub(crate) fn listens(&self, address: SocketAddr) {
        self.own.borrow_mut().insert(address);
    }

    /// It no longer does.
    pub(crate) fn listens_no_more(&self, address: SocketAddr) {
        self.own.borrow_mut().remove(&address);
    }

    /// Whether an address leads back to this proxy.
    pub(crate) fn is_own(&self, address: SocketAddr) -> bool {
        let own = self.own.borrow();
        own.contains(&address)
            || (address.ip().is_loopback()
                && own.iter().any(|bound| bound.ip().is_unspecified() && bound.port() == address.port()))
    }

    /// Looks which endpoints may return, and which limits are kept again.
    pub(crate) fn look(&self, now: Instant) {
        self.sources.borrow().values().for_each(|source| source.look(now));
    }

    /// Closes connections to upstreams that have been idle for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.sources.borrow().values().for_each(|source| source.sweep(now, self.config.idle_timeout));
    }
}
