//! What each Envoy gets: the plan of its source, translated. Envoys that see the same share the work.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mesh::{Plan, Source};
use tokio::sync::watch;
use xds::ads::Client;
use xds::node::{Bind, Node};
use xds::proxyless;
use xds::resource::Snapshot;
use xds::translate::{Delivery, translate};

use crate::analysis::Plans;

/// Plans and those who wait for their news.
#[derive(Debug)]
pub(super) struct SnapshotCache {
    inner: Mutex<Inner>,
    /// For how long nothing of a stream may move.
    stream_idle: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    now: Revision,
    feeds: HashMap<Asked, watch::Sender<Arc<Snapshot>>>,
}

/// The plans of a revision, and what was made of them.
#[derive(Debug, Default)]
struct Revision {
    number: u64,
    plans: Arc<Plans>,
    /// Where this program's own Envoys listen, by their ids: they are told in the course of time, others say it themselves.
    binds: HashMap<String, Bind>,
    /// What the plans are for those who asked; the views are of parts of these plans.
    made: HashMap<View, Arc<Snapshot>>,
    /// What Envoy cannot do of them, by where their listeners are.
    notes: HashMap<usize, Vec<String>>,
}

/// What an Envoy asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asked {
    source: Source,
    place: Place,
    delivery: Delivery,
    /// It is a client of gRPC, without a proxy.
    proxyless: bool,
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
    labels: Arc<BTreeMap<String, String>>,
    bind: Bind,
    delivery: Delivery,
    proxyless: bool,
}

impl SnapshotCache {
    /// No plans yet, for Envoys whose streams may stand still for so long; 0 is no limit.
    pub(super) fn new(stream_idle: Duration) -> Self {
        Self { inner: Mutex::default(), stream_idle }
    }

    /// Takes the plans of a revision, and where this program's own Envoys listen; tells each Envoy what is new for it.
    pub(super) fn set(&self, number: u64, plans: Arc<Plans>, mut binds: HashMap<String, Bind>) {
        binds.values_mut().for_each(|bind| bind.stream_idle = self.stream_idle);
        let mut next = Revision { number, plans, binds, ..Revision::default() };
        // What takes its time is done while others are served from the last revision.
        for (asked, before) in self.asked() {
            next.snapshot(&asked, Some(&before));
        }
        let mut inner = self.lock();
        let last = std::mem::replace(&mut inner.now, next);
        let Inner { now, feeds } = &mut *inner;
        for (asked, feed) in feeds {
            let before = Arc::clone(&feed.borrow());
            feed.send_replace(now.snapshot(asked, Some(&before)));
        }
        drop(inner);
        drop(last);
    }

    /// What those who are there ask for, and what they have.
    fn asked(&self) -> Vec<(Asked, Arc<Snapshot>)> {
        let mut inner = self.lock();
        inner.forget();
        inner.feeds.iter().map(|(asked, feed)| (asked.clone(), Arc::clone(&feed.borrow()))).collect()
    }

    /// The plan of a source.
    pub(super) fn plan(&self, source: &Source) -> Option<Arc<Plan>> {
        self.lock().now.plans.get(source).cloned()
    }

    /// What the plan of a source says that Envoy cannot do, or that the mesh has no such source.
    pub(super) fn notes(&self, source: &Source) -> Vec<String> {
        let Revision { plans, notes, .. } = &mut self.lock().now;
        match plans.get(source) {
            Some(plan) => {
                let of = notes.entry(plan.listeners.as_ptr() as usize);
                of.or_insert_with(|| xds::translate::notes(plan)).clone()
            }
            None => vec![
                "the mesh has no such workload or gateway: it gets nothing until there is one".to_owned(),
            ],
        }
    }

