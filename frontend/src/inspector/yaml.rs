//! YAML: a resource's text, highlighted and checked as one types, compared with the running revision.

pub mod editor;

use crate::prelude::*;
use leptos::task::spawn_local;
use mesh::{ResourceKey, Sources, diff};

use crate::browser;
use crate::diff::DiffView;
use crate::editing_text::{check, excerpt};
use crate::icons::{Icon, icon};
use crate::inspector::messages::Messages;
use crate::store::{Store, use_store};
use crate::subject::Subject;
use crate::typed;
use editor::Editor;

/// The tab: a resource to choose, and its text.
#[component]
pub fn YamlTab(
    /// The node with its routes.
    subject: Memo<Subject>,
) -> impl IntoView {
    let store = use_store();
    let keys = memo(move |_| subject.with(|subject| subject.resources.clone()));
    let picked = RwSignal::new(None::<ResourceKey>);
    // A problem that was clicked brings its resource with it.
    Effect::new(move |_| {
        if let Some(jump) = store.ui.jump.get() {
            picked.set(jump.resource);
        }
    });
    let key = memo(move |_| {
        let picked = picked.get().filter(|picked| keys.with(|keys| keys.contains(picked)));
        picked.or_else(|| keys.with(|keys| keys.first().cloned()))
    });
    let options = move || {
        let option = |key_: ResourceKey| {
            let of = typed::Subject::Resource(key_.clone());
            let mark = store
                .editing
                .texts
                .with(|texts| if texts.get(&of).is_some() { " · edited, not in the draft" } else { "" });
            let (value, label) = (key_.to_string(), format!("{} {}{mark}", key_.kind, key_.name));
            view! { <option value=value selected=move || key.get().as_ref() == Some(&key_)>{label}</option> }
        };
        keys.get().into_iter().map(option).collect_view()
    };
    let choose = move |text: String| {
        store.ui.jump.set(None);
        picked.set(keys.with_untracked(|keys| keys.iter().find(|key| key.to_string() == text).cloned()));
    };
    view! {
        <label class="field">
            "Resource"
            <select class="select" on:change=move |event| choose(event_target_value(&event))>
                {move || options()}
            </select>
        </label>
        {move || match key.get() {
            Some(key) => view! { <Resource key/> }.into_any(),
            None => view! { <p class="empty">"No resource in this mesh defines it."</p> }.into_any(),
        }}
    }
}

#[component]
fn Resource(key: ResourceKey) -> impl IntoView {
    let store = use_store();
    let of = StoredValue::new(typed::Subject::Resource(key.clone()));
    let key = StoredValue::new(key);
    let draft =
        memo(move |_| key.with_value(|key| excerpt(&store.derived.draft.get(), key)).unwrap_or_default());
    let text = memo(move |_| typed_or(store, &of.get_value(), || draft.with(|draft| draft.text.clone())));
    let changed = memo(move |_| text.with(|text| draft.with(|draft| *text != draft.text)));
    let problems = memo(move |_| {
        let reading = store.derived.draft.get();
        store
            .head
            .settings
            .with(|settings| key.with_value(|key| text.with(|text| check(&reading, key, text, settings))))
    });
    let line = Signal::derive(move || {
        let jump = store.ui.jump.get()?;
        let first = draft.with(|draft| draft.line);
        key.with_value(|key| jump.resource.as_ref() == Some(key)).then_some(())?;
        jump.line?.checked_sub(first.saturating_sub(1))
    });
    view! {
        <p class="note row-line">
            <span class="grow"><code>{move || draft.with(|draft| draft.file.clone())}</code></span>
            <button class="lock" aria-label="Copy this resource" title="Copy"
                on:click=move |_| spawn_local(store.ui.copy(text.get_untracked()))
            >
                {icon(Icon::Copy)}
            </button>
            <button class="lock" aria-label="Download this resource" title="Download"
                on:click=move |_| browser::save(&key.with_value(file_name), &text.get_untracked())
            >
                {icon(Icon::Download)}
            </button>
        </p>
        <Editor text typed=typing(store, of) problems line commit=Callback::new(move |()| put(store, of))/>
        <TypedButtons of=of.get_value() changed/>
        <Messages messages=Signal::derive(move || problems.get())/>
        <AgainstHead key text store/>
    }
}

