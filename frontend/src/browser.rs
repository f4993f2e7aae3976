//! What only the browser can do: remembering, copying, saving a file, the system's theme.

use crate::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Colour theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Light on dark.
    Dark,
    /// Dark on light.
    Light,
}

/// A remembered value.
pub fn recall(key: &str) -> Option<String> {
    window().local_storage().ok()??.get_item(key).ok()?
}

/// Remembers a value. A browser that refuses loses a convenience, no more.
pub fn remember(key: &str, value: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.set_item(key, value);
    }
}

/// Keeps a value that must not be lost. Returns whether the browser did.
pub fn keep(key: &str, value: &str) -> bool {
    matches!(window().local_storage(), Ok(Some(storage)) if storage.set_item(key, value).is_ok())
}

/// Forgets a value.
pub fn forget(key: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.remove_item(key);
    }
}

/// All values whose names begin so, with their names.
pub fn recall_all(prefix: &str) -> Vec<(String, String)> {
    let Ok(Some(storage)) = window().local_storage() else { return Vec::new() };
    let names = (0..storage.length().unwrap_or(0)).filter_map(|at| storage.key(at).ok()?);
    let names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    names.into_iter().filter_map(|name| Some((name.clone(), storage.get_item(&name).ok()??))).collect()
}

/// A value of this tab, which outlives a reload of it.
pub fn tab_recall(key: &str) -> Option<String> {
    window().session_storage().ok()??.get_item(key).ok()?
}

/// Remembers a value for this tab.
pub fn tab_remember(key: &str, value: &str) {
    if let Ok(Some(storage)) = window().session_storage() {
        let _ = storage.set_item(key, value);
    }
}

/// The number that stands in the field that an event is about, as the browser reads it.
pub fn typed_number(event: &web_sys::Event) -> Option<f64> {
    let field: web_sys::HtmlInputElement = event.target()?.dyn_into().ok()?;
    Some(field.value_as_number()).filter(|number| number.is_finite())
}

/// The theme that was chosen before, or else the system's.
pub fn theme() -> Theme {
    match recall("theme").as_deref() {
        Some("dark") => Theme::Dark,
        Some("light") => Theme::Light,
        _ => {
            let light = window().match_media("(prefers-color-scheme: light)").ok().flatten();
            if light.is_some_and(|query| query.matches()) { Theme::Light } else { Theme::Dark }
        }
    }
}

/// Puts text on the clipboard. Returns whether the browser allowed it.
pub async fn copy(text: &str) -> bool {
    JsFuture::from(window().navigator().clipboard().write_text(text)).await.is_ok()
}

/// Saves text as a file.
pub fn save(name: &str, text: &str) {
    let parts = js_sys::Array::of1(&JsValue::from_str(text));
    let options = web_sys::BlobPropertyBag::new();
    options.set_type("application/yaml");
    let Ok(blob) = web_sys::Blob::new_with_str_sequence_and_options(&parts, &options) else { return };
    let Ok(url) = web_sys::Url::create_object_url_with_blob(&blob) else { return };
    if let Ok(anchor) = document().create_element("a") {
        let anchor = anchor.unchecked_into::<web_sys::HtmlAnchorElement>();
        anchor.set_href(&url);
        anchor.set_download(name);
        anchor.click();
    }
    let _ = web_sys::Url::revoke_object_url(&url);
}
