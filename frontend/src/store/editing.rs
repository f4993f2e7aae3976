//! The draft as signals: making edits, taking them back, applying them.

use leptos::prelude::*;
use mesh::Edit;

use crate::draft::Draft;
use crate::store::Head;

/// The draft and how it is applied.
#[derive(Clone, Copy)]
pub struct Editing {
    /// Edits on top of the head revision.
    pub draft: RwSignal<Draft>,
    /// Each edit is applied when its gesture ends.
    pub live: RwSignal<bool>,
    /// An apply is under way.
    pub applying: RwSignal<bool>,
    head: Head,
}

impl Editing {
    /// An empty draft.
    pub fn new(head: Head) -> Self {
        Self {
            draft: RwSignal::new(Draft::default()),
            live: RwSignal::new(false),
            applying: RwSignal::new(false),
            head,
        }
    }

    /// Makes an edit: one step of undo.
    pub fn put(&self, edit: Edit) {
        self.draft.update(|draft| draft.put(edit));
        self.released();
    }

    /// Makes an edit while a slider is held.
    pub fn drag(&self, edit: Edit) {
        self.draft.update(|draft| draft.drag(edit));
    }

    /// The slider was let go.
    pub fn release(&self) {
        let changed = self.draft.try_update(Draft::release).unwrap_or(false);
        if changed {
            self.released();
        }
    }

    fn released(&self) {
        if self.live.get_untracked() && self.head.loaded.get_untracked() {
            self.apply();
        }
    }

    /// Sends the draft to the server.
    pub fn apply(&self) {
        self.applying.set(true);
    }
}
