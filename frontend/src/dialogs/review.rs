//! Review: the edits of the draft, and what they do to the YAML.

use crate::prelude::*;

use crate::dialogs::sheet::SheetFrame;
use crate::diff::DiffView;
use crate::icons::{Icon, icon};
use crate::inspector::messages::Messages;
use crate::store::{Sheet, use_store};

/// The dialog.
#[component]
pub fn Review() -> impl IntoView {
    view! {
        <SheetFrame sheet=Sheet::Review title="Review the draft">
            <div class="body">
                <h2 class="eyebrow">"Changes"</h2>
                <Edits/>
                <Problems/>
                <h2 class="eyebrow">"What will change"</h2>
                <WholeDiff/>
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
                    let text = mesh::edit::summary(&base.mesh, edit);
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
