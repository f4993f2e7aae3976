//! Keeping a person's work in the browser: written with every change, found again when the page is loaded, and told where it
//! cannot be kept.

use std::collections::HashSet;
use std::sync::Arc;

use crate::prelude::*;
use api::request::History;
use leptos::ev;
use leptos::task::spawn_local;

use crate::draft::Base;
use crate::kept::{self, Kept, MeshId};
use crate::reading::Reading;
use crate::rebase;
use crate::store::{Store, ToastKind};
use crate::{browser, client, clock, tabs, words};

/// What is kept, and what was found.
#[derive(Clone, Copy)]
pub struct Keeping {
    /// The mesh that is shown; `None` until its first revision is known.
    pub mesh: RwSignal<Option<MeshId>>,
    /// Revisions that were made in this browser.
    pub made: RwSignal<HashSet<u64>>,
    /// Work that was found and that nobody has decided about, with the name of its record. The latest first.
    pub offers: RwSignal<Vec<(String, Kept)>>,
    /// The browser does not keep what is there now.
    pub refused: RwSignal<bool>,
    /// This tab, and those that are open beside it; `None` until they have answered.
    tabs: RwSignal<Option<(String, HashSet<String>)>>,
    /// What was kept has been looked through: only then may it be written over.
    ready: RwSignal<bool>,
}

/// How many revisions are remembered as made here.
const MADE: usize = 1000;

impl Keeping {
    pub(super) fn new() -> Self {
        Self {
            mesh: RwSignal::new(None),
            made: RwSignal::new(HashSet::new()),
            offers: RwSignal::new(Vec::new()),
            refused: RwSignal::new(false),
            tabs: RwSignal::new(None),
            ready: RwSignal::new(false),
        }
    }

    /// A revision was made here.
    pub(super) fn made(&self, number: u64) {
        self.made.update(|made| {
            made.insert(number);
            if made.len() > MADE {
                let oldest = made.iter().min().copied();
                oldest.map(|oldest| made.remove(&oldest));
            }
        });
        let (Some(key), Ok(text)) = (self.made_key(), self.made.with_untracked(serde_json::to_string)) else {
            return;
        };
        browser::remember(&key, &text);
    }

    fn made_key(&self) -> Option<String> {
        self.mesh.with_untracked(|mesh| mesh.as_ref().map(|mesh| format!("made:{}", mesh.born)))
    }
}

impl Store {
    /// Keeps the draft and typed texts for as long as the page lives, and looks for what an earlier page kept.
    pub fn keep_work(self) {
        let keeping = self.keeping;
        tabs::meet(move |tab, open| keeping.tabs.set(Some((tab, open))));
        Effect::new(move |_| {
            if let (Some(mesh), Some((tab, open))) = (keeping.mesh.get(), keeping.tabs.get()) {
                self.find(&mesh, &tab, &open);
            }
        });
        Effect::new(move |_| self.write());
        let _ = window_event_listener(ev::beforeunload, move |event| {
            if keeping.refused.get_untracked() {
                event.prevent_default();
            }
        });
        Effect::new(move |_| {
            let reading = self.derived.draft.get();
            if self.editing.texts.with_untracked(|texts| !texts.is_empty()) {
                let mut next = self.editing.texts.get_untracked();
                next.follow(&reading);
                self.editing.set_texts(next);
            }
        });
    }

    /// A snapshot came: finds out which mesh it is of.
    pub(super) fn recognise(self) {
        let name = self.head.name.get_untracked();
        let first =
            self.head.history.with_untracked(|all| all.iter().find(|one| one.number == 1).map(|one| one.at));
        if let Some(born) = first {
            return self.shown(MeshId { name, born });
        }
        spawn_local(async move {
            // Without an answer the page goes on as it did; the next snapshot asks again.
            if let Ok(History { revisions, .. }) = client::first_revision().await
                && let Some(first) = revisions.first()
            {
                self.shown(MeshId { name, born: first.at });
            }
        });
    }

    fn shown(self, mesh: MeshId) {
        let before = self.keeping.mesh.get_untracked();
        if before.as_ref() == Some(&mesh) {
            return;
        }
        self.keeping.ready.set(false);
        if let Some(before) = before {
            // Edits of one mesh mean nothing to another: they stay in the browser until it is shown again.
            let left = self.editing.leave();
            if left {
                let text = format!(
                    "This page now shows another mesh, {}. Your unapplied changes to {} are saved, and offered when it is shown again.",
                    mesh.name, before.name
                );
                self.ui.toast(ToastKind::Error, text);
            }
        }
        self.keeping.mesh.set(Some(mesh));
        let made = self.keeping.made_key().and_then(|key| browser::recall(&key));
        self.keeping.made.set(made.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default());
    }

    /// Looks through what the browser kept.
    fn find(self, mesh: &MeshId, tab: &str, open: &HashSet<String>) {
        let found = kept::sort_out(browser::recall_all(kept::PREFIX), mesh, tab, open);
        for (name, kept) in &found.dropped {
            browser::forget(name);
            let text = format!(
                "This browser ran out of storage: a draft of {}, based on its revision {}, was deleted.",
                kept.mesh.name, kept.base
            );
            self.ui.toast(ToastKind::Error, text);
        }
        self.keeping.offers.set(found.offers);
        match found.own {
            Some((_, kept)) if !kept.is_empty() => self.restore(kept),
            _ => self.keeping.ready.set(true),
        }
    }

