//! What follows from head and draft: text, mesh, problems, topology. Each a memo, computed when it is first read.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use crate::prelude::*;
use api::Alert;
use mesh::diff;
use mesh::{Diagnostic, ResourceKey, Severity};

use crate::faults::{self, FaultView};
use crate::instances::{self, InstanceState};
use crate::reading::Reading;
use crate::rebase;
use crate::split::{self, SplitView};
use crate::store::{Editing, Head, TrafficStore, Ui};
use crate::subject::Subject;
use crate::topology::{self, NodeId, Places, Topology};

/// An `Arc` that is equal only to itself: memos of large values compare pointers.
#[derive(Debug)]
pub struct Shared<T>(pub Arc<T>);

impl<T> Shared<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Splits of all nodes, sorted by node.
type Splits = Vec<(NodeId, SplitView)>;

/// Memos over head and draft.
#[derive(Clone, Copy)]
pub struct Derived {
    /// What runs, as it was read.
    pub head: Memo<Shared<Reading>>,
    /// What the draft stands on, as it was read.
    pub base: Memo<Shared<Reading>>,
    /// The mesh with the draft's edits.
    pub draft: Memo<Shared<Reading>>,
    /// Which node a source or host is.
    pub places: Memo<Shared<Places>>,
    /// Nodes and links, desired and observed.
    pub topology: Memo<Shared<Topology>>,
    /// Faults of the draft.
    pub faults: Memo<Vec<FaultView>>,
    /// Faults of what runs.
    pub head_faults: Memo<Vec<FaultView>>,
    /// Problems that the draft has and its base has not.
    pub new_problems: Memo<Vec<Diagnostic>>,
    /// The server would refuse the draft.
    pub blocked: Memo<bool>,
    /// What others changed of what a stale draft changes, a sentence each.
    pub conflicts: Memo<Vec<String>>,
    /// Unified diff from base to draft.
    pub diff: Memo<String>,
    splits: Memo<Shared<Splits>>,
    base_splits: Memo<Shared<Splits>>,
    server: Head,
    editing: Editing,
    ui: Ui,
}

impl Derived {
    pub(super) fn new(server: Head, editing: Editing, traffic: TrafficStore, ui: Ui) -> Self {
        let base = memo(move |before: Option<&Shared<Reading>>| {
            let sources = editing.base.with(|base| Arc::clone(&base.sources));
            let (inventory, settings) = (server.inventory.get(), server.settings.get());
            Shared::new(Reading::beside(sources, inventory, &settings, before.map(|before| &**before)))
        });
        let head = memo(move |_| {
            let (base, sources) = (base.get(), server.sources.get());
            if Arc::ptr_eq(&base.analysis.sources, &sources) {
                return base;
            }
            Shared::new(Reading::of(sources, &server.settings.get(), Some(&base)))
        });
        let draft = memo(move |_| {
            let base = base.get();
            editing.draft.with(|draft| {
                if draft.is_empty() {
                    return base;
                }
                Shared::new(base.edited(draft.edits(), &server.settings.get()))
            })
        });
        let places = memo(move |before: Option<&Shared<Places>>| keep(before, draft.get().catalog.places()));
        let topology = memo(move |before: Option<&Shared<Topology>>| {
            let draft = draft.get();
            let now = traffic.links.get();
            let next = traffic
                .seen
                .with(|seen| topology::assemble(draft.catalog.nodes(), &draft.desired, seen, &now));
            keep(before, next)
        });
        let faults =
            memo(move |_| places.with(|places| faults::all(&draft.get(), places, &server.settings.get())));
        let head_faults =
            memo(move |_| places.with(|places| faults::all(&head.get(), places, &server.settings.get())));
        let new_problems = memo(move |_| draft.get().beyond(&base.get()));
        let blocked =
            memo(move |_| new_problems.with(|new| new.iter().any(|one| one.severity == Severity::Error)));
        let diff = memo(move |_| {
            diff::unified(&diff::sources(&base.get().analysis.sources, &draft.get().analysis.sources))
        });
        let conflicts = memo(move |_| {
            if !editing.stale() {
                return Vec::new();
            }
            editing.draft.with(|draft| rebase::onto(&base.get(), &head.get(), draft.edits()).conflicts)
        });
        let base_splits = memo(move |_| Shared::new(split::all(&base.get(), &server.settings.get())));
        let splits = memo(move |_| {
            let draft = draft.get();
            if draft == base.get() {
                return base_splits.get();
            }
            Shared::new(split::all(&draft, &server.settings.get()))
        });
        Self {
            head,
            base,
            draft,
            places,
            topology,
            faults,
            head_faults,
            new_problems,
            blocked,
            conflicts,
            diff,
            splits,
            base_splits,
            server,
            editing,
            ui,
        }
    }