    fn subscribe(&self, node: &Node, delta: bool, proxyless: bool) -> watch::Receiver<Arc<Snapshot>> {
        let mut inner = self.lock();
        let place = match inner.now.binds.contains_key(&node.id) {
            true => Place::Own(node.id.clone()),
            false => Place::Said(Bind { stream_idle: self.stream_idle, ..node.bind.clone() }),
        };
        let delivery = if delta { Delivery::Delta } else { Delivery::Whole };
        let asked = Asked { source: node.source.clone(), place, delivery, proxyless };
        if let Some(feed) = inner.feeds.get(&asked) {
            return feed.subscribe();
        }
        inner.forget();
        let (sender, receiver) = watch::channel(inner.now.snapshot(&asked, None));
        inner.feeds.insert(asked, sender);
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl xds::ads::SnapshotSource for SnapshotCache {
    fn subscribe(&self, client: &Client) -> Result<watch::Receiver<Arc<Snapshot>>, String> {
        Ok(self.subscribe(&client.node, client.delta, proxyless::is_one(&client.agent)))
    }
}

impl Inner {
    /// Lets go of what is there for those who are gone.
    fn forget(&mut self) {
        self.feeds.retain(|_, feed| feed.receiver_count() > 0);
        self.now.made.retain(|_, made| Arc::strong_count(made) > 1);
    }
}

impl Revision {
    /// What there is for those who ask so: the same for all who see the same. What did not change is what it was before.
    fn snapshot(&mut self, asked: &Asked, before: Option<&Snapshot>) -> Arc<Snapshot> {
        let Some(plan) = self.plans.get(&asked.source) else { return Arc::new(Snapshot::new(self.number)) };
        let bind = match &asked.place {
            Place::Said(bind) => bind.clone(),
            Place::Own(id) => self.binds.get(id).cloned().unwrap_or_default(),
        };
        // A source's labels matter where its place does.
        let located = plan.clusters.iter().any(|cluster| cluster.policy.locality.is_some());
        let view = View {
            listeners: plan.listeners.as_ptr() as usize,
            clusters: plan.clusters.as_ptr() as usize,
            gateway: matches!(plan.source, Source::Gateway { .. }),
            labels: if located { Arc::clone(&plan.labels) } else { Arc::default() },
            bind: bind.clone(),
            delivery: asked.delivery,
            proxyless: asked.proxyless,
        };
        // Whoever listens elsewhere has most of it too.
        let other = self.made.values().next().cloned();
        let made = self.made.entry(view).or_insert_with(|| {
            let mut snapshot = translate(plan, &bind, asked.delivery);
            if asked.proxyless {
                snapshot = proxyless::proxyless(&snapshot);
            }
            before.into_iter().chain(other.as_deref()).for_each(|it| snapshot.share(it));
            Arc::new(snapshot)
        });
        Arc::clone(made)
    }
}

#[cfg(test)]
mod tests {
    use mesh::{Mesh, Registry, Settings};
    use xds::node::STREAM_IDLE;
    use xds::resource::Kind;

    use super::*;

    fn plans(revision: u64, change: impl Fn(&str) -> String) -> Plans {
        let mut sources = crate::sample::mesh();
        sources.0.values_mut().for_each(|text| *text = change(text));
        let (mesh, settings) = (Mesh::parse(&sources).mesh, Settings::default());
        let registry = Registry::of(&mesh, &mesh::Inventory::default(), &settings);
        let plans = mesh::plan::compile_all(&mesh, &registry, &settings, revision).into_iter();
        plans.map(|plan| (plan.source.clone(), Arc::new(plan))).collect()
    }

    fn node(name: &str) -> Node {
        let source = Source::Workload { namespace: "default".to_owned(), name: name.to_owned() };
        Node { id: name.to_owned(), source, bind: Bind::default() }
    }

    #[test]
    fn who_sees_the_same_shares_it_and_is_told_what_is_new() {
        let cache = SnapshotCache::new(STREAM_IDLE);
        cache.set(1, Arc::new(plans(1, str::to_owned)), HashMap::new());
        let mut one = cache.subscribe(&node("reviews-v1"), true, false);
        let other = cache.subscribe(&node("reviews-v2"), true, false);
        let nobody = cache.subscribe(&node("nobody"), true, false);
        let first = Arc::clone(&one.borrow_and_update());
        assert!(Arc::ptr_eq(&first, &other.borrow()) && !first.of(Kind::Cluster).is_empty());
        assert!(nobody.borrow().of(Kind::Cluster).is_empty());
        assert!(cache.notes(&node("nobody").source)[0].contains("no such workload"));

        cache.set(2, Arc::new(plans(2, |text| text.replace("weight: 90", "weight: 80"))), HashMap::new());
        assert!(one.has_changed().unwrap());
        let second = Arc::clone(&one.borrow_and_update());
        let late = cache.subscribe(&node("details-v1"), true, false);
        assert!(Arc::ptr_eq(&second, &other.borrow()) && Arc::ptr_eq(&second, &late.borrow()));
        assert!(Arc::ptr_eq(first.of(Kind::Cluster), second.of(Kind::Cluster)), "no cluster has changed");
        let (old, new) = (first.of(Kind::VirtualHost), second.of(Kind::VirtualHost));
        let changed = new.iter().filter(|(name, host)| !Arc::ptr_eq(&old[*name], host));
        let changed: Vec<&str> = changed.map(|(name, _)| &**name).collect();
        assert_eq!(changed, ["outbound/reviews.default.svc.cluster.local:9080"]);
    }

    #[test]
    fn this_programs_own_envoys_listen_where_it_says() {
        let cache = SnapshotCache::new(STREAM_IDLE);
        let bind = |port| Bind { http: Some(([127, 0, 0, 1], port).into()), ..Bind::default() };
        cache.set(1, Arc::new(plans(1, str::to_owned)), HashMap::from([("reviews-v1".to_owned(), bind(5))]));
        let own = cache.subscribe(&node("reviews-v1"), true, false);
        let first = Arc::clone(&own.borrow());
        cache.set(2, Arc::new(plans(2, str::to_owned)), HashMap::from([("reviews-v1".to_owned(), bind(6))]));
        assert!(!Arc::ptr_eq(first.of(Kind::Listener), own.borrow().of(Kind::Listener)));
        assert!(Arc::ptr_eq(first.of(Kind::VirtualHost), own.borrow().of(Kind::VirtualHost)));
        // One that listens elsewhere has the rest with it.
        let said = cache.subscribe(&node("reviews-v2"), true, false);
        assert!(Arc::ptr_eq(said.borrow().of(Kind::VirtualHost), own.borrow().of(Kind::VirtualHost)));
    }

    #[test]
    fn clients_of_grpc_get_listeners_by_the_names_that_they_call() {
        let cache = SnapshotCache::new(STREAM_IDLE);
        cache.set(1, Arc::new(plans(1, str::to_owned)), HashMap::new());
        let client = cache.subscribe(&node("productpage-v1"), false, true);
        let listeners = Arc::clone(client.borrow().of(Kind::Listener));
        assert!(listeners.contains_key("reviews.default.svc.cluster.local:9080"), "{listeners:?}");
        let envoy = cache.subscribe(&node("productpage-v1"), false, false);
        assert!(!envoy.borrow().of(Kind::Listener).contains_key("reviews.default.svc.cluster.local:9080"));
    }
}
