//! What one stream knows of one kind: what was asked for, what was sent, what was answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::change::{Change, Shared};
use super::names::{List, Names, Scope};
use crate::resource::{Kind, Resource, Resources};

/// One kind on one stream.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) kind: Kind,
    pub(super) scope: Scope,
    /// The client asked for everything by asking for nothing, as old ones do.
    pub(super) legacy: bool,
    /// The state up to which differences were sent.
    pub(super) sent: Arc<Resources>,
    /// What differs since then and is asked for.
    pub(super) due: Option<Arc<Change>>,
    /// What the client waits for, whatever else happens.
    pub(super) asked: Asked,
    /// A response is owed even if there is nothing to say.
    pub(super) owed: bool,
    /// What is gone, but not yet for the client.
    pub(super) gone: BTreeMap<Arc<str>, Option<Arc<Resource>>>,
    /// What was sent and is not answered yet.
    pub(super) flight: Option<Flight>,
    /// What the client did not take, or did not take because of what it did not take.
    pub(super) rejected: BTreeSet<Arc<str>>,
    /// There is such, or a removal that it did not take.
    pub(super) refused: bool,
    /// The nonce of the last response.
    pub(super) nonce: Option<u64>,
    /// The newest revision that the client has all of.
    pub(super) acked: Option<u64>,
}

/// A response that is not answered yet.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) nonce: u64,
    pub(super) revision: u64,
    pub(super) change: Arc<Change>,
    /// It answers what the client waited for.
    pub(super) urgent: bool,
    /// It has everything of the kind.
    pub(super) whole: bool,
    /// With it, the client has all that there is.
    pub(super) complete: bool,
}

/// Names that are to be answered.
#[derive(Debug, Default, Clone)]
pub(super) enum Asked {
    /// None.
    #[default]
    Nothing,
    /// A list that other streams have too.
    Shared(List),
    /// This stream's own.
    Own(BTreeSet<Arc<str>>),
}

impl Asked {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Shared(list) => list.is_empty(),
            Self::Own(names) => names.is_empty(),
        }
    }

    /// A list that other streams have too.
    pub(super) fn share(&mut self, list: &List) {
        if self.is_empty() {
            *self = Self::Shared(Arc::clone(list));
        } else {
            self.add(list.iter().cloned());
        }
    }

    /// These too.
    pub(super) fn add(&mut self, more: impl IntoIterator<Item = Arc<str>>) {
        let mut more = more.into_iter().peekable();
        if more.peek().is_some() {
            let mut names = std::mem::take(self).names();
            names.extend(more);
            *self = Self::Own(names);
        }
    }

    /// Not those for which `keep` is false.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        if !self.is_empty() {
            let mut names = std::mem::take(self).names();
            names.retain(|name| keep(name));
            *self = Self::Own(names);
        }
    }

    pub(super) fn names(self) -> BTreeSet<Arc<str>> {
        match self {
            Self::Nothing => BTreeSet::new(),
            Self::Shared(list) => list.iter().cloned().collect(),
            Self::Own(names) => names,
        }
    }
}

impl Watch {
    /// One on which nothing was asked for yet.
    pub(super) fn new(kind: Kind, nobody: &Arc<Names>, current: &Arc<Resources>) -> Self {
        Self {
            kind,
            scope: Scope { all: false, names: Arc::clone(nobody) },
            legacy: false,
            sent: Arc::clone(current),
            due: None,
            asked: Asked::Nothing,
            owed: false,
            gone: BTreeMap::new(),
            flight: None,
            rejected: BTreeSet::new(),
            refused: false,
            nonce: None,
            acked: None,
        }
    }

    /// Nothing has to be added or changed, and all was answered.
    pub(super) fn is_settled(&self) -> bool {
        self.due.is_none() && self.asked.is_empty() && !self.owed && self.flight.is_none()
    }

    /// The client has all that there is.
    pub(super) fn is_current(&self) -> bool {
        self.is_settled() && self.has_all()
    }