    /// A node with all that governs it, in the draft. Tracked.
    pub fn subject(&self, node: &NodeId) -> Subject {
        let draft = self.draft.get();
        self.server
            .settings
            .with(|settings| Subject::of(&draft.analysis.mesh, &draft.catalog, settings, node))
    }

    /// The split that the sliders of a node move, in the draft. Tracked.
    pub fn split(&self, node: &NodeId) -> Option<SplitView> {
        let mut split = self.split_in(self.draft, self.splits, node)?;
        if self.editing.count() > 0 {
            let before = self.split_in(self.base, self.base_splits, node);
            split.changed = before.is_none_or(|before| before.shares != split.shares);
        }
        self.ui.locks.with(|locks| {
            for position in 0..split.shares.len() {
                let key = split.lock_key(position);
                split.shares[position].locked = key.is_some_and(|key| locks.contains(&key));
            }
        });
        Some(split)
    }

    fn split_in(
        &self,
        reading: Memo<Shared<Reading>>,
        splits: Memo<Shared<Splits>>,
        node: &NodeId,
    ) -> Option<SplitView> {
        // Only one node has a chosen route; the main routes of all are read at once.
        let chosen = self
            .ui
            .route
            .with(|chosen| chosen.as_ref().filter(|(of, _)| of == node).map(|(_, chosen)| chosen.clone()));
        if chosen.is_some() {
            let reading = reading.get();
            return self
                .server
                .settings
                .with(|settings| SplitView::of_node(&reading, settings, node, chosen.as_ref()));
        }
        splits.with(|splits| {
            let at = splits.binary_search_by(|(id, _)| id.cmp(node)).ok()?;
            Some(splits[at].1.clone())
        })
    }

    /// Instances of a node with their states, as the proxy tells. Tracked.
    pub fn instances(&self, node: &NodeId) -> Vec<InstanceState> {
        let draft = self.draft.get();
        let service = node.host().and_then(|host| draft.catalog.services.get(host));
        let Some(service) = service else { return Vec::new() };
        let Head { alerts, instances, .. } = self.server;
        self.places.with(|places| {
            alerts.with(|alerts| instances.with(|stats| instances::of(service, alerts, stats, places)))
        })
    }

    /// How many instances of a node are used, where not all are: `2 of 3 instances`. Tracked.
    pub fn impaired(&self, node: &NodeId) -> Option<String> {
        let host = node.host()?;
        let told = |one: &Alert| one.host == host && one.instance.is_some();
        if !self.server.alerts.with(|alerts| alerts.iter().any(told)) {
            return None;
        }
        instances::in_use(&self.instances(node))
    }

    /// Limits that are reached towards a node, in words: by one caller, or by anyone. Tracked.
    pub fn limits(&self, from: Option<&NodeId>, to: &NodeId) -> Vec<String> {
        self.places
            .with(|places| self.server.alerts.with(|alerts| instances::limits(alerts, places, from, to)))
    }

    /// The node that a resource belongs to. Tracked.
    pub fn owner(&self, resource: &ResourceKey) -> Option<NodeId> {
        let draft = self.draft.get();
        let nodes = draft.catalog.nodes().into_iter().map(|node| node.id);
        let mut owners = nodes.filter(|id| self.subject(id).resources.contains(resource));
        owners.next()
    }

    /// Hosts that some fault of the draft acts on. Tracked.
    pub fn faulty_hosts(&self) -> BTreeSet<String> {
        self.faults.with(|faults| faults.iter().map(|fault| fault.host.clone()).collect())
    }
}

/// The value before where nothing changed, so that what depends on it is not computed again.
fn keep<T: PartialEq>(before: Option<&Shared<T>>, next: T) -> Shared<T> {
    match before {
        Some(before) if **before == next => before.clone(),
        _ => Shared::new(next),
    }
}
