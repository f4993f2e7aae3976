//! The draft as signals: making edits, taking them back, applying them.
//!
//! A draft belongs to the revision that it was made on. When another person applies a revision meanwhile, the draft stays on its
//! base until it is put on top or thrown away.

use std::sync::Arc;

use crate::prelude::*;
use leptos::task::spawn_local;
use mesh::Edit;

use crate::client::{self, Failure};
use crate::draft::{Base, Draft};
use crate::reading::Reading;
use crate::store::{Head, Keeping, ToastKind, Ui};
use crate::typed::{Texts, Typed};

/// The draft and how it is applied.
#[derive(Clone, Copy)]
pub struct Editing {
    /// Edits on top of the base.
    pub draft: RwSignal<Draft>,
    /// What they are made on.
    pub base: RwSignal<Base>,
    /// Texts that were typed and are not in the draft.
    pub texts: RwSignal<Texts>,
    /// Each edit is applied when its gesture ends.
    pub live: RwSignal<bool>,
    /// An apply has been sent and not answered.
    pub applying: RwSignal<bool>,
    /// The server could not store what was applied last: its disk is full.
    pub disk_full: RwSignal<bool>,
    /// Who applies, as typed in Review.
    pub author: RwSignal<String>,
    /// The last revision that was made here, and when the control was let go that made it: milliseconds of the page's clock.
    pub acted: RwSignal<Option<(u64, f64)>>,
    /// When the control was let go whose revision has no number yet.
    began: StoredValue<Option<f64>>,
    /// Our own revision, stored on the server, and the edits of the draft that it took; its event has not come yet.
    awaited: StoredValue<Option<(u64, Vec<Edit>)>>,
    head: Head,
    keeping: Keeping,
    ui: Ui,
}

impl Editing {
    pub(super) fn new(head: Head, keeping: Keeping, ui: Ui) -> Self {
        Self {
            draft: RwSignal::new(Draft::default()),
            base: RwSignal::new(Base { number: 0, sources: Arc::default() }),
            texts: RwSignal::new(Texts::default()),
            live: RwSignal::new(false),
            applying: RwSignal::new(false),
            disk_full: RwSignal::new(false),
            author: RwSignal::new(String::new()),
            acted: RwSignal::new(None),
            began: StoredValue::new(None),
            awaited: StoredValue::new(None),
            head,
            keeping,
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

    /// Puts other edits, which do the same on top of the head, in the place of the draft.
    pub(super) fn rebase_to(&self, edits: Vec<Edit>) {
        self.draft.update(|draft| draft.rebased(edits));
        self.base.set(self.head_base());
    }

    /// Takes over what is typed, where it is another text.
    pub fn set_texts(&self, texts: Texts) {
        if self.texts.with_untracked(|now| *now != texts) {
            self.texts.set(texts);
        }
    }

    /// Puts a typed text into the draft.
    pub fn put_text(&self, typed: &Typed, reading: &Reading) {
        self.texts.update(|texts| texts.forget(&typed.of));
        self.put(typed.edit(reading));
    }

    /// Leaves a mesh: empties draft and texts, whose record stays in the browser. Returns whether there was anything.
    pub(super) fn leave(&self) -> bool {
        let any = self.draft.with_untracked(|draft| !draft.is_empty())
            || self.texts.with_untracked(|all| !all.is_empty());
        self.draft.set(Draft::default());
        self.texts.set(Texts::default());
        self.settle();
        any
    }

    /// Takes the last step of the draft back. What is applied is never touched: taking that back is a button of its own.
    pub fn undo(&self) {
        self.step(
            Draft::undo,
            "Nothing more to undo in the draft. To undo what was applied, press «Revert revision N…».",
        );
    }

    /// Does the last undone step of the draft again.
    pub fn redo(&self) {
        self.step(Draft::redo, "Nothing more to redo in the draft.");
    }

    /// One step of the draft, or a word that there is none. What is on its way to the server cannot be called back.
    fn step(&self, step: fn(&mut Draft) -> bool, none: &str) {
        if self.applying.get_untracked() {
            self.ui.toast(
                ToastKind::Info,
                "The draft is being applied. Undo and redo work again when that is done.",
            );
        } else if self.draft.try_update(step).unwrap_or(false) {
            self.settle();
        } else {
            self.ui.toast(ToastKind::Info, none);
        }
    }

    /// There is something to undo in the draft. Tracked.
    pub fn can_undo(&self) -> bool {
        self.draft.with(Draft::can_undo)
    }

    /// There is something to redo in the draft. Tracked.
    pub fn can_redo(&self) -> bool {
        self.draft.with(Draft::can_redo)
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
            this.finish(result.map(|new| new.revision.number), Vec::new());
        });
    }

    /// Sends the draft to the server. While one apply is not answered another is not begun; in live mode it follows by itself.
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
            let result = client::post_revision(base, this.author_name(), edits.clone()).await;
            this.finish(result.map(|new| new.revision.number), edits);
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
            this.finish(result.map(|new| new.revision.number), Vec::new());
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
        if let Some((number, sent)) = self.awaited.get_value() {
            if head >= number {
                self.awaited.set_value(None);
                self.draft.update(|draft| draft.applied(&sent));
                self.base.set(self.head_base());
                self.applying.set(false);
                self.follow();
            }
        } else if self.draft.with_untracked(|draft| draft.is_empty() && !draft.in_gesture()) {
            self.base.set(self.head_base());
        }
    }

    fn finish(&self, result: Result<u64, Failure>, sent: Vec<Edit>) {
        match result {
            Ok(number) => {
                self.disk_full.set(false);
                self.keeping.made(number);
                self.acted.set(self.began.get_value().map(|began| (number, began)));
                self.began.set_value(None);
                self.awaited.set_value(Some((number, sent)));
                self.head_moved();
            }
            Err(failure) => {
                self.applying.set(false);
                self.began.set_value(None);
                // A stale base is not an error: the bar that offers to rebase says it.
                if sent.is_empty() || !failure.is_stale() {
                    self.failed(&failure);
                }
                self.settle();
            }
        }
    }

    /// Says why something could not be done: in a bar that stays where only the operator can mend it.
    pub fn failed(&self, failure: &Failure) {
        if failure.is_disk_full() {
            self.disk_full.set(true);
        } else if failure.is_stale() {
            self.ui.toast(
                ToastKind::Error,
                "Someone else applied a revision first. Review what changed, then try again.",
            );
        } else {
            self.ui.toast(ToastKind::Error, failure.text());
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
