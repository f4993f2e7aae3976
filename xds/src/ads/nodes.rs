//! Which nodes are there, and what each of them has taken.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};

use super::Client;
use crate::node::Node;
use crate::resource::Kind;

/// One node, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// Who it is.
    pub node: Node,
    /// The program, as it calls itself: `envoy`.
    pub agent: String,
    /// The program's version.
    pub version: String,
    /// Where it connects from.
    pub address: Option<SocketAddr>,
    /// Whether it gets what differs instead of everything.
    pub delta: bool,
    /// Whether it is there.
    pub link: Link,
    /// The newest revision that there is for it.
    pub offered: u64,
    /// The newest revision that it has all of, for each kind that it asks for.
    pub kinds: BTreeMap<Kind, Option<u64>>,
    /// The newest revision that it has all of.
    pub acked: Option<u64>,
    /// Since when it has not all that there is.
    pub behind: Option<SystemTime>,
    /// How long it took until it had all of the last revision that changed something for it.
    pub took: Option<Duration>,
    /// What it did not take last.
    pub rejection: Option<Rejection>,
}

/// Whether a node is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It is, since then.
    Up(SystemTime),
    /// It is not, since then.
    Down(SystemTime),
}

/// What a node did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Of which kind it was.
    pub kind: Kind,
    /// The revision with which it said so first.
    pub revision: u64,
    /// Why, in its words.
    pub words: String,
    /// When it said so first.
    pub at: SystemTime,
    /// Whether it still is so.
    pub stands: bool,
}

/// All nodes that are there, or were lately, by their ids.
pub type States = Arc<[Arc<NodeState>]>;

/// All nodes.
#[derive(Debug, Clone)]
pub struct Nodes(Arc<Registry>);

#[derive(Debug)]
struct Registry {
    inner: Mutex<Inner>,
    changed: Notify,
    states: watch::Sender<States>,
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    entries: BTreeMap<Key, Entry>,
}

/// Ids should be one for each process, but nobody makes sure of it.
type Key = (String, mesh::Source);

#[derive(Debug)]
struct Entry {
    state: Arc<NodeState>,
    streams: BTreeMap<u64, Held>,
    /// The newest revision with which the rejection was said.
    rejected: u64,
}

/// What one stream of a node has.
#[derive(Debug, Default)]
struct Held {
    offered: u64,
    kinds: BTreeMap<Kind, Option<u64>>,
}

impl Default for Nodes {
    fn default() -> Self {
        Self(Arc::new(Registry {
            inner: Mutex::default(),
            changed: Notify::new(),
            states: watch::Sender::new(Arc::from([])),
            bytes: AtomicU64::new(0),
        }))
    }
}

impl Nodes {
    /// Their states, each time that one changes, but not more often than a person or a page could make use of.
    pub fn watch(&self) -> watch::Receiver<States> {
        self.0.states.subscribe()
    }

    /// How many bytes of responses were sent to all of them.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Publishes changes until it is dropped, and forgets nodes that were not there for as long as `keep`.
    pub(super) async fn publish(&self, keep: Duration) {
        let mut tick = tokio::time::interval(PERIOD);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut sweep = tokio::time::interval(keep.clamp(PERIOD, Duration::from_secs(5)));
        loop {
            tokio::select! {
                () = self.0.changed.notified() => {}
                _ = sweep.tick() => {
                    if !self.forget(keep, SystemTime::now()) {
                        continue;
                    }
                }
            }
            tick.tick().await;
            let states = self.lock().entries.values().map(|entry| Arc::clone(&entry.state)).collect();
            self.0.states.send_replace(states);
        }
    }

    fn forget(&self, keep: Duration, now: SystemTime) -> bool {
        let mut inner = self.lock();
        let before = inner.entries.len();
        inner.entries.retain(|_, entry| match entry.state.link {
            Link::Up(_) => true,
            Link::Down(since) => now.duration_since(since).is_ok_and(|gone| gone < keep),
        });
        inner.entries.len() != before
    }

