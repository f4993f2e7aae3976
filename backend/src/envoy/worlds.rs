//! What each Envoy gets: the plan of its source, translated. Envoys that see the same share the work.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use mesh::{Plan, Source};
use tokio::sync::watch;
use xds::node::{Bind, Node};
use xds::resource::Snapshot;
use xds::translate::{Delivery, Options, Translated, translate};

/// The plans of the newest revision.
pub type Plans = HashMap<Source, Arc<Plan>>;

/// Plans and those who wait for their news.
#[derive(Debug, Default)]
pub struct Worlds(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    revision: u64,
    plans: Arc<Plans>,
    feeds: HashMap<Asked, watch::Sender<Arc<Snapshot>>>,
    made: HashMap<View, Weak<Translated>>,
    notes: HashMap<Source, Vec<String>>,
}

/// What an Envoy asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asked {
    source: Source,
    bind: Bind,
    delivery: Delivery,
}

/// What makes a translation different from another: the parts of a plan that sources share are known by where they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct View {
    listeners: usize,
    clusters: usize,
    gateway: bool,
    labels: BTreeMap<String, String>,
    bind: Bind,
    delivery: Delivery,
}

impl Worlds {
    /// Takes the plans of a revision, and tells each Envoy what is new for it.
    pub fn set(&self, revision: u64, plans: Arc<Plans>) {
        let mut inner = self.lock();
        // Whoever is here holds the old plans, so that no new part can be where an old one was.
        let before = std::mem::replace(&mut inner.plans, plans);
        inner.revision = revision;
        inner.notes.clear();
        inner.feeds.retain(|_, feed| feed.receiver_count() > 0);
        let asked: Vec<Asked> = inner.feeds.keys().cloned().collect();
        let mut kept = Vec::new();
        for asked in asked {
            let translated = inner.translated(&asked);
            let snapshot = Arc::new(translated.snapshot.clone());
            kept.push(translated);
            if let Some(feed) = inner.feeds.get(&asked) {
                feed.send_replace(snapshot);
            }
        }
        inner.made.retain(|_, made| made.strong_count() > 0);
        drop(before);
    }

    /// What a node gets, now and whenever it changes. A source that the mesh does not have gets nothing until it does.
    pub fn subscribe(&self, node: &Node, delta: bool) -> watch::Receiver<Arc<Snapshot>> {
        let delivery = if delta { Delivery::Delta } else { Delivery::Whole };
        let asked = Asked { source: node.source.clone(), bind: node.bind.clone(), delivery };
        let mut inner = self.lock();
        if let Some(feed) = inner.feeds.get(&asked) {
            return feed.subscribe();
        }
        let snapshot = Arc::new(inner.translated(&asked).snapshot.clone());
        let (sender, receiver) = watch::channel(snapshot);
        inner.feeds.insert(asked, sender);
        receiver
    }

    /// What the plan of a source says that Envoy cannot do, or that the mesh has no such source.
    pub fn notes(&self, source: &Source) -> Vec<String> {
        let inner = self.lock();
        if !inner.plans.contains_key(source) {
            return vec!["the mesh has no such workload or gateway".to_owned()];
        }
        inner.notes.get(source).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn translated(&mut self, asked: &Asked) -> Arc<Translated> {
        let Some(plan) = self.plans.get(&asked.source) else {
            let snapshot = Snapshot::new(self.revision);
            return Arc::new(Translated { snapshot, notes: Vec::new() });
        };
        let view = View {
            listeners: plan.listeners.as_ptr() as usize,
            clusters: plan.clusters.as_ptr() as usize,
            gateway: matches!(plan.source, Source::Gateway { .. }),
            labels: plan.labels.clone(),
            bind: asked.bind.clone(),
            delivery: asked.delivery,
        };
        let known = self.made.get(&view).and_then(Weak::upgrade);
        let known = known.filter(|it| it.snapshot.revision == self.revision);
        let made = known.unwrap_or_else(|| {
            let made = Arc::new(translate(plan, &asked.bind, &Options { delivery: asked.delivery }));
            self.made.insert(view, Arc::downgrade(&made));
            made
        });
        self.notes.insert(asked.source.clone(), made.notes.clone());
        made
    }
}