/// What was typed, or else what the mesh has. Tracked.
pub(crate) fn typed_or(store: Store, of: &typed::Subject, mesh: impl FnOnce() -> String) -> String {
    store.editing.texts.with(|texts| texts.get(of).map(|typed| typed.text.clone())).unwrap_or_else(mesh)
}

/// Takes what is typed.
pub(crate) fn typing(store: Store, of: StoredValue<typed::Subject>) -> Callback<String> {
    Callback::new(move |text: String| {
        let reading = store.derived.draft.get_untracked();
        store.editing.texts.update(|texts| of.with_value(|of| texts.type_in(of, text, &reading)));
    })
}

/// Puts what was typed into the draft.
pub(crate) fn put(store: Store, of: StoredValue<typed::Subject>) {
    let typed = store.editing.texts.with_untracked(|texts| of.with_value(|of| texts.get(of).cloned()));
    if let Some(typed) = typed {
        store.editing.put_text(&typed, &store.derived.draft.get_untracked());
    }
}

/// Puts a typed text into the draft or takes it back; says where somebody else changed the same lines meanwhile.
#[component]
pub fn TypedButtons(
    /// What the text is of.
    of: typed::Subject,
    /// There is something to put.
    #[prop(into)]
    changed: Signal<bool>,
) -> impl IntoView {
    let store = use_store();
    let of = StoredValue::new(of);
    let forget = move |_| store.editing.texts.update(|texts| of.with_value(|of| texts.forget(of)));
    let mine = move |_| {
        let reading = store.derived.draft.get_untracked();
        store.editing.texts.update(|texts| of.with_value(|of| texts.keep_mine(of, &reading)));
    };
    let conflict = move || {
        store
            .editing
            .texts
            .with(|texts| of.with_value(|of| texts.get(of).is_some_and(|typed| typed.conflict)))
    };
    view! {
        <Show when=conflict>
            <div class="question" role="status">
                <p>"Someone else changed these lines while you edited them. Adding your text to the draft replaces that change."</p>
                <div class="buttons">
                    <button class="btn small" on:click=mine>"Keep mine"</button>
                    <button class="btn small" on:click=forget>"Take theirs"</button>
                </div>
            </div>
        </Show>
        <div class="buttons">
            <button class="btn primary" disabled=move || !changed.get() on:click=move |_| put(store, of)>"Add to draft"</button>
            <button class="btn" disabled=move || !changed.get() on:click=forget>"Discard"</button>
            <Show when=move || changed.get()>
                <span class="note">
                    "Not in the draft yet"
                    {move || if store.keeping.refused.get() { "." } else { "; kept in this browser." }}
                </span>
            </Show>
        </div>
    }
}

/// What differs from the running revision.
#[component]
fn AgainstHead(key: StoredValue<ResourceKey>, text: Memo<String>, store: Store) -> impl IntoView {
    let diff = memo(move |_| {
        let before = key.with_value(|key| excerpt(&store.derived.base.get(), key)).unwrap_or_default();
        text.with(|text| unified(&before.file, &before.text, text))
    });
    view! {
        <Show when=move || !diff.with(String::is_empty)>
            <h2 class="eyebrow">"Changes from revision "{move || store.editing.base.with(|base| base.number)}</h2>
            <DiffView text=Signal::derive(move || diff.get())/>
        </Show>
    }
}

fn unified(file: &str, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    diff::unified(&diff::sources(&Sources::single(file, before), &Sources::single(file, after)))
}

fn file_name(key: &ResourceKey) -> String {
    format!("{}-{}.yaml", key.kind.as_str().to_ascii_lowercase(), key.name)
}
