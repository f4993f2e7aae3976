//! One stream: what is asked and answered goes in, what is to be sent comes out. No clock, no network.
//!
//! Of each kind one response at a time is on its way; what changes meanwhile is sent together once it is answered, so a slow client
//! gets fewer and larger responses, and what is remembered of it does not grow.
//!
//! Make before break: what is new is sent in the order of [`Kind::ALL`]. Listeners and routes wait until the client has taken the
//! clusters that they may point at. If it does not take them, it keeps what it had, unless it had nothing. What is gone is taken from it
//! last, when it has taken everything else. What it asks for by name is answered at once: it waits.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::change::{Change, Shared};
use super::encode::{self, Protocol};
use super::names::{ALL, How, Scope};
use super::watch::{Asked, Flight, Watch};
use crate::resource::{Kind, Resource, Resources, Snapshot};

/// What a client says: it asks, it answers, or both.
#[derive(Debug, Default, Clone)]
pub(super) struct Ask {
    /// The names that it asks for: all of them on a stream of the state of the world, more of them on a delta stream.
    pub(super) subscribe: Vec<String>,
    /// The names that it does not ask for any longer.
    pub(super) unsubscribe: Vec<String>,
    /// The versions that it has from another stream.
    pub(super) initial: HashMap<String, String>,
    /// The response that it answers.
    pub(super) nonce: Option<u64>,
    /// Why it did not take it.
    pub(super) error: Option<String>,
}

/// An answer to a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The revision of the response.
    pub(super) revision: u64,
    /// Why it was not taken.
    pub(super) error: Option<String>,
}

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Response {
    /// Of which kind.
    pub(super) kind: Kind,
    /// The revision that it comes from.
    pub(super) revision: u64,
    /// Its number on the stream.
    pub(super) nonce: u64,
    /// The fields that are resources and removals.
    pub(super) body: Bytes,
}

/// What goes from a client first when it is gone from the mesh: what points before what is pointed at.
const REMOVALS: [Kind; 6] =
    [Kind::VirtualHost, Kind::Listener, Kind::Routes, Kind::Cluster, Kind::Endpoints, Kind::Secret];

/// One stream.
#[derive(Debug)]
pub(super) struct Session {
    protocol: Protocol,
    shared: Arc<Shared>,
    snapshot: Arc<Snapshot>,
    watches: [Option<Watch>; Kind::ALL.len()],
    nonce: u64,
    /// The client has a configuration that works.
    works: bool,
}

impl Session {
    /// A stream that nothing was asked on yet.
    pub(super) fn new(protocol: Protocol, shared: Arc<Shared>, snapshot: Arc<Snapshot>) -> Self {
        Self { protocol, shared, snapshot, watches: [const { None }; 6], nonce: 0, works: false }
    }

    /// The newest revision that there is.
    pub(super) fn revision(&self) -> u64 {
        self.snapshot.revision
    }

    /// The newest revision that the client has all of, for each kind that it asks for.
    pub(super) fn acked(&self) -> impl Iterator<Item = (Kind, Option<u64>)> {
        self.watches.iter().flatten().map(|watch| (watch.kind, watch.acked))
    }

    /// The client has all that it asks for.
    pub(super) fn is_current(&self) -> bool {
        self.watches.iter().flatten().all(Watch::is_current)
    }

    /// There is something new.
    pub(super) fn offer(&mut self, snapshot: Arc<Snapshot>) {
        self.snapshot = snapshot;
        for watch in self.watches.iter_mut().flatten() {
            watch.refresh(self.snapshot.of(watch.kind), &self.shared);
        }
        self.settle();
    }

    /// The client says something about a kind.
    pub(super) fn ask(&mut self, kind: Kind, ask: Ask) -> Option<Answer> {
        let new = Arc::clone(self.snapshot.of(kind));
        let slot = &mut self.watches[kind as usize];
        let first = slot.is_none();
        let watch = slot.get_or_insert_with(|| Watch::new(kind, &self.shared.nobody, &new));
        // On a stream of the state of the world, what answers an old response knows nothing of the last one, and is said again.
        if self.protocol == Protocol::World && !first && ask.nonce != watch.nonce {
            return None;
        }
        let flight = ask.nonce.and_then(|nonce| watch.answered(nonce, ask.error.is_none()));
        let answer = flight.map(|flight| Answer { revision: flight.revision, error: ask.error.clone() });
        match self.protocol {
            Protocol::Delta => {
                self.works |= first && !ask.initial.is_empty();
                watch.asked_more(first, ask, &new, &self.shared);
            }
            Protocol::World => watch.asked_exactly(first, ask, &new, &self.shared),
        }
        watch.refresh(&new, &self.shared);
        self.settle();
        answer
    }