    /// A node opens a stream.
    pub(super) fn arrive(&self, client: Client, offered: u64) -> Presence {
        let now = SystemTime::now();
        let key = (client.node.id.clone(), client.node.source.clone());
        let mut inner = self.lock();
        inner.next += 1;
        let stream = inner.next;
        let state = NodeState {
            node: client.node,
            agent: beginning(client.agent),
            version: beginning(client.version),
            address: client.address,
            delta: client.delta,
            link: Link::Up(now),
            offered,
            kinds: BTreeMap::new(),
            acked: None,
            behind: Some(now),
            took: None,
            rejection: None,
        };
        if inner.entries.len() >= MOST {
            inner.forget_oldest();
        }
        let entry = inner.entries.entry(key.clone()).or_insert_with(|| Entry {
            state: Arc::new(state.clone()),
            streams: BTreeMap::new(),
            rejected: 0,
        });
        let before = &entry.state;
        entry.state = Arc::new(NodeState {
            link: if entry.streams.is_empty() { Link::Up(now) } else { before.link },
            kinds: before.kinds.clone(),
            acked: before.acked,
            behind: before.behind,
            took: before.took,
            rejection: before.rejection.clone(),
            ..state
        });
        entry.streams.insert(stream, Held { offered, ..Held::default() });
        drop(inner);
        self.0.changed.notify_one();
        Presence { nodes: self.clone(), key, stream }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many nodes are remembered; beyond, those that left longest ago are forgotten before their time.
const MOST: usize = 10_000;
/// The longest word of a node's that is kept, in bytes; of a longer one its beginning is.
const LONGEST: usize = 4096;

fn beginning(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}

/// How often states are published at most.
const PERIOD: Duration = Duration::from_millis(5);

/// A stream of a node, while it lasts.
#[derive(Debug)]
pub(super) struct Presence {
    nodes: Nodes,
    key: Key,
    stream: u64,
}

impl Presence {
    /// The stream has this.
    pub(super) fn hold(&self, offered: u64, acked: impl Iterator<Item = (Kind, Option<u64>)>) {
        self.change(|entry, stream| {
            let held = entry.streams.entry(stream).or_default();
            held.offered = offered;
            held.kinds.extend(acked);
            entry.derive(SystemTime::now())
        });
    }

    /// The node answered a response.
    pub(super) fn answered(&self, kind: Kind, revision: u64, error: Option<String>) {
        let Some(words) = error.map(beginning) else { return };
        self.change(|entry, _| {
            let state = Arc::make_mut(&mut entry.state);
            let same = |it: &&mut Rejection| it.stands && it.kind == kind && it.words == words;
            entry.rejected = revision;
            if state.rejection.as_mut().filter(same).is_none() {
                let at = SystemTime::now();
                state.rejection = Some(Rejection { kind, revision, words, at, stands: true });
            }
            true
        });
    }

    /// So many bytes were sent.
    pub(super) fn sent(&self, bytes: usize) {
        self.nodes.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn change(&self, change: impl FnOnce(&mut Entry, u64) -> bool) {
        let mut inner = self.nodes.lock();
        let changed = inner.entries.get_mut(&self.key).is_some_and(|entry| change(entry, self.stream));
        drop(inner);
        if changed {
            self.nodes.0.changed.notify_one();
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.change(|entry, stream| {
            entry.streams.remove(&stream);
            if entry.streams.is_empty() {
                let state = Arc::make_mut(&mut entry.state);
                state.link = Link::Down(SystemTime::now());
                // It keeps what it has, but nothing is known of it any longer.
                state.behind = None;
            }
            true
        });
    }
}

impl Inner {
    /// Makes room. Nodes that are there stay: each of them has a connection.
    fn forget_oldest(&mut self) {
        let left = |entry: &Entry| match entry.state.link {
            Link::Up(_) => None,
            Link::Down(since) => Some(since),
        };
        let gone = self.entries.iter().filter_map(|(key, entry)| Some((left(entry)?, key)));
        if let Some(oldest) = gone.min().map(|(_, key)| key.clone()) {
            self.entries.remove(&oldest);
        }
    }
}

impl Entry {
    /// Puts together what its streams have; whether that changed anything.
    fn derive(&mut self, now: SystemTime) -> bool {
        let mut kinds = BTreeMap::new();
        for kind in Kind::ALL {
            let mine = self.streams.values().filter_map(|held| held.kinds.get(&kind).copied());
            if let Some(acked) = mine.min() {
                kinds.insert(kind, acked);
            }
        }
        let offered = self.streams.values().map(|held| held.offered).max().unwrap_or_default();
        let acked = kinds.values().copied().min().flatten();
        let current = acked == Some(offered);
        if self.state.kinds == kinds
            && self.state.offered == offered
            && current == self.state.behind.is_none()
        {
            return false;
        }
        let state = Arc::make_mut(&mut self.state);
        (state.kinds, state.offered, state.acked) = (kinds, offered, acked);
        if !current {
            state.behind.get_or_insert(now);
        } else if let Some(behind) = state.behind.take() {
            state.took = now.duration_since(behind).ok();
        }
        let taken = |kind| state.kinds.get(&kind).copied().flatten() >= Some(self.rejected);
        if let Some(rejection) = &mut state.rejection
            && taken(rejection.kind)
        {
            rejection.stands = false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Bind;

    #[test]
    fn nodes_that_come_and_go_do_not_pile_up() {
        let nodes = Nodes::default();
        let come = |number: usize| {
            let source = mesh::Source::named("workload", "a");
            let node = Node { id: number.to_string(), source, bind: Bind::default() };
            let agent = "x".repeat(2 * LONGEST);
            nodes.arrive(Client { node, delta: true, agent, version: String::new(), address: None }, 1)
        };
        let stays = come(0);
        for number in 1..=MOST {
            drop(come(number));
        }
        let inner = nodes.lock();
        assert_eq!(inner.entries.len(), MOST);
        let there = |id: &str| inner.entries.keys().any(|key| key.0 == id);
        assert_eq!([there("0"), there("1"), there("2")], [true, false, true]);
        assert!(inner.entries.values().all(|entry| entry.state.agent.len() == LONGEST));
        drop((inner, stays));
    }
}
