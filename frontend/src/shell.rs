//! The program as an application of its own: registers the service worker that makes it installable.

use leptos::prelude::window;
use wasm_bindgen::JsValue;

/// Registers the service worker. Where there is none (an address that is neither loopback nor HTTPS, a private window),
/// nothing is lost but the installation.
pub fn register() {
    let navigator = window().navigator();
    // Without a secure context browsers leave the property out, and calling it would throw.
    let has = js_sys::Reflect::has(&navigator, &JsValue::from_str("serviceWorker")).unwrap_or(false);
    if has {
        // The promise's failure is the browser's refusal; it stands in its console.
        let _ = navigator.service_worker().register("/sw.js");
    }
}