    /// What is to be sent next, if anything is.
    pub(super) fn next(&mut self) -> Option<Response> {
        for kind in Kind::ALL {
            let open = self.is_open(kind);
            let Some(watch) = self.watches[kind as usize].as_mut().filter(|it| it.flight.is_none()) else {
                continue;
            };
            let urgent = watch.owed || !watch.asked.is_empty();
            let due = watch.due.is_some() && (open || watch.owed);
            if !urgent && !due {
                continue;
            }
            watch.owed = false;
            let differs = watch.due.clone().filter(|_| due);
            let asked = watch.asked.clone();
            let change = watch.collect(due, self.snapshot.of(kind), &self.shared);
            match kind {
                Kind::Cluster => self.endpoints_again(differs.as_deref()),
                Kind::Routes => self.hosts_again(differs.as_deref(), asked),
                _ => {}
            }
            if let Some(response) = self.send(kind, change, urgent) {
                return Some(response);
            }
        }
        self.remove()
    }

    /// Takes from the client what is gone, if nothing points at it any longer.
    fn remove(&mut self) -> Option<Response> {
        let ready = |watch: &Watch| !watch.refused && (watch.is_settled() || watch.may_flap());
        if !self.watches.iter().flatten().all(ready) {
            return None;
        }
        for kind in REMOVALS {
            let Some(watch) = self.watches[kind as usize].as_mut().filter(|it| it.flight.is_none()) else {
                continue;
            };
            let gone = std::mem::take(&mut watch.gone);
            let gone: Vec<&Arc<str>> = gone.keys().filter(|name| watch.scope.covers(kind, name)).collect();
            if gone.is_empty() {
                continue;
            }
            let none = Arc::new(Change::none(kind, self.snapshot.of(kind)));
            let sent = match self.protocol {
                Protocol::Delta => {
                    Some(self.respond(kind, encode::removed(gone.into_iter()), none, false, false))
                }
                Protocol::World => self.send(kind, none, false),
            };
            if sent.is_some() {
                return sent;
            }
        }
        self.settle();
        None
    }

    /// Clusters that were replaced are empty until their endpoints, which are called as they are, come again.
    fn endpoints_again(&mut self, differs: Option<&Change>) {
        let Some(updated) = differs.map(|differs| &differs.updated) else { return };
        let known = self.snapshot.of(Kind::Endpoints);
        if let Some(watch) = &mut self.watches[Kind::Endpoints as usize] {
            let again =
                |name: &Arc<str>| known.contains_key(name) && watch.scope.covers(Kind::Endpoints, name);
            if updated.iter().all(again) {
                watch.asked.share(updated);
            } else {
                let names: Vec<Arc<str>> = updated.iter().filter(|name| again(name)).cloned().collect();
                watch.asked.add(names);
            }
        }
    }

    /// Envoy asks once for all virtual hosts, and drops those whose routes it has not got yet: they come again with the routes.
    fn hosts_again(&mut self, differs: Option<&Change>, asked: Asked) {
        let hosts = &mut self.watches[Kind::VirtualHost as usize];
        if let Some(watch) = hosts.as_mut().filter(|watch| watch.scope.all) {
            if let Asked::Shared(list) = &asked {
                watch.asked.share(list);
            } else {
                watch.asked.add(asked.names());
            }
            if let Some(differs) = differs {
                let names = differs.changed.iter().map(|routes| Arc::clone(&routes.name));
                watch.asked.add(names.filter(|name| !differs.updated.contains(name)));
            }
        }
    }

    /// Whether changes of a kind may be sent: the client has what they may point at.
    fn is_open(&self, kind: Kind) -> bool {
        let watch = |kind: Kind| self.watches[kind as usize].as_ref();
        let settled = |kind| watch(kind).is_none_or(Watch::is_settled);
        match kind {
            Kind::Secret | Kind::Cluster | Kind::Endpoints => true,
            Kind::Listener | Kind::Routes | Kind::VirtualHost => {
                let endpoints = watch(Kind::Endpoints).is_none_or(Watch::may_flap);
                let refused = watch(Kind::Cluster).is_some_and(|watch| watch.refused);
                settled(Kind::Secret) && settled(Kind::Cluster) && endpoints && !(refused && self.works)
            }
        }
    }

    fn send(&mut self, kind: Kind, change: Arc<Change>, urgent: bool) -> Option<Response> {
        let watch = self.watches[kind as usize].as_ref()?;
        let (body, whole) = match self.protocol {
            Protocol::Delta => (change.delta(), false),
            Protocol::World if is_whole(kind) => (self.whole(watch), true),
            Protocol::World if change.changed.is_empty() => return None,
            Protocol::World => (change.world(), false),
        };
        Some(self.respond(kind, body, change, urgent, whole))
    }

    /// All that is asked for, with what is gone but still pointed at.
    fn whole(&self, watch: &Watch) -> Bytes {
        let all = self.snapshot.of(watch.kind);
        if watch.scope.all && watch.gone.is_empty() {
            let everything = Scope { all: true, names: Arc::clone(&self.shared.nobody) };
            return self.shared.change(watch.kind, &self.shared.nothing, all, &everything).world();
        }
        let asked = all.values().filter(|it| watch.scope.covers(watch.kind, &it.name));
        let gone = watch.gone.values().flatten();
        let resources: Vec<Arc<Resource>> = asked.chain(gone).cloned().collect();
        encode::world(&resources)
    }

