//! A button that opens a small panel. Native `<details>`, closed by Escape and by leaving it.

use crate::prelude::*;
use leptos::ev;
use leptos::html::Details;
use wasm_bindgen::JsCast;

/// A menu.
#[component]
pub fn Menu(
    /// Name for screen readers; of a button with text, what is said before that.
    label: &'static str,
    /// Class of the button.
    #[prop(default = "btn icon quiet")]
    class: &'static str,
    /// What is on the button.
    #[prop(into)]
    button: ViewFn,
    /// The panel.
    children: ChildrenFn,
) -> impl IntoView {
    let node = NodeRef::<Details>::new();
    let close = move || {
        if let Some(details) = node.get_untracked() {
            details.set_open(false);
        }
    };
    let on_keydown = move |event: ev::KeyboardEvent| {
        if event.key() == "Escape"
            && let Some(details) = node.get_untracked()
        {
            event.prevent_default();
            close();
            if let Ok(Some(summary)) = details.query_selector("summary") {
                let _ = summary.unchecked_into::<web_sys::HtmlElement>().focus();
            }
        }
    };
    let on_focusout = move |event: ev::FocusEvent| {
        let to = event.related_target().and_then(|to| to.dyn_into::<web_sys::Node>().ok());
        let inside = node.get_untracked().is_some_and(|details| details.contains(to.as_ref()));
        if to.is_some() && !inside {
            close();
        }
    };
    // A click elsewhere moves the focus to nothing, which focusout cannot tell from a click on the panel's ground.
    let outside = window_event_listener(ev::pointerdown, move |event| {
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        if !node.get_untracked().is_some_and(|details| details.contains(target.as_ref())) {
            close();
        }
    });
    on_cleanup(move || outside.remove());
    view! {
        <details class="menu" node_ref=node on:keydown=on_keydown on:focusout=on_focusout>
            <summary class=class title=label>
                <span class="hidden">{label}</span>
                {move || button.run()}
            </summary>
            <div class="panel">{move || children()}</div>
        </details>
    }
}
