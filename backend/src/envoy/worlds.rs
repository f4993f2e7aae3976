//! What each Envoy gets: the plan of its source, translated. Envoys that see the same share the work.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mesh::{Plan, Source};
use tokio::sync::watch;
use xds::ads::Client;
use xds::node::{Bind, Node};
use xds::resource::Snapshot;
use xds::translate::{Delivery, Options, Translated, translate};

/// The plans of a revision.
pub type Plans = HashMap<Source, Arc<Plan>>;

/// Plans and those who wait for their news.
#[derive(Debug, Default)]
pub struct Worlds(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    revision: u64,
    plans: Plans,
    /// Where this program's own Envoys listen, by their ids: they are told in the course of time, others say it themselves.
    binds: HashMap<String, Bind>,
    feeds: HashMap<Asked, watch::Sender<Arc<Snapshot>>>,
    made: HashMap<View, Arc<Translated>>,
}

/// What an Envoy asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asked {
    source: Source,
    place: Place,
    delivery: Delivery,
}

/// Where an Envoy listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    /// As it says.
    Said(Bind),
    /// As this program says of the one with this id.
    Own(String),
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
    /// Takes the plans of a revision, and where this program's own Envoys listen; tells each Envoy what is new for it.
    pub fn set(&self, revision: u64, plans: Plans, binds: HashMap<String, Bind>) {
        let mut inner = self.lock();
        inner.revision = revision;
        inner.binds = binds;
        // The old plans live until the end, so that no new part can be where an old one was.
        let _before = std::mem::replace(&mut inner.plans, plans);
        inner.made.clear();
        inner.feeds.retain(|_, feed| feed.receiver_count() > 0);
        let mut feeds = std::mem::take(&mut inner.feeds);
        // What is the same for several is made the same once.
        let mut shared: HashMap<(usize, usize), Arc<Snapshot>> = HashMap::new();
        for (asked, feed) in &mut feeds {
            let translated = inner.translated(asked);
            let before = Arc::clone(&feed.borrow());
            let key = (Arc::as_ptr(&translated) as usize, Arc::as_ptr(&before) as usize);
            let snapshot = shared.entry(key).or_insert_with(|| {
                let mut snapshot = translated.snapshot.clone();
                snapshot.share(&before);
                Arc::new(snapshot)
            });
            feed.send_replace(Arc::clone(snapshot));
        }
        inner.feeds = feeds;
    }

    /// The plan of a source.
    pub fn plan(&self, source: &Source) -> Option<Arc<Plan>> {
        self.lock().plans.get(source).cloned()
    }

    /// What the plan of a source says that Envoy cannot do, or that the mesh has no such source.
    pub fn notes(&self, source: &Source) -> Vec<String> {
        let inner = self.lock();
        inner.plans.get(source).map_or_else(
            || {
                vec![
                    "the mesh has no such workload or gateway: it gets nothing until there is one".to_owned(),
                ]
            },
            |plan| xds::translate::notes(plan),
        )
    }

    fn subscribe(&self, node: &Node, delta: bool) -> watch::Receiver<Arc<Snapshot>> {
        let mut inner = self.lock();
        let place = match inner.binds.contains_key(&node.id) {
            true => Place::Own(node.id.clone()),
            false => Place::Said(node.bind.clone()),
        };
        let delivery = if delta { Delivery::Delta } else { Delivery::Whole };
        let asked = Asked { source: node.source.clone(), place, delivery };
        if let Some(feed) = inner.feeds.get(&asked) {
            return feed.subscribe();
        }
        let translated = inner.translated(&asked);
        // Others may have the same already.
        let same = |snapshot: &Arc<Snapshot>| {
            Arc::ptr_eq(
                snapshot.of(xds::resource::Kind::Cluster),
                translated.snapshot.of(xds::resource::Kind::Cluster),
            )
        };
        let known = inner.feeds.values().map(|feed| Arc::clone(&feed.borrow())).find(same);
        let (sender, receiver) =
            watch::channel(known.unwrap_or_else(|| Arc::new(translated.snapshot.clone())));
        inner.feeds.insert(asked, sender);
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl xds::ads::Worlds for Worlds {
    fn subscribe(&self, client: &Client) -> Result<watch::Receiver<Arc<Snapshot>>, String> {
        Ok(self.subscribe(&client.node, client.delta))
    }
}

impl Inner {
    fn translated(&mut self, asked: &Asked) -> Arc<Translated> {
        let Some(plan) = self.plans.get(&asked.source) else {
            return Arc::new(Translated { snapshot: Snapshot::new(self.revision), notes: Vec::new() });
        };
        let bind = match &asked.place {
            Place::Said(bind) => bind.clone(),
            Place::Own(id) => self.binds.get(id).cloned().unwrap_or_default(),
        };
        let view = View {
            listeners: plan.listeners.as_ptr() as usize,
            clusters: plan.clusters.as_ptr() as usize,
            gateway: matches!(plan.source, Source::Gateway { .. }),
            labels: plan.labels.clone(),
            bind: bind.clone(),
            delivery: asked.delivery,
        };
        let made = self
            .made
            .entry(view)
            .or_insert_with(|| Arc::new(translate(plan, &bind, &Options { delivery: asked.delivery })));
        Arc::clone(made)
    }
}
