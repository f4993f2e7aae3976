//! YAML: a resource's text, highlighted and checked as one types, compared with the running revision.

pub mod editor;

use crate::prelude::*;
use leptos::task::spawn_local;
use mesh::{Edit, ResourceKey, Sources, diff};

use crate::browser;
use crate::diff::DiffView;
use crate::editing_text::{check, excerpt};
use crate::icons::{Icon, icon};
use crate::inspector::messages::Messages;
use crate::store::{Store, use_store};
use crate::subject::Subject;
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
            let (value, label) = (key_.to_string(), format!("{} {}", key_.kind, key_.name));
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
            None => view! { <p class="empty">"No resource of this mesh defines it."</p> }.into_any(),
        }}
    }
}

#[component]
fn Resource(key: ResourceKey) -> impl IntoView {
    let store = use_store();
    let key = StoredValue::new(key);
    let draft =
        memo(move |_| key.with_value(|key| excerpt(&store.derived.draft.get(), key)).unwrap_or_default());
    let text = RwSignal::new(String::new());
    // A change of the draft comes in unless something else was typed since.
    let known = StoredValue::new(String::new());
    Effect::new(move |_| {
        let next = draft.with(|draft| draft.text.clone());
        if text.with_untracked(|text| *text == known.get_value()) {
            text.set(next.clone());
        }
        known.set_value(next);
    });
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
    let put = move || {
        if changed.get_untracked() {
            let yaml = text.get_untracked();
            store.editing.put(Edit::ReplaceResource { key: key.get_value(), yaml });
        }
    };
    view! {
        <p class="note row-line">
            <span class="grow"><code>{move || draft.with(|draft| draft.file.clone())}</code></span>
            <button class="lock" aria-label="Copy this resource" title="Copy"
                on:click=move |_| spawn_local(browser::copy(store.ui, text.get_untracked()))
            >
                {icon(Icon::Copy)}
            </button>
            <button class="lock" aria-label="Download this resource" title="Download"
                on:click=move |_| browser::save(&key.with_value(file_name), &text.get_untracked())
            >
                {icon(Icon::Download)}
            </button>
        </p>
        <Editor text problems line commit=Callback::new(move |()| put())/>
        <div class="buttons">
            <button class="btn primary" disabled=move || !changed.get() on:click=move |_| put()>"Put into the draft"</button>
            <button class="btn" disabled=move || !changed.get() on:click=move |_| text.set(known.get_value())>"Take back"</button>
        </div>
        <Messages messages=Signal::derive(move || problems.get())/>
        <AgainstHead key text store/>
    }
}

/// What differs from the running revision.
#[component]
fn AgainstHead(key: StoredValue<ResourceKey>, text: RwSignal<String>, store: Store) -> impl IntoView {
    let diff = memo(move |_| {
        let before = key.with_value(|key| excerpt(&store.derived.base.get(), key)).unwrap_or_default();
        text.with(|text| unified(&before.file, &before.text, text))
    });
    view! {
        <Show when=move || !diff.with(String::is_empty)>
            <h2 class="eyebrow">"Against revision "{move || store.editing.base.with(|base| base.number)}</h2>
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
