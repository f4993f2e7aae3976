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
    /// It opened or closed.
    #[prop(optional, into)]
    toggled: Option<Callback<bool>>,
    /// The panel.
    children: ChildrenFn,
) -> impl IntoView {
    let node = NodeRef::<Details>::new();
    let close = move || {
        if let Some(details) = node.get_untracked() {
            details.set_open(false);
        }
    };
    // The focus goes back to where it came from.
    let leave = move || {
        close();
        let summary =
            node.get_untracked().and_then(|details| details.query_selector("summary").ok().flatten());
        if let Some(summary) = summary {
            let _ = summary.unchecked_into::<web_sys::HtmlElement>().focus();
        }
    };
    let on_keydown = move |event: ev::KeyboardEvent| {
        if event.key() == "Escape" && node.get_untracked().is_some_and(|details| details.open()) {
            event.prevent_default();
            leave();
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
    // Whoever has chosen is done with the menu.
    let chosen = move |event: ev::MouseEvent| {
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        if target.and_then(|target| target.closest(".item").ok().flatten()).is_some() {
            leave();
        }
    };
    let on_toggle = move |_: web_sys::Event| {
        if let (Some(toggled), Some(details)) = (toggled, node.get_untracked()) {
            toggled.run(details.open());
        }
    };
    view! {
        <details class="menu" node_ref=node on:keydown=on_keydown on:focusout=on_focusout on:toggle=on_toggle>
            <summary class=class title=label>
                <span class="hidden">{label}</span>
                {move || button.run()}
            </summary>
            <div class="panel" on:click=chosen>{move || children()}</div>
        </details>
    }
}
