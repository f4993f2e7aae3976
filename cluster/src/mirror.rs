//! A copy of what the cluster has, kept up to date: a list of each kind, then a watch of it. What comes together is told together.
//!
//! A watch that ends is taken up where it ended; one that is too old is listed anew, and what is not listed any more is gone. A
//! connection that is dead without a word is found by [`probe`], and all watches are made anew when the server answers again.

mod feed;
mod part;
mod probe;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mesh::{Inventory, ResourceKey};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::inventory::Platform;
use crate::object::Object;
use feed::Seen;
use part::Part;

pub use feed::Watched;

/// Messages of watches that may wait.
const QUEUE: usize = 4096;
/// How long what runs may change before that is told. Documents are told at once.
const REST: Duration = Duration::from_millis(100);

/// Objects by what names them.
pub type Objects = BTreeMap<ResourceKey, Arc<Object>>;

/// What the cluster has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Its documents.
    pub objects: Arc<Objects>,
    /// What runs there.
    pub inventory: Arc<Inventory>,
    /// Why it is not what the cluster has now, where that is so.
    pub stale: Option<Stale>,
}

/// What is shown may be old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// Since when, in milliseconds since 1970.
    pub since: i64,
    /// Why, in words.
    pub why: String,
}

/// The copy.
#[derive(Debug, Clone)]
pub struct Mirror {
    views: watch::Receiver<Option<Arc<View>>>,
}

impl Mirror {
    /// A copy, and what keeps it up to date for as long as it is polled.
    pub fn new(watched: Watched) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (tell, views) = watch::channel(None);
        (Self { views }, run(watched, tell))
    }

    /// What the cluster has, once all was listed.
    pub async fn first(&mut self) -> Arc<View> {
        loop {
            if let Some(view) = self.view() {
                return view;
            }
            self.changed().await;
        }
    }

    /// What it has as far as is known; `None` until all was listed.
    pub fn view(&self) -> Option<Arc<View>> {
        self.views.borrow().clone()
    }

    /// Returns when that has changed since the last time. May be given up and asked again.
    pub async fn changed(&mut self) {
        if self.views.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// What is known while watches tell it.
#[derive(Debug, Default)]
struct Known {
    objects: Arc<Objects>,
    platform: Platform,
    inventory: Arc<Inventory>,
    parts: Vec<Part>,
    /// Since when nothing answers, and what was said.
    down: Option<Stale>,
}

async fn run(watched: Watched, tell: watch::Sender<Option<Arc<View>>>) {
    let mut known = Known::default();
    let (probes, mut answers) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(probe::run(watched.client.clone(), probes));
    loop {
        let mut feeds = JoinSet::new();
        let (send, mut seen) = mpsc::channel(QUEUE);
        known.parts = feed::start(&watched, &send, &mut feeds);
        drop(send);
        let mut due: Option<Instant> = None;
        loop {
            let mut told = false;
            tokio::select! {
                () = tell.closed() => return,
                Some((at, news)) = seen.recv() => {
                    told |= known.take(at, news);
                    while let Ok((at, news)) = seen.try_recv() {
                        told |= known.take(at, news);
                    }
                    due = due.or_else(|| Some(Instant::now() + REST));
                }
                Some(answer) = answers.recv() => {
                    let was = known.down.take();
                    known.down = answer.map(|why| was.clone().unwrap_or_else(|| Stale::now(why)));
                    told |= was != known.down;
                    if was.is_some() && known.down.is_none() {
                        tracing::info!("the API server answers again: everything is listed anew");
                        break;
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => told = true,
            }
            if told && known.complete() {
                due = None;
                known.tell(&tell);
            }
        }
        known.tell(&tell);
        feeds.shutdown().await;
    }
}

impl Stale {
    fn now(why: String) -> Self {
        Self { since: jiff::Timestamp::now().as_millisecond(), why }
    }
}

impl Known {
    /// Everything was listed once.
    fn complete(&self) -> bool {
        self.parts.iter().all(|part| part.listed)
    }

    /// Takes note; true where that is to be told at once.
    fn take(&mut self, at: usize, news: Seen) -> bool {
        let Some(part) = self.parts.get_mut(at) else { return false };
        let troubled = part.failed.is_some();
        let now = match news {
            Seen::Failed(_) if part.optional => return !std::mem::replace(&mut part.listed, true),
            Seen::Failed(why) => {
                let since = part.failed.take().unwrap_or_else(|| Stale::now(why));
                part.failed = Some(since);
                return !troubled;
            }
            Seen::Start => {
                part.start();
                false
            }
            Seen::Is(item) => part.is(item, &mut self.objects, &mut self.platform),
            Seen::Gone(name) => part.gone(&name, &mut self.objects, &mut self.platform),
            Seen::Done => part.done(&mut self.objects, &mut self.platform),
        };
        part.failed = None;
        now || troubled
    }

    fn tell(&mut self, tell: &watch::Sender<Option<Arc<View>>>) {
        if let Some(inventory) = self.platform.changed() {
            self.inventory = Arc::new(inventory);
        }
        let failed = self.parts.iter().find_map(|part| part.failed.clone());
        let view = View {
            objects: Arc::clone(&self.objects),
            inventory: Arc::clone(&self.inventory),
            stale: self.down.clone().or(failed),
        };
        tell.send_if_modified(|told| {
            let same = told.as_ref().is_some_and(|told| {
                Arc::ptr_eq(&told.objects, &view.objects)
                    && Arc::ptr_eq(&told.inventory, &view.inventory)
                    && told.stale == view.stale
            });
            if !same {
                *told = Some(Arc::new(view));
            }
            !same
        });
    }
}
