//! A file as text, for what belongs to no node of the graph.

use crate::prelude::*;
use mesh::Edit;

use crate::dialogs::sheet::SheetFrame;
use crate::editing_text::check_file;
use crate::inspector::messages::Messages;
use crate::inspector::yaml::editor::Editor;
use crate::store::{Sheet, use_store};

/// The dialog.
#[component]
pub fn File() -> impl IntoView {
    let ui = use_store().ui;
    let file = move || ui.jump.with(|jump| jump.as_ref().and_then(|jump| jump.file.clone()));
    view! {
        <SheetFrame sheet=Sheet::File title="Edit the file">
            {move || file().map(|file| view! { <Content file/> })}
        </SheetFrame>
    }
}

#[component]
fn Content(file: String) -> impl IntoView {
    let store = use_store();
    let now = store.derived.draft.get_untracked().sources.0.get(&file).cloned().unwrap_or_default();
    let text = RwSignal::new(now.clone());
    let name = StoredValue::new(file.clone());
    let problems = memo(move |_| {
        let reading = store.derived.draft.get();
        store.head.settings.with(|settings| {
            name.with_value(|name| text.with(|text| check_file(&reading, name, text, settings)))
        })
    });
    let line = Signal::derive(move || store.ui.jump.with(|jump| jump.as_ref().and_then(|jump| jump.line)));
    let changed = move || text.with(|text| *text != now);
    let put = move || {
        store.editing.put(Edit::SetFiles { files: vec![(name.get_value(), Some(text.get_untracked()))] });
        store.ui.sheet.set(None);
    };
    view! {
        <div class="body">
            <p class="note"><code>{file}</code></p>
            <Editor text problems line commit=Callback::new(move |()| put())/>
            <Messages messages=Signal::derive(move || problems.get())/>
        </div>
        <footer>
            <span class="grow"></span>
            <button class="btn primary" disabled=move || !changed() on:click=move |_| put()>"Put into the draft"</button>
        </footer>
    }
}