    /// Only endpoints come and go, which may never end and holds nothing up; those that a new cluster waits for do.
    pub(super) fn may_flap(&self) -> bool {
        let awaited = self.flight.as_ref().is_some_and(|flight| flight.urgent);
        self.kind == Kind::Endpoints && self.asked.is_empty() && !self.owed && !awaited
    }

    /// Nothing is held back.
    pub(super) fn has_all(&self) -> bool {
        self.due.is_none() && self.asked.is_empty() && self.gone.is_empty() && !self.refused
    }

    /// Sees what differs between what was sent and what there is, after either or what is asked for changed.
    pub(super) fn refresh(&mut self, new: &Arc<Resources>, shared: &Shared) {
        self.due = None;
        if Arc::ptr_eq(&self.sent, new) {
            return;
        }
        let change = shared.change(self.kind, &self.sent, new, &self.scope);
        if !change.is_empty() {
            self.rejected.retain(|name| new.contains_key(name));
            self.refused &= !self.rejected.is_empty();
        }
        if change.changed.is_empty() && (change.is_empty() || self.rejected.is_empty()) {
            self.take(&change, new);
        } else {
            self.due = Some(change);
        }
    }

    /// Forgets what is not asked for any longer.
    pub(super) fn narrow(&mut self) {
        let (scope, kind) = (self.scope.clone(), self.kind);
        self.asked.retain(|name| scope.covers(kind, name));
        if !self.rejected.is_empty() {
            self.rejected.retain(|name| scope.covers(kind, name));
            self.refused = !self.rejected.is_empty();
        }
    }

    /// Notes that the differences are on their way: what is gone stays until nothing points at it.
    pub(super) fn take(&mut self, change: &Change, new: &Arc<Resources>) {
        for resource in &change.removed {
            self.gone.insert(Arc::clone(&resource.name), Some(Arc::clone(resource)));
        }
        self.gone.retain(|name, _| !new.contains_key(name));
        self.sent = Arc::clone(new);
    }

    /// What is to be sent now: what was asked for, and if `due` is true what differs, with what was rejected before.
    pub(super) fn collect(&mut self, due: bool, new: &Arc<Resources>, shared: &Shared) -> Arc<Change> {
        let due = if due { self.due.take() } else { None };
        let mut asked = std::mem::take(&mut self.asked);
        if due.is_some() && !self.rejected.is_empty() {
            asked.add(std::mem::take(&mut self.rejected));
        }
        let change = match (&due, asked) {
            (Some(due), Asked::Nothing) => Arc::clone(due),
            (None, Asked::Nothing) => Arc::new(Change::none(self.kind, new)),
            (None, Asked::Shared(list)) => shared.asked(self.kind, &list, new, &self.scope),
            (due, asked) => {
                let mut names = asked.names();
                let changed = due.iter().flat_map(|due| &due.changed);
                names.extend(changed.map(|resource| Arc::clone(&resource.name)));
                Arc::new(Change::own(self.kind, &names, new, &self.scope))
            }
        };
        if let Some(due) = due {
            self.take(&due, new);
        }
        change
    }

    /// Hears the answer to a response; nothing if it is not the one that is waited for.
    pub(super) fn answered(&mut self, nonce: u64, accepted: bool) -> Option<Flight> {
        let flight = self.flight.take_if(|flight| flight.nonce == nonce)?;
        if accepted {
            if flight.whole {
                self.rejected.clear();
            }
            self.refused &= !self.rejected.is_empty();
            if flight.complete && !self.refused {
                self.acked = self.acked.max(Some(flight.revision));
            }
        } else {
            self.refused = true;
            // What is asked for later may be refused of a revision that it had all of until then.
            self.acked = self.acked.filter(|acked| *acked < flight.revision);
            self.rejected.extend(flight.change.changed.iter().map(|resource| Arc::clone(&resource.name)));
        }
        Some(flight)
    }
}
