//! A file as text, for what belongs to no node of the graph. What is typed stays when the dialog is closed.

use crate::prelude::*;

use crate::dialogs::sheet::SheetFrame;
use crate::editing_text::check_file;
use crate::inspector::messages::Messages;
use crate::inspector::yaml::editor::Editor;
use crate::inspector::yaml::{TypedButtons, put, typed_or, typing};
use crate::store::{Sheet, use_store};
use crate::typed;

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
    let of = StoredValue::new(typed::Subject::File(file.clone()));
    let name = StoredValue::new(file.clone());
    let now = memo(move |_| {
        name.with_value(|name| store.derived.draft.get().analysis.sources.0.get(name).cloned())
            .unwrap_or_default()
    });
    let text = memo(move |_| typed_or(store, &of.get_value(), || now.get()));
    let problems = memo(move |_| {
        let reading = store.derived.draft.get();
        store.head.settings.with(|settings| {
            name.with_value(|name| text.with(|text| check_file(&reading, name, text, settings)))
        })
    });
    let line = Signal::derive(move || store.ui.jump.with(|jump| jump.as_ref().and_then(|jump| jump.line)));
    let changed = memo(move |_| text.with(|text| now.with(|now| text != now)));
    view! {
        <div class="body">
            <p class="note"><code>{file}</code></p>
            <Editor text typed=typing(store, of) problems line commit=Callback::new(move |()| put(store, of))/>
            <TypedButtons of=of.get_value() changed/>
            <Messages messages=Signal::derive(move || problems.get())/>
        </div>
    }
}
