//! What the tasks of one thread share. Nothing of it leaves the thread, so nothing of it is locked.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh::route::Draws;
use tokio::sync::mpsc;

use crate::activity::drain::Drain;
use crate::config::Config;
use crate::reporting::access_log::{Log, Sink};
use crate::reporting::observation::{Batch, Notice, Place, Tries};
use crate::reporting::stats::Table;
use crate::reporting::trace;
use crate::tls::Store;
use crate::upstream::cluster_manager::ClusterManager;
use crate::upstream::pool::Upstream;

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
    /// Where this proxy listens.
    own: RefCell<HashSet<SocketAddr>>,
    /// What all threads know of the upstreams.
    pub(crate) cluster_manager: Arc<ClusterManager>,
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
        cluster_manager: Arc<ClusterManager>,
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
            own: RefCell::default(),
            cluster_manager,
            notices,
            noticed: Cell::new(0),
            hostname: OnceCell::new(),
            told: Cell::new(None),
        }
    }

    /// The random numbers of one decision.
    pub(crate) fn draws(&self) -> Draws {
        let mut random = self.random.borrow_mut();
        Draws { weight: random.u64(..), delay: random.u64(..), abort: random.u64(..) }
    }

    /// The machine's name.
    #[expect(clippy::disallowed_methods, reason = "the kernel's answer is short, and asked for once")]
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
}
