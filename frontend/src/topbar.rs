//! The top bar: what runs where, and what can be done to the whole mesh.

pub mod cluster;
pub mod export;
pub mod load;
pub mod menu;
pub mod targets;

use crate::prelude::*;

use crate::browser::Theme;
use crate::icons::{Icon, icon};
use crate::store::{Editing, Sheet, use_store};
use crate::words;

/// The top bar.
#[component]
pub fn Topbar() -> impl IntoView {
    let store = use_store();
    let open = move |sheet| move |_| store.ui.sheet.set(Some(sheet));
    view! {
        <header class="topbar">
            <span class="logo">
                <svg viewBox="0 0 22 22" aria-hidden="true">
                    <path d="M2 11h5c5 0 4-6.5 9-6.5h4M7 11c5 0 4 6.5 9 6.5h4"></path>
                </svg>
                <span class="wide">"meshwright"</span>
            </span>
            <Show when=move || store.head.loaded.get()>
                {move || match store.head.cluster.get() {
                    Some(cluster) => cluster::chip(&cluster).into_any(),
                    None => view! { <span class="chip">"mesh "<b>{store.head.name}</b></span> }.into_any(),
                }}
            </Show>
            <targets::Targets/>
            <span class="grow"></span>
            <KillSwitch/>
            <load::Load/>
            <button class="chip explain-box" on:click=open(Sheet::Explain) aria-keyshortcuts="/">
                {icon(Icon::Search)}
                <span class="wide">"Explain a request…"</span>
                <kbd>"/"</kbd>
            </button>
            <Steps/>
            <button class="btn icon quiet" aria-label="History" title="History" on:click=open(Sheet::History)>
                {icon(Icon::History)}
            </button>
            <export::Export/>
            <ThemeToggle/>
            <DraftControls/>
        </header>
    }
}

/// Undo and redo.
#[component]
fn Steps() -> impl IntoView {
    let editing = use_store().editing;
    let step =
        |[label, title, keys]: [&'static str; 3], sign, can: fn(&Editing) -> bool, go: fn(&Editing)| {
            view! {
                <button
                    class="btn icon"
                    aria-label=label
                    title=title
                    aria-keyshortcuts=keys
                    disabled=move || editing.applying.get() || !can(&editing)
                    on:click=move |_| go(&editing)
                >
                    {icon(sign)}
                </button>
            }
        };
    view! {
        {step(["Undo", "Undo (Ctrl+Z)", "Control+Z"], Icon::Undo, Editing::can_undo, Editing::undo)}
        {step(["Redo", "Redo (Ctrl+Shift+Z)", "Control+Shift+Z"], Icon::Redo, Editing::can_redo, Editing::redo)}
    }
}

/// The draft: how much waits, live mode, review, apply.
#[component]
fn DraftControls() -> impl IntoView {
    let store = use_store();
    let editing = store.editing;
    let empty = move || editing.count() == 0;
    let denied = move || {
        store.head.cluster.with(|it| it.as_ref().filter(|it| !it.may_write)?.read_only.first().cloned())
    };
    let texts = move || editing.texts.with(|texts| texts.all().len());
    view! {
        <label class="switch-line chip" class:live-on=editing.live title="Apply each change when it is made">
            <input
                type="checkbox"
                role="switch"
                class="switch"
                prop:checked=editing.live
                on:change=move |event| editing.set_live(event_target_checked(&event))
            />
            "Live"
        </label>
        <Show when=move || !empty()>
            <span class="chip draft-chip" role="status">
                <b>{move || words::plural(editing.count(), "change", "changes")}</b>
                <span class="wide">" in draft"</span>
            </span>
        </Show>
        <Show when=move || { texts() > 0 }>
            <span class="chip typed-chip" role="status" title="Edited texts that are not in the draft; Review lists them">
                <b>{move || words::plural(texts(), "text", "texts")}</b>
                <span class="wide">" edited"</span>
            </span>
        </Show>
        <button class="btn" disabled=move || empty() && texts() == 0 on:click=move |_| store.ui.sheet.set(Some(Sheet::Review))>
            "Review"
        </button>
        <button
            class="btn primary"
            title=move || {
                match denied() {
                    Some(why) => why,
                    None if store.derived.blocked.get() => "The draft has errors; Review lists them".to_owned(),
                    None => "Apply (Ctrl+Enter)".to_owned(),
                }
            }
            aria-keyshortcuts="Control+Enter"
            disabled=move || empty() || editing.applying.get() || store.derived.blocked.get() || denied().is_some()
            on:click=move |_| editing.apply()
        >
            {move || if editing.applying.get() { "Applying…" } else { "Apply" }}
        </button>
    }
}

/// Ends all faults of the mesh at once; there only while there are any.
#[component]
fn KillSwitch() -> impl IntoView {
    let store = use_store();
    let count = move || store.derived.head_faults.with(Vec::len);
    view! {
        <Show when=move || { count() > 0 }>
            <button class="btn danger" on:click=move |_| store.stop_faults()>
                {icon(Icon::Fault)}
                {move || format!("Stop {}", words::plural(count(), "fault", "faults"))}
            </button>
        </Show>
    }
}

#[component]
fn ThemeToggle() -> impl IntoView {
    let theme = use_store().ui.theme;
    let dark = move || theme.get() == Theme::Dark;
    let label = move || if dark() { "Use the light theme" } else { "Use the dark theme" };
    view! {
        <button
            class="btn icon quiet"
            aria-label=label
            title=label
            on:click=move |_| theme.set(if dark() { Theme::Light } else { Theme::Dark })
        >
            {move || icon(if dark() { Icon::Light } else { Icon::Dark })}
        </button>
    }
}
