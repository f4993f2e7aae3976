//! The event stream. Events are gathered and taken in once per animation frame.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

use crate::clock;
use crate::store::{Connection, Store, ToastKind};

/// Opens the stream and feeds the store for as long as the page lives. The browser opens it again by itself, with
/// `Last-Event-ID`; when it gives up, we open a new one.
pub fn listen(store: Store) {
    let Ok(source) = web_sys::EventSource::new("/api/v1/events") else { return };
    let waiting = Rc::new(RefCell::new(Vec::<api::Event>::new()));
    let scheduled = Rc::new(Cell::new(false));
    let last = Rc::new(Cell::new(0_i64));
    let told = Cell::new(false);

    let on_message = Closure::<dyn FnMut(web_sys::MessageEvent)>::new({
        let last = Rc::clone(&last);
        move |message: web_sys::MessageEvent| {
            let Some(text) = message.data().as_string() else { return };
            let Ok(event) = serde_json::from_str::<api::Event>(&text) else {
                if !told.replace(true) {
                    store.ui.toast(ToastKind::Error, "The server is newer than this page. Reload the page.");
                }
                return;
            };
            last.set(clock::now());
            waiting.borrow_mut().push(event);
            if !scheduled.replace(true) {
                let (waiting, scheduled) = (Rc::clone(&waiting), Rc::clone(&scheduled));
                request_animation_frame(move || {
                    scheduled.set(false);
                    let events = waiting.take();
                    take_in(store, events);
                });
            }
        }
    });
    let on_error = Closure::<dyn FnMut()>::new({
        let source = source.clone();
        move || {
            let since = if last.get() == 0 { clock::now() } else { last.get() };
            if !matches!(store.head.connection.get_untracked(), Connection::Lost { .. }) {
                store.head.connection.set(Connection::Lost { since });
            }
            if source.ready_state() == web_sys::EventSource::CLOSED {
                source.set_onerror(None);
                set_timeout(move || listen(store), std::time::Duration::from_secs(1));
            }
        }
    });
    source.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    source.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    // The stream lives as long as the page.
    on_message.forget();
    on_error.forget();
}

fn take_in(store: Store, events: Vec<api::Event>) {
    for event in events {
        store.receive(event);
    }
    if store.head.connection.get_untracked() != Connection::Live {
        store.head.connection.set(Connection::Live);
    }
}
