//! The draft as signals: making edits, taking them back, applying them.
//!
//! A draft belongs to the revision that it was made on. When another person applies a revision meanwhile, the draft stays on its
//! base until it is put on top or thrown away.

use std::sync::Arc;

use crate::prelude::*;
use leptos::task::spawn_local;
use mesh::{Edit, Sources};

use crate::client::{self, Failure};
use crate::draft::Draft;
use crate::revisions::Steps;
use crate::store::{Head, ToastKind, Ui};

/// What a draft was made on.
#[derive(Debug, Clone, PartialEq)]
pub struct Base {
    /// The revision; 0 until loaded.
    pub number: u64,
    /// Its files.
    pub sources: Arc<Sources>,
}

/// The draft and how it is applied.
#[derive(Clone, Copy)]
pub struct Editing {
    /// Edits on top of the base.
    pub draft: RwSignal<Draft>,
    /// What they are made on.
    pub base: RwSignal<Base>,
    /// Each edit is applied when its gesture ends.
    pub live: RwSignal<bool>,
    /// An apply is under way.
    pub applying: RwSignal<bool>,
    /// Who applies, as typed in Review.
    pub author: RwSignal<String>,
    /// The last revision that was made here, and when the control was let go that made it: milliseconds of the page's clock.
    pub acted: RwSignal<Option<(u64, f64)>>,
    /// When the control was let go whose revision has no number yet.
    began: StoredValue<Option<f64>>,
    /// Our own revision, stored on the server, and how many edits of the draft it took; its event has not come yet.
    awaited: StoredValue<Option<(u64, usize)>>,
    head: Head,
    ui: Ui,
}

impl Editing {
    pub(super) fn new(head: Head, ui: Ui) -> Self {
        Self {
            draft: RwSignal::new(Draft::default()),
            base: RwSignal::new(Base { number: 0, sources: Arc::default() }),
            live: RwSignal::new(false),
            applying: RwSignal::new(false),
            author: RwSignal::new(String::new()),
            acted: RwSignal::new(None),
            began: StoredValue::new(None),
            awaited: StoredValue::new(None),
            head,
            ui,
        }
    }

    /// How many edits wait. Tracked.
    pub fn count(&self) -> usize {
        self.draft.with(|draft| draft.edits().len())
    }

    /// The draft was made on a revision that is not the head any more. Tracked.
    pub fn stale(&self) -> bool {
        let number = self.head.number();
        !self.applying.get() && self.count() > 0 && self.base.with(|base| base.number != number)
    }

    /// Makes an edit: one step of undo.
    pub fn put(&self, edit: Edit) {
        self.draft.update(|draft| draft.put(edit));
        self.released();
    }

    /// Makes several edits: one step of undo.
    pub fn put_all(&self, edits: Vec<Edit>) {
        self.draft.update(|draft| {
            edits.into_iter().for_each(|edit| draft.drag(edit));
            draft.release();
        });
        self.released();
    }

    /// Makes an edit while a slider is held.
    pub fn drag(&self, edit: Edit) {
        self.draft.update(|draft| draft.drag(edit));
    }

    /// The slider was let go.
    pub fn release(&self) {
        if self.draft.with_untracked(Draft::in_gesture)
            && self.draft.try_update(Draft::release).unwrap_or(false)
        {
            self.released();
        }
    }

    /// Takes one edit out.
    pub fn remove(&self, position: usize) {
        self.draft.update(|draft| draft.remove(position));
        self.settle();
    }

    /// Throws the draft away.
    pub fn discard(&self) {
        self.draft.update(Draft::discard);
        self.settle();
    }

    /// The edits cancel each other out: nothing waits any more. What was done can still be undone.
    pub(super) fn forget(&self) {
        self.draft.update(|draft| draft.retain(|_| false));
        self.settle();
    }

    /// Puts the draft on top of the head.
    pub fn rebase(&self) {
        self.base.set(self.head_base());
    }

    /// Takes the last step back: of the draft while there is one, of the mesh otherwise.
    pub fn undo(&self) {
        if self.draft.with_untracked(Draft::can_undo) {
            self.draft.update(|draft| {
                draft.undo();
            });
            self.settle();
        } else if self.draft.with_untracked(Draft::is_empty)
            && let Some(number) = self.steps().undo
        {
            self.revert(number);
        }
    }

    /// Does the last undone step again.
    pub fn redo(&self) {
        if self.draft.with_untracked(Draft::can_redo) {
            self.draft.update(|draft| {
                draft.redo();
            });
        } else if self.draft.with_untracked(Draft::is_empty)
            && let Some(number) = self.steps().redo
        {
            self.revert(number);
        }
    }

    /// There is something to undo. Tracked.
    pub fn can_undo(&self) -> bool {
        self.draft.with(|draft| draft.can_undo() || draft.is_empty()) && {
            self.draft.with(Draft::can_undo) || self.head.history.with(|all| Steps::of(all).undo.is_some())
        }
    }

