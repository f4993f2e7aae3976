//! The browser's streams as Rust's, as far as Leptos's server functions ask for them.
//!
//! The page calls no server function, but Leptos brings them along, and with them the crate `wasm-streams`. That one exports its
//! classes to JavaScript, and what is exported no linker leaves out: three kilobytes of the page that nobody could call. Here
//! closures take the place of classes, and in a page without streams nothing remains.

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::stream::{LocalBoxStream, StreamExt as _, unfold};
use futures_util::{Stream, TryFutureExt as _};
use js_sys::{Object, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue, UnwrapThrowExt as _};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{ReadableStreamDefaultController, ReadableStreamDefaultReader};

/// A stream that can be read.
#[derive(Debug, Clone)]
pub struct ReadableStream(web_sys::ReadableStream);

impl ReadableStream {
    /// The browser's own.
    pub fn from_raw(raw: web_sys::ReadableStream) -> Self {
        Self(raw)
    }

    /// What the browser takes.
    pub fn into_raw(self) -> web_sys::ReadableStream {
        self.0
    }

    /// A stream of what Rust's says, asked for as it is read. A browser that has no such streams throws.
    pub fn from_stream(stream: impl Stream<Item = Result<JsValue, JsValue>> + 'static) -> Self {
        let rest = Rc::new(RefCell::new(Some(stream.boxed_local())));
        let pulled = Rc::clone(&rest);
        let pull = Closure::<dyn FnMut(_) -> _>::new(move |controller| {
            future_to_promise(pull(Rc::clone(&pulled), controller).map_ok(|()| JsValue::UNDEFINED))
        });
        let cancel = Closure::<dyn FnMut()>::new(move || drop(rest.borrow_mut().take()));
        let source = Object::new();
        for (name, function) in [("pull", pull.into_js_value()), ("cancel", cancel.into_js_value())] {
            // It cannot fail: the object is new and ours.
            let _set = Reflect::set(&source, &name.into(), &function);
        }
        Self(web_sys::ReadableStream::new_with_underlying_source(&source).unwrap_throw())
    }

    /// What is read, until the end or the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<JsValue, JsValue>> {
        let reader = self.0.get_reader().unchecked_into::<ReadableStreamDefaultReader>();
        unfold(Some(reader), |reader| async {
            let reader = reader?;
            match read(&reader).await {
                Ok(None) => None,
                Ok(Some(chunk)) => Some((Ok(chunk), Some(reader))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

async fn read(reader: &ReadableStreamDefaultReader) -> Result<Option<JsValue>, JsValue> {
    let result = JsFuture::from(reader.read()).await?;
    let done = Reflect::get(&result, &"done".into())?.is_truthy();
    if done { Ok(None) } else { Reflect::get(&result, &"value".into()).map(Some) }
}

/// Gives the browser the next one.
async fn pull(
    rest: Rc<RefCell<Option<LocalBoxStream<'static, Result<JsValue, JsValue>>>>>,
    controller: ReadableStreamDefaultController,
) -> Result<(), JsValue> {
    // The browser asks for one at a time, so nobody else misses it meanwhile.
    let Some(mut stream) = rest.borrow_mut().take() else { return controller.close() };
    match stream.next().await {
        Some(chunk) => {
            controller.enqueue_with_chunk(&chunk?)?;
            *rest.borrow_mut() = Some(stream);
            Ok(())
        }
        None => controller.close(),
    }
}
