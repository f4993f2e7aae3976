//! Connections of HTTP/1.1 have no task of their own while all is simple: whoever waits for a response brings its connection on.
//! A request is then worked off in two steps, one when it comes and one when it is answered, where two tasks that wake each
//! other would take six, each with all that it needs gone from the processor's caches.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http_body::{Body, Frame};
use hyper::body::{Bytes, Incoming};

/// Brings a connection on. Ends it when it is dropped.
pub(crate) struct Driver {
    /// There until it has ended.
    connection: Option<Pin<Box<dyn Future<Output = Result<(), hyper::Error>>>>>,
    /// Nobody waits for anything.
    idle: bool,
}

impl Driver {
    pub(crate) fn new(connection: impl Future<Output = Result<(), hyper::Error>> + 'static) -> Self {
        Self { connection: Some(Box::pin(connection)), idle: false }
    }

    /// Brings it on as far as it goes; false once it has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        let Poll::Ready(ended) = connection.as_mut().poll(cx) else { return true };
        self.connection = None;
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection to an upstream ended");
        }
        false
    }

    /// Brings it on while nobody waits for anything; false once it has ended.
    pub(super) fn settle(&mut self) -> bool {
        self.idle = true;
        self.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Polls what only this connection brings on.
    fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut work: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.idle = false;
        // Nothing but the connection can wake the work, and it is polled right here.
        let mut asleep = Context::from_waker(Waker::noop());
        if self.poll(cx) { work(&mut asleep) } else { work(cx) }
    }

    /// Brings it on until the work is done.
    pub(crate) fn during<T>(
        &mut self,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> impl Future<Output = T> {
        poll_fn(move |cx| self.poll_with(cx, |cx| work.as_mut().poll(cx)))
    }

    /// The next piece of a response's body.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut Incoming,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // What waits comes first, and the connection reads only what somebody has asked for.
        let asked = Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop()));
        if asked.is_ready() {
            return asked;
        }
        self.poll_with(cx, |cx| Pin::new(&mut *body).poll_frame(cx))
    }

    /// Brings it on until it ends.
    pub(super) async fn run(mut self) {
        poll_fn(|cx| if self.poll(cx) { Poll::Pending } else { Poll::Ready(()) }).await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Whoever could have sent another request has gone before, so a connection that waited says its farewell now: within
        // TLS a server would take anything else for an accident.
        if self.idle {
            self.settle();
        }
    }
}