    /// There is something to redo. Tracked.
    pub fn can_redo(&self) -> bool {
        self.draft.with(Draft::can_redo)
            || (self.draft.with(Draft::is_empty)
                && self.head.history.with(|all| Steps::of(all).redo.is_some()))
    }

    fn steps(&self) -> Steps {
        self.head.history.with_untracked(|all| Steps::of(all))
    }

    /// Makes a new revision that takes another one back.
    pub fn revert(&self, number: u64) {
        let (this, base) =
            (*self, self.head.revision.with_untracked(|head| head.as_ref().map_or(0, |head| head.number)));
        if this.applying.get_untracked() {
            return;
        }
        this.applying.set(true);
        this.begin();
        spawn_local(async move {
            let result = client::post_revert(number, base, this.author_name()).await;
            this.finish(result.map(|new| new.revision.number), 0);
        });
    }

    /// Sends the draft to the server. While one apply is under way another is not begun; in live mode it follows by itself.
    pub fn apply(&self) {
        self.release_quietly();
        let edits = self.draft.with_untracked(|draft| draft.edits().to_vec());
        if edits.is_empty() || self.applying.get_untracked() {
            return;
        }
        let (this, base) = (*self, self.base.with_untracked(|base| base.number));
        this.applying.set(true);
        this.begin();
        spawn_local(async move {
            let count = edits.len();
            let result = client::post_revision(base, this.author_name(), edits).await;
            this.finish(result.map(|new| new.revision.number), count);
        });
    }

    /// Applies edits on the head at once, whatever waits in the draft; that is put on top.
    pub fn apply_now(&self, edits: Vec<Edit>) {
        if edits.is_empty() || self.applying.get_untracked() {
            return;
        }
        let (this, base) = (*self, self.head_base().number);
        this.applying.set(true);
        this.begin();
        spawn_local(async move {
            let result = client::post_revision(base, this.author_name(), edits).await;
            this.finish(result.map(|new| new.revision.number), 0);
        });
    }

    /// Turns live mode on or off. Turning it on applies what waits.
    pub fn set_live(&self, live: bool) {
        self.live.set(live);
        self.released();
    }

    /// Sets who applies, and remembers it.
    pub fn set_author(&self, author: String) {
        crate::browser::remember("author", &author);
        self.author.set(author);
    }

    /// The head moved: what the draft stands on follows where nothing is lost by it.
    pub(super) fn head_moved(&self) {
        let head = self.head.revision.with_untracked(|head| head.as_ref().map_or(0, |head| head.number));
        if let Some((number, count)) = self.awaited.get_value() {
            if head >= number {
                self.awaited.set_value(None);
                self.draft.update(|draft| draft.applied(count));
                self.base.set(self.head_base());
                self.applying.set(false);
                self.follow();
            }
        } else if self.draft.with_untracked(|draft| draft.is_empty() && !draft.in_gesture()) {
            self.base.set(self.head_base());
        }
    }

    fn finish(&self, result: Result<u64, Failure>, count: usize) {
        match result {
            Ok(number) => {
                self.acted.set(self.began.get_value().map(|began| (number, began)));
                self.began.set_value(None);
                self.awaited.set_value(Some((number, count)));
                self.head_moved();
            }
            Err(failure) => {
                self.applying.set(false);
                self.began.set_value(None);
                match failure.status() {
                    // A stale base is not an error: the bar that offers to rebase says it.
                    Some(409) if count > 0 => {}
                    Some(409) => self.ui.toast(
                        ToastKind::Error,
                        "Someone else was faster. Look at what changed, and try again.",
                    ),
                    _ => self.ui.toast(ToastKind::Error, failure.text()),
                }
                self.settle();
            }
        }
    }

    /// An empty draft stands on the head.
    fn settle(&self) {
        if self.draft.with_untracked(Draft::is_empty) && !self.applying.get_untracked() {
            self.base.set(self.head_base());
        }
    }

    fn released(&self) {
        if self.live.get_untracked() {
            self.begin();
            self.apply();
        }
    }

    /// Starts the clock of an apply, if it does not run yet.
    fn begin(&self) {
        self.began.update_value(|began| *began = began.or_else(crate::clock::page));
    }

    fn follow(&self) {
        if self.live.get_untracked()
            && self.draft.with_untracked(|draft| !draft.is_empty() && !draft.in_gesture())
        {
            self.apply();
        }
    }

    fn release_quietly(&self) {
        if self.draft.with_untracked(Draft::in_gesture) {
            self.draft.update(|draft| {
                draft.release();
            });
        }
    }

    fn head_base(&self) -> Base {
        let number = self.head.revision.with_untracked(|head| head.as_ref().map_or(0, |head| head.number));
        Base { number, sources: self.head.sources.get_untracked() }
    }

    fn author_name(&self) -> Option<String> {
        self.author
            .with_untracked(|author| Some(author.trim().to_owned()).filter(|author| !author.is_empty()))
    }
}