    /// What this tab kept comes back: on top of the newest revision where nothing is in the way, on its own otherwise, where the
    /// bar about newer revisions offers to put it on top.
    fn restore(self, kept: Kept) {
        spawn_local(async move {
            let words = kept.words();
            self.take_in(kept).await;
            self.keeping.ready.set(true);
            self.ui.toast(ToastKind::Info, format!("Restored what you had not applied: {words}."));
        });
    }

    /// Adds kept work to what is here.
    async fn take_in(self, mut kept: Kept) {
        let base = self.base_of(&kept).await;
        let editing = self.editing;
        let mut edits = editing.draft.with_untracked(|draft| draft.edits().to_vec());
        match base {
            // The draft stands on its own base, as if it had never been away.
            Some(sources) if edits.is_empty() => {
                editing.base.set(Base { number: kept.base, sources });
                editing.draft.update(|draft| draft.replace_all(kept.edits.clone()));
                if self.derived.conflicts.with_untracked(Vec::is_empty) {
                    self.rebase();
                }
            }
            base => {
                if let Some(sources) = base {
                    let settings = self.head.settings.get_untracked();
                    let base = Reading::of(sources, &settings, None);
                    let rebased = rebase::onto(&base, &self.derived.base.get_untracked(), &kept.edits);
                    rebased.conflicts.iter().for_each(|why| self.ui.toast(ToastKind::Error, why.as_str()));
                    kept.edits = rebased.edits;
                }
                edits.append(&mut kept.edits);
                editing.draft.update(|draft| draft.replace_all(edits));
            }
        }
        // After the edits, which they may have been typed on top of.
        let mut texts = editing.texts.get_untracked();
        let left = texts.take_in(std::mem::take(&mut kept.texts));
        texts.follow(&self.derived.draft.get_untracked());
        editing.set_texts(texts);
        if !left.is_empty() {
            let said = "The saved texts are of resources that you are editing here: they are still offered.";
            self.ui.toast(ToastKind::Error, said);
            kept.texts = left;
            let name = kept::name(&kept.mesh, &tabs::new_name());
            if kept.write().is_some_and(|text| browser::keep(&name, &text)) {
                self.keeping.offers.update(|offers| offers.push((name, kept)));
            }
        }
    }

    /// The files that a kept draft was made on, where they are other ones than those that run.
    async fn base_of(self, kept: &Kept) -> Option<Arc<mesh::Sources>> {
        let same = self.keeping.mesh.with_untracked(|mesh| mesh.as_ref() == Some(&kept.mesh));
        let head = untrack(|| self.head.number());
        if kept.edits.is_empty() || (same && kept.base == head) {
            return None;
        }
        let found = if same { client::get_revision(kept.base).await.ok() } else { None };
        if found.is_none() {
            let text = format!(
                "Your draft was based on revision {}, which the server no longer has. It is now based on revision {head}: check it in Review.",
                kept.base
            );
            self.ui.toast(ToastKind::Error, text);
        }
        found.map(|detail| Arc::new(detail.sources))
    }

    /// A person wants an offer back.
    pub fn accept_offer(self, name: String) {
        let Some(kept) = self.take_offer(&name) else { return };
        spawn_local(async move {
            self.take_in(kept).await;
            // From here on it is in this tab's own record.
            untrack(|| self.write());
            browser::forget(&name);
        });
    }

    /// A person does not want it.
    pub fn refuse_offer(self, name: &str) {
        if self.take_offer(name).is_some() {
            browser::forget(name);
        }
    }

    fn take_offer(self, name: &str) -> Option<Kept> {
        let mut taken = None;
        self.keeping.offers.update(|offers| {
            if let Some(at) = offers.iter().position(|(other, _)| other == name) {
                taken = Some(offers.remove(at).1);
            }
        });
        taken
    }

    /// Writes what there is. Tracked.
    fn write(self) {
        let keeping = self.keeping;
        let (Some(mesh), Some((tab, _)), true) =
            (keeping.mesh.get(), keeping.tabs.get(), keeping.ready.get())
        else {
            return;
        };
        // What a drag passes by is not worth a write; where it ends is.
        if self.editing.draft.with(crate::draft::Draft::in_gesture) {
            return;
        }
        let name = kept::name(&mesh, &tab);
        let kept = Kept {
            mesh,
            base: self.editing.base.with(|base| base.number),
            at: clock::now(),
            edits: self.editing.draft.with(|draft| draft.edits().to_vec()),
            texts: self.editing.texts.get(),
        };
        if kept.is_empty() {
            browser::forget(&name);
            keeping.refused.set(false);
        } else {
            let done = kept.write().is_some_and(|text| browser::keep(&name, &text));
            keeping.refused.set(!done);
        }
    }
}

/// What of a person's work is not applied, in words. Tracked.
pub fn waiting(store: Store) -> String {
    let texts = store.editing.texts.with(|texts| texts.all().len());
    let parts = [(store.editing.count(), "change", "changes"), (texts, "text", "texts")];
    let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
    parts.map(|(count, one, many)| words::plural(count, one, many)).collect::<Vec<_>>().join(" and ")
}
