//! The state of the page as signals. One [`Store`] lies in the context; it is `Copy`, and a component reads from it the
//! one signal that it draws, so a tick does not draw the page anew.

mod derived;
mod editing;
mod head;
mod keeping;
mod traffic;
mod ui;

use std::sync::Arc;

use crate::prelude::*;

use crate::rebase;
use crate::topology::{NodeId, Selection};

pub use derived::{Derived, Shared};
pub use editing::Editing;
pub use head::{Connection, Head};
pub use keeping::{Keeping, waiting};
pub use traffic::TrafficStore;
pub use ui::{Jump, Sheet, Tab, Toast, ToastKind, Ui};

/// Everything.
#[derive(Clone, Copy)]
pub struct Store {
    /// What the server says.
    pub head: Head,
    /// What was observed, a signal per node and link.
    pub traffic: TrafficStore,
    /// The draft, and applying it.
    pub editing: Editing,
    /// What the browser keeps of them.
    pub keeping: Keeping,
    /// What follows from head and draft.
    pub derived: Derived,
    /// What belongs to this page alone: selection, theme, open tab, toasts.
    pub ui: Ui,
}

impl Store {
    /// A store at the start, put into the context.
    pub fn provide() -> Self {
        let head = Head::new();
        let traffic = TrafficStore::new();
        let ui = Ui::new();
        let keeping = Keeping::new();
        let editing = Editing::new(head, keeping, ui);
        let derived = Derived::new(head, editing, traffic, ui);
        let store = Self { head, traffic, editing, keeping, derived, ui };
        provide_context(store);
        store
    }

    /// Keeps the draft free of edits that together change nothing, for as long as the page lives.
    pub fn tidy_draft(self) {
        Effect::new(move |_| {
            let (base, draft) = (self.derived.base.get(), self.derived.draft.get());
            let waiting = self.editing.draft.with(|draft| !draft.is_empty() && !draft.in_gesture());
            if waiting
                && !self.editing.applying.get()
                && draft.unmade == 0
                && draft.analysis.sources == base.analysis.sources
            {
                self.editing.forget();
            }
        });
    }

    /// Puts the draft on top of the head, with routes where they are now. What finds no place there is said.
    pub fn rebase(&self) {
        let edits = self.editing.draft.with_untracked(|draft| draft.edits().to_vec());
        let (base, head) = (self.derived.base.get_untracked(), self.derived.head.get_untracked());
        let rebased = rebase::onto(&base, &head, &edits);
        if rebased.edits.len() < edits.len() {
            rebased.conflicts.iter().for_each(|why| self.ui.toast(ToastKind::Error, why.as_str()));
        }
        self.editing.rebase_to(rebased.edits);
    }

    /// Takes in one event of the stream.
    pub fn receive(&self, event: api::Event) {
        match event.delta {
            api::Delta::Snapshot(snapshot) => {
                self.traffic.replace_histories(&snapshot.series);
                let asked: Vec<_> = snapshot.series.iter().filter_map(|one| one.key.clone()).collect();
                let tick = snapshot.tick.clone();
                self.head.replace(*snapshot);
                self.traffic.remember_asked(&asked, &self.derived.places.get_untracked());
                self.editing.head_moved();
                self.recognise();
                if let Some(tick) = tick {
                    self.observe(Arc::new(tick));
                }
            }
            api::Delta::Tick(tick) => self.advance(&tick),
            other => {
                let moved = matches!(other, api::Delta::Revision { .. });
                self.head.receive(other);
                if moved {
                    self.editing.disk_full.set(false);
                    self.editing.head_moved();
                }
            }
        }
    }

    /// A slider of a node's split is held at a percentage: moves this share and, linked, the unlocked others, in the draft.
    /// `position` is that in [`crate::split::SplitView::shares`].
    pub fn drag_share(&self, node: &NodeId, position: usize, percent: u32) {
        if let Some(split) = untrack(|| self.derived.split(node)) {
            self.editing.drag(split.moved(position, percent));
        }
    }

    /// The slider was let go: the drag becomes one step of the draft, and in live mode is applied.
    pub fn release(&self) {
        self.editing.release();
    }

    /// Ends all faults at once, past the draft: what waits there is put on top.
    pub fn stop_faults(&self) {
        let edits = self.derived.head_faults.with_untracked(|faults| crate::faults::stop(faults));
        self.editing.apply_now(edits);
    }

    /// Shows a problem in the text of its resource.
    pub fn jump(&self, diagnostic: &mesh::Diagnostic) {
        let resource = diagnostic.resource.clone();
        let owner = resource.as_ref().and_then(|resource| untrack(|| self.derived.owner(resource)));
        let place = diagnostic.place.as_ref();
        let (file, line) = (place.map(|place| place.file.clone()), place.map(|place| place.line));
        self.ui.jump.set(Some(Jump { resource, file: file.clone(), line }));
        match owner {
            Some(owner) => {
                self.ui.selection.set(Some(Selection::Node(owner)));
                self.ui.tab.set(Tab::Yaml);
            }
            // A resource that belongs to no node, or text that is none.
            None if file.is_some() => self.ui.sheet.set(Some(Sheet::File)),
            None => {}
        }
    }

    /// Takes in what is observed otherwise than before.
    fn advance(&self, next: &api::Tick) {
        // Out of its signal, so that the tick need not be copied.
        let mut tick = self.head.tick.try_update_untracked(Option::take).flatten().unwrap_or_default();
        Arc::make_mut(&mut tick).advance(next);
        self.observe(tick);
    }

    fn observe(&self, tick: Arc<api::Tick>) {
        let places = self.derived.places.get_untracked();
        self.traffic.observe(&tick, &places.0);
        self.head.tick.set(Some(tick));
    }
}

/// The store of the page.
pub fn use_store() -> Store {
    expect_context::<Store>()
}
