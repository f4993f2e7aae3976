//! Keys that work everywhere on the page.

use crate::prelude::*;
use leptos::ev;
use wasm_bindgen::JsCast;

use crate::store::{Sheet, Store};

/// Listens for as long as the page lives: Ctrl+Enter applies, Ctrl+Z and Ctrl+Shift+Z (or Ctrl+Y) undo and redo, `/` explains.
pub fn install(store: Store) {
    let _ = window_event_listener(ev::keydown, move |event| {
        let control = event.ctrl_key() || event.meta_key();
        let writing = writes(&event);
        match event.key().as_str() {
            "Enter" if control => {
                if !store.derived.blocked.get_untracked() {
                    store.editing.apply();
                    if store.ui.sheet.get_untracked() == Some(Sheet::Review) {
                        store.ui.sheet.set(None);
                    }
                }
            }
            "z" | "Z" if control && !writing => {
                if event.shift_key() {
                    store.editing.redo();
                } else {
                    store.editing.undo();
                }
            }
            "y" if control && !writing => store.editing.redo(),
            "/" if !control && !writing && store.ui.sheet.get_untracked().is_none() => {
                store.ui.sheet.set(Some(Sheet::Explain));
            }
            _ => return,
        }
        event.prevent_default();
    });
}

/// The person writes text, where these keys mean something else.
fn writes(event: &ev::KeyboardEvent) -> bool {
    let Some(target) = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok()) else {
        return false;
    };
    match target.tag_name().to_ascii_lowercase().as_str() {
        "textarea" | "select" => true,
        "input" => !matches!(
            target.get_attribute("type").as_deref(),
            Some("range" | "checkbox" | "radio" | "button")
        ),
        _ => false,
    }
}