    fn respond(
        &mut self,
        kind: Kind,
        body: Bytes,
        change: Arc<Change>,
        urgent: bool,
        whole: bool,
    ) -> Response {
        self.nonce += 1;
        let (nonce, revision) = (self.nonce, self.snapshot.revision);
        if let Some(watch) = &mut self.watches[kind as usize] {
            watch.nonce = Some(nonce);
            let complete = watch.has_all();
            watch.flight = Some(Flight { nonce, revision, change, urgent, whole, complete });
        }
        Response { kind, revision, nonce, body }
    }

    /// Notes what the client has all of.
    fn settle(&mut self) {
        let mut works = self.watches[Kind::Listener as usize].is_some();
        for watch in self.watches.iter_mut().flatten() {
            // What is taken away by unsubscribing needs no response.
            watch.gone.retain(|name, _| watch.scope.covers(watch.kind, name));
            if self.protocol == Protocol::World && !is_whole(watch.kind) {
                // There is no way to say it.
                watch.gone.clear();
            }
            if watch.is_current() {
                watch.acked = Some(self.snapshot.revision);
            } else {
                works = false;
            }
        }
        self.works |= works;
    }
}

/// Whether each response of the state of the world has all resources of the kind.
fn is_whole(kind: Kind) -> bool {
    matches!(kind, Kind::Listener | Kind::Cluster)
}

impl Watch {
    /// A delta stream's request: more names, fewer names, and on the first one what the client has.
    fn asked_more(&mut self, first: bool, ask: Ask, new: &Arc<Resources>, shared: &Shared) {
        let mut all = self.scope.all;
        if first && ask.subscribe.is_empty() && (is_whole(self.kind) || self.kind == Kind::VirtualHost) {
            all = true;
        }
        let more = ordered(ask.subscribe, &mut all);
        let mut none = false;
        let fewer = ordered(ask.unsubscribe, &mut none);
        all &= !none;
        let newly = all && !self.scope.all;
        self.scope.all = all;
        if !more.is_empty() || !fewer.is_empty() {
            let how = How::Differ { subscribe: more, unsubscribe: fewer.clone() };
            let step = shared.steps.step(&self.scope.names, &how, new);
            self.scope.names = Arc::clone(&step.names);
            if ask.initial.is_empty() {
                self.asked.share(&step.asked);
            } else {
                self.asked.add(step.asked.iter().filter(|name| !has(&ask.initial, new, name)).cloned());
            }
        }
        if !fewer.is_empty() || none {
            self.narrow();
            // A client that has everything does not know whether what it does not name any longer is a part of that.
            if all && !fewer.is_empty() {
                self.asked.add(fewer.iter().map(|name| name.as_str().into()));
            }
        }
        if !newly {
            self.forget(&ask.initial, new);
        } else if ask.initial.is_empty() {
            self.sent = Arc::clone(&shared.nothing);
            self.owed = true;
        } else {
            self.asked.add(new.keys().filter(|name| !has(&ask.initial, new, name)).cloned());
            self.forget(&ask.initial, new);
        }
    }

    /// Notes what the client has from another stream and is gone.
    fn forget(&mut self, initial: &HashMap<String, String>, new: &Resources) {
        for name in initial.keys().filter(|name| !new.contains_key(name.as_str())) {
            // What is asked for by name is answered as it is.
            if self.scope.covers(self.kind, name) && !self.scope.names.contains(name.as_str()) {
                self.gone.insert(name.as_str().into(), None);
            }
        }
    }

    /// A request on a stream of the state of the world: all names.
    fn asked_exactly(&mut self, first: bool, ask: Ask, new: &Arc<Resources>, shared: &Shared) {
        let mut all = false;
        let nothing = ask.subscribe.is_empty();
        let names = ordered(ask.subscribe, &mut all);
        self.legacy = if first { nothing && is_whole(self.kind) } else { self.legacy && nothing };
        all |= self.legacy;
        let newly = all && !self.scope.all;
        self.scope.all = all;
        let step = shared.steps.step(&self.scope.names, &How::Exactly(names), new);
        if !Arc::ptr_eq(&step.names, &self.scope.names) && step.names != self.scope.names {
            self.scope.names = Arc::clone(&step.names);
            self.narrow();
            self.asked.share(&step.asked);
        }
        if newly {
            self.sent = Arc::clone(&shared.nothing);
            self.owed = true;
        }
    }
}

/// Whether a client has a resource as it is.
fn has(initial: &HashMap<String, String>, new: &Resources, name: &str) -> bool {
    let current = new.get(name).map(|resource| encode::version(resource));
    current.is_some_and(|current| initial.get(name).is_some_and(|version| *version == current))
}

/// The names in order, each once; `*` among them is noted instead.
fn ordered(mut names: Vec<String>, all: &mut bool) -> Vec<String> {
    names.retain(|name| {
        *all |= name == ALL;
        name != ALL
    });
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests;
