//! What was observed, with a signal for each node and each link, so that only what changed is drawn again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use crate::prelude::*;
use api::EdgeKey;
use api::observed::{Series, Tick};

use crate::observed::{self, History, Traffic};
use crate::topology::{LinkKey, NodeId, Places};

/// Signals by key. A signal is made when it is first asked for and lives as long as the page.
type Signals<K, T> = StoredValue<HashMap<K, ArcRwSignal<T>>>;

/// The observed traffic.
#[derive(Clone, Copy)]
pub struct TrafficStore {
    /// Links that carried traffic in the last minute.
    pub links: RwSignal<BTreeSet<LinkKey>>,
    /// Links that carried traffic at any time since the page was opened.
    pub seen: RwSignal<BTreeSet<LinkKey>>,
    /// Seconds of the last minute that were observed: fewer than 60 when the server has just started.
    pub seconds: RwSignal<f64>,
    /// The first second of which anything is known, since 1970.
    since: StoredValue<Option<i64>>,
    node: Signals<NodeId, Traffic>,
    link: Signals<LinkKey, Traffic>,
    history: Signals<String, History>,
}

impl TrafficStore {
    /// Nothing observed yet.
    pub fn new() -> Self {
        Self {
            links: RwSignal::new(BTreeSet::new()),
            seen: RwSignal::new(BTreeSet::new()),
            seconds: RwSignal::new(1.0),
            since: StoredValue::new(None),
            node: StoredValue::new(HashMap::new()),
            link: StoredValue::new(HashMap::new()),
            history: StoredValue::new(HashMap::new()),
        }
    }

    /// Traffic into a service or external host, or out of a gateway or workload.
    pub fn of_node(&self, id: &NodeId) -> ArcRwSignal<Traffic> {
        signal(self.node, id)
    }

    /// Traffic of a link.
    pub fn of_link(&self, key: &LinkKey) -> ArcRwSignal<Traffic> {
        signal(self.link, key)
    }

    /// The last ten minutes of a host.
    pub fn history(&self, host: &str) -> ArcRwSignal<History> {
        signal(self.history, &host.to_owned())
    }

    pub(super) fn replace_histories(&self, series: &[Series]) {
        let mut all = observed::histories(series);
        self.since.set_value(all.values().map(|history| history.start).min());
        for host in self.history.with_value(|known| known.keys().cloned().collect::<Vec<_>>()) {
            all.entry(host).or_default();
        }
        for (host, history) in all {
            signal(self.history, &host).set(history);
        }
    }

    /// What was asked in the ten minutes before the page was opened is idle, not unknown.
    pub(super) fn remember_asked(&self, edges: &[EdgeKey], places: &Places) {
        let ask = |traffic: ArcRwSignal<Traffic>| traffic.update(|traffic| traffic.all.asked = true);
        for key in edges {
            let (from, to) = (places.of_source(&key.source), places.of_host(&key.host));
            ask(self.of_node(&from));
            ask(self.of_node(&to));
            ask(self.of_link(&LinkKey { from, to }));
        }
    }

    pub(super) fn observe(&self, tick: &Tick, places: &Places) {
        let summed = observed::sum(tick, |source| places.of_source(source), |host| places.of_host(host));
        let links = observed::links(&summed);
        let observed = self.observed(tick.at);
        if self.seconds.with_untracked(|before| (before - observed).abs() >= 1.0) {
            self.seconds.set(observed);
        }
        set(self.node, summed.nodes);
        set(self.link, summed.links);
        self.remember(tick);
        if self.links.with_untracked(|before| *before != links) {
            self.seen.update(|seen| seen.extend(links.iter().cloned()));
            self.links.set(links);
        }
    }

    /// Seconds of the minute before `now` (milliseconds) that were observed.
    fn observed(&self, now: i64) -> f64 {
        let second = now.div_euclid(1000);
        self.since.update_value(|since| *since = Some(since.map_or(second, |since| since.min(second))));
        observed::seconds(self.since.get_value().unwrap_or(second), second)
    }

    fn remember(&self, tick: &Tick) {
        let second = tick.at.div_euclid(1000);
        let mut counts = BTreeMap::<&str, Vec<(&str, u64, u64)>>::new();
        for (key, edge) in &tick.edges {
            counts.entry(&key.host).or_default().push((&key.version, edge.requests, edge.errors));
        }
        for (host, versions) in counts {
            signal(self.history, &host.to_owned()).update(|history| {
                for (version, requests, errors) in versions {
                    let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
                    history.count(version, second, narrow(requests), narrow(errors));
                }
                history.reach(second);
            });
        }
    }
}

impl Default for TrafficStore {
    fn default() -> Self {
        Self::new()
    }
}

fn signal<K, T>(signals: Signals<K, T>, key: &K) -> ArcRwSignal<T>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    T: Default + Send + Sync + 'static,
{
    if let Some(signal) = signals.with_value(|signals| signals.get(key).cloned()) {
        return signal;
    }
    let signal = ArcRwSignal::new(T::default());
    signals.update_value(|signals| {
        signals.insert(key.clone(), signal.clone());
    });
    signal
}

/// Sets each signal whose value differs; what `values` does not name has no traffic any more, but it had.
fn set<K>(signals: Signals<K, Traffic>, mut values: BTreeMap<K, Traffic>)
where
    K: Clone + Eq + Hash + Ord + Send + Sync + 'static,
{
    for key in signals.with_value(|signals| signals.keys().cloned().collect::<Vec<_>>()) {
        values.entry(key.clone()).or_insert_with(|| {
            let mut quiet = Traffic::default();
            quiet.all.asked = signal(signals, &key).with_untracked(|before| before.all.asked);
            quiet
        });
    }
    for (key, value) in values {
        let signal = signal(signals, &key);
        if signal.with_untracked(|before| *before != value) {
            signal.set(value);
        }
    }
}
