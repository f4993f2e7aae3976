//! The frame of a dialog.

use crate::prelude::*;
use leptos::html;

use crate::icons::{Icon, icon};
use crate::store::{Sheet, use_store};

/// A dialog that is open while [`crate::store::Ui::sheet`] names it. Its content is there only then.
#[component]
pub fn SheetFrame(
    /// Which one it is.
    sheet: Sheet,
    /// Its title.
    title: &'static str,
    /// Wider than usual.
    #[prop(optional)]
    wide: bool,
    /// The content.
    children: ChildrenFn,
) -> impl IntoView {
    let ui = use_store().ui;
    let node = NodeRef::<html::Dialog>::new();
    let open = memo(move |_| ui.sheet.get() == Some(sheet));
    Effect::new(move |_| {
        let Some(dialog) = node.get() else { return };
        match (open.get(), dialog.open()) {
            (true, false) => {
                let _ = dialog.show_modal();
            }
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    let closed = move |_| {
        if ui.sheet.get_untracked() == Some(sheet) {
            ui.sheet.set(None);
        }
    };
    let children = StoredValue::new(children);
    view! {
        <dialog class="sheet" class:wide=wide node_ref=node on:close=closed aria-label=title>
            <header>
                <h1>{title}</h1>
                <button class="lock" aria-label="Close" on:click=move |_| ui.sheet.set(None)>
                    {icon(Icon::Close)}
                </button>
            </header>
            <Show when=move || open.get()>{move || children.with_value(|children| children())}</Show>
        </dialog>
    }
}
