//! Tabs of one browser that show this page: each has a name of its own, and learns who else is there.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use crate::prelude::*;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};

use crate::browser;

/// What a tab asks the others when it opens.
const WHO: &str = "who";

/// How long the others have for an answer. One that is too late, because the browser has put it to sleep, loses nothing: what
/// it works on is offered here, too.
const ANSWER: Duration = Duration::from_millis(250);

/// Finds out who is there, and says so from now on: calls back with the name of this tab and those of the others.
pub fn meet(found: impl FnOnce(String, HashSet<String>) + 'static) {
    let Ok(channel) = web_sys::BroadcastChannel::new("meshwright") else {
        let name = browser::tab_recall("tab").unwrap_or_else(new_name);
        browser::tab_remember("tab", &name);
        return found(name, HashSet::new());
    };
    let me = Rc::new(RefCell::new(None::<String>));
    let others = Rc::new(RefCell::new(HashSet::new()));
    let on_message = Closure::<dyn FnMut(web_sys::MessageEvent)>::new({
        let (me, others, channel) = (Rc::clone(&me), Rc::clone(&others), channel.clone());
        move |message: web_sys::MessageEvent| match message.data().as_string() {
            Some(text) if text == WHO => {
                if let Some(me) = &*me.borrow() {
                    let _ = channel.post_message(&JsValue::from_str(me));
                }
            }
            Some(name) => {
                others.borrow_mut().insert(name);
            }
            None => {}
        }
    });
    channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // The tab answers for as long as it is open.
    on_message.forget();
    let _ = channel.post_message(&JsValue::from_str(WHO));
    set_timeout(
        move || {
            let others = others.take();
            // A tab that was duplicated brings the name of the other one with it.
            let name =
                browser::tab_recall("tab").filter(|name| !others.contains(name)).unwrap_or_else(new_name);
            browser::tab_remember("tab", &name);
            me.replace(Some(name.clone()));
            found(name, others);
        },
        ANSWER,
    );
}

/// A name that no other tab has.
pub fn new_name() -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a random number, whichever")]
    let number = (js_sys::Math::random() * 1e15) as u64;
    format!("{number:x}")
}
