//! Asks which version is meant, by name: no version is taken to be the newest unasked.

use crate::prelude::*;
use mesh::Edit;
use wasm_bindgen::JsCast;

use crate::split::{Choice, SplitView};
use crate::store::{Store, use_store};
use crate::topbar::menu::Menu;
use crate::version_order::{self, By};

/// What is done with the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It gets [`crate::split::CANARY`] percent.
    Canary,
    /// It gets everything.
    Promote,
}

impl Act {
    fn edit(self, split: &SplitView, position: usize) -> Option<Edit> {
        match self {
            Self::Canary => split.canary(position),
            Self::Promote => {
                (split.shares.get(position)?.share.weight < 100).then(|| split.promote(position))
            }
        }
    }
}

/// A menu of the versions of a split.
#[component]
pub fn VersionMenu(
    /// The split.
    split: Memo<Option<SplitView>>,
    /// What the button says.
    label: &'static str,
    /// What a choice does.
    act: Act,
) -> impl IntoView {
    let store = use_store();
    let choices = memo(move |_| split.with(|split| split.as_ref().map(SplitView::choices)));
    let before = memo(move |_| {
        split.with(|split| {
            let target = &split.as_ref()?.target;
            let mesh = store.head.name.get();
            store.ui.choices.with(|choices| choices.of(&mesh, target).map(str::to_owned))
        })
    });
    let list = NodeRef::<leptos::html::Div>::new();
    // Where the last choice was, the focus begins.
    let toggled = move |open: bool| {
        let Some(list) = list.get_untracked().filter(|_| open) else { return };
        for selector in [".item.before:not(:disabled)", ".item:not(:disabled)"] {
            if let Ok(Some(item)) = list.query_selector(selector) {
                let _ = item.unchecked_into::<web_sys::HtmlElement>().focus();
                return;
            }
        }
    };
    let item = move |by: By, first: bool, choice: Choice| {
        let edit = split.with_untracked(|split| act.edit(split.as_ref()?, choice.position));
        let remembered = before.with_untracked(|before| before.as_deref() == Some(&*choice.version));
        let (note, none) = (note(by, first, remembered, &choice, edit.is_some()), edit.is_none());
        let version = choice.version.clone();
        let choose = move |_| {
            if let Some(edit) = &edit {
                remember(store, split, &version);
                store.editing.put(edit.clone());
            }
        };
        view! {
            <button class="item version-item" class:before=remembered disabled=none on:click=choose>
                <b>{choice.version}</b>
                <span class="grow">{note}</span>
                <span class="share">{choice.percent}"%"</span>
            </button>
        }
    };
    let items = move || {
        choices.get().map(|(by, all)| {
            before.track();
            let items =
                all.into_iter().enumerate().map(|(at, choice)| item(by, at == 0, choice)).collect_view();
            view! { <p class="note">{reason(by)}</p>{items} }
        })
    };
    view! {
        <Menu label="Which version?" class="btn" button=move || view! { <span>{label}</span> } toggled=Callback::new(toggled)>
            <div class="version-menu" role="group" aria-label="Which version?" node_ref=list>{move || items()}</div>
        </Menu>
    }
}

/// Why the versions stand in this order.
fn reason(by: By) -> &'static str {
    match by {
        By::Created => "Newest first, by when each was created:",
        By::Name => "By name, since nothing says when each was created:",
    }
}

/// What is known of a version.
fn note(by: By, first: bool, remembered: bool, choice: &Choice, possible: bool) -> String {
    let mut parts = Vec::new();
    if let (By::Created, Some(created)) = (by, &choice.created) {
        let which = if first { "newest: created" } else { "created" };
        parts.push(format!("{which} {}", version_order::words(created)));
    }
    if remembered {
        parts.push("chosen last time".to_owned());
    }
    if !possible {
        parts.push(
            if choice.percent == 100 { "has 100% already" } else { "the other shares are locked" }.to_owned(),
        );
    }
    parts.join(" · ")
}

fn remember(store: Store, split: Memo<Option<SplitView>>, version: &str) {
    let Some(target) = split.with_untracked(|split| split.as_ref().map(|split| split.target.clone())) else {
        return;
    };
    let mesh = store.head.name.get_untracked();
    store.ui.choices.update(|choices| choices.choose(&mesh, &target, version));
    crate::browser::remember("versions", &store.ui.choices.with_untracked(crate::choices::Choices::write));
}
