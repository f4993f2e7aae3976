//! Review: the edits of the draft, and what they do to the YAML.

use crate::prelude::*;

use crate::dialogs::sheet::SheetFrame;
use crate::dialogs::writes::Writes;
use crate::diff::DiffView;
use crate::icons::{Icon, icon};
use crate::inspector::messages::Messages;
use crate::store::{Sheet, use_store};
use crate::typed::Typed;

/// The dialog.
#[component]
pub fn Review() -> impl IntoView {
    view! {
        <SheetFrame sheet=Sheet::Review title="Review the draft">
            <div class="body">
                <h2 class="eyebrow">"Changes"</h2>
                <Edits/>
                <Texts/>
                <Problems/>
                <h2 class="eyebrow">"What will change"</h2>
                <WholeDiff/>
                <Writes/>
            </div>
            <Actions/>
        </SheetFrame>
    }
}

#[component]
fn Edits() -> impl IntoView {
    let store = use_store();
    let editing = store.editing;
    let rows = move || {
        let base = store.derived.base.get();
        editing.draft.with(|draft| {
            draft
                .edits()
                .iter()
                .enumerate()
                .map(|(position, edit)| {
                    let text = mesh::edit::summary(&base.analysis.mesh, edit);
                    let label = format!("Remove: {text}");
                    view! {
                        <li>
                            <span class="grow">{text}</span>
                            <button
                                class="lock"
                                aria-label=label
                                title="Remove"
                                on:click=move |_| editing.remove(position)
                            >
                                {icon(Icon::Close)}
                            </button>
                        </li>
                    }
                })
                .collect_view()
        })
    };
    view! {
        <ul class="edits">{move || rows()}</ul>
        <Show when=move || editing.count() == 0>
            <p class="note">"The draft is empty."</p>
        </Show>
    }
}

/// Texts that were typed and are not among the changes.
#[component]
fn Texts() -> impl IntoView {
    let store = use_store();
    let editing = store.editing;
    let row = move |typed: Typed| {
        let (name, diff) = (typed.of.name(), Signal::stored(typed.diff()));
        let (forgotten, of) = (typed.of.clone(), format!("Discard: {name}"));
        let why = typed.conflict.then(|| view! { <span class="warn">"changed elsewhere, too"</span> });
        view! {
            <li>
                <details class="grow">
                    <summary>{name}" "{why}</summary>
                    <DiffView text=diff/>
                </details>
                <button class="btn small" on:click=move |_| editing.put_text(&typed, &store.derived.draft.get_untracked())>
                    "Add to draft"
                </button>
                <button
                    class="lock"
                    aria-label=of
                    title="Discard"
                    on:click=move |_| editing.texts.update(|texts| texts.forget(&forgotten))
                >
                    {icon(Icon::Close)}
                </button>
            </li>
        }
    };
    view! {
        <Show when=move || editing.texts.with(|texts| !texts.is_empty())>
            <h2 class="eyebrow">"Edited text, not in the draft"</h2>
            <ul class="edits">{move || editing.texts.get().all().iter().cloned().map(row).collect_view()}</ul>
        </Show>
    }
}

/// What the draft brings of problems that the head does not have.
#[component]
fn Problems() -> impl IntoView {
    let store = use_store();
    let new = move || store.derived.new_problems.get();
    view! {
        <Show when=move || !new().is_empty()>
            <h2 class="eyebrow">"New problems"</h2>
            <Messages messages=Signal::derive(new)/>
        </Show>
    }
}

#[component]
fn WholeDiff() -> impl IntoView {
    let store = use_store();
    view! { <DiffView text=Signal::derive(move || store.derived.diff.get())/> }
}

#[component]
fn Actions() -> impl IntoView {
    let store = use_store();
    let editing = store.editing;
    let empty = move || editing.count() == 0;
    view! {
        <footer>
            <label class="unit">
                "Author"
                <input
                    class="input"
                    autocomplete="username"
                    placeholder="anonymous"
                    prop:value=editing.author
                    on:change=move |event| editing.set_author(event_target_value(&event))
                />
            </label>
            <span class="grow"></span>
            <button
                class="btn danger"
                disabled=empty
                on:click=move |_| {
                    editing.discard();
                    store.ui.sheet.set(None);
                }
            >
                "Discard all"
            </button>
            <button
                class="btn primary"
                disabled=move || empty() || editing.applying.get() || store.derived.blocked.get()
                on:click=move |_| {
                    editing.apply();
                    store.ui.sheet.set(None);
                }
            >
                "Apply"
            </button>
        </footer>
    }
}
