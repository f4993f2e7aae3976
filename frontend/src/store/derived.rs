//! What follows from the head revision and the draft: the draft's text, its mesh, the topology.

use std::ops::Deref;
use std::sync::Arc;

use leptos::prelude::*;
use mesh::Sources;

use crate::faults::FaultView;
use crate::split::SplitView;
use crate::store::{Editing, Head, TrafficStore};
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

/// A mesh as text and as what was understood of it.
#[derive(Debug)]
pub struct DraftMesh {
    /// The text.
    pub sources: Arc<Sources>,
}

/// Memos over head and draft.
#[derive(Clone, Copy)]
pub struct Derived {
    /// The mesh with the draft's edits.
    pub draft: Memo<Shared<DraftMesh>>,
    /// Which node a source or host is.
    pub places: Memo<Shared<Places>>,
    /// Nodes and links, desired and observed.
    pub topology: Memo<Shared<Topology>>,
    /// Faults of the draft.
    pub faults: Memo<Vec<FaultView>>,
}

impl Derived {
    pub(super) fn new(head: Head, _editing: Editing, traffic: TrafficStore) -> Self {
        let draft = Memo::new(move |_| Shared::new(DraftMesh { sources: head.sources.get() }));
        let places = Memo::new(move |_| Shared::new(Places::default()));
        let topology = Memo::new(move |before: Option<&Shared<Topology>>| {
            let next = traffic.links.with(|links| topology::observed(links));
            // Kept when nothing changed, so that the graph is not laid out again.
            match before {
                Some(before) if **before == next => before.clone(),
                _ => Shared::new(next),
            }
        });
        let faults = Memo::new(move |_| Vec::new());
        Self { draft, places, topology, faults }
    }

    /// The split that the sliders of a node move, in the draft. Tracked.
    pub fn split(&self, node: &NodeId) -> Option<SplitView> {
        let _ = (self.draft.get(), node);
        None
    }
}
