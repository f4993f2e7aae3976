//! Ending in order: what is open is told that no more will come, and counted until nothing is left; what has been idle
//! for too long is told to end at once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::activity::progress::Progress;
use crate::activity::upload::Upload;
use crate::net::downstream::SocketState;

/// A group of connections that end together.
#[derive(Default)]
pub(crate) struct Drain {
    ending: Cell<bool>,
    open: RefCell<HashMap<u64, Rc<Activity>>>,
    next: Cell<u64>,
    changed: Notify,
}

/// One of them; it counts until it is dropped.
pub(crate) struct DrainGuard {
    drain: Rc<Drain>,
    number: u64,
    activity: Rc<Activity>,
}

/// What a connection is doing. One look at all of them now and then replaces a timer for each request.
pub(crate) struct Activity {
    waker: RefCell<Option<Waker>>,
    /// Active requests.
    requests: Cell<u32>,
    /// When the last of them ended, or the connection began.
    since: Cell<Instant>,
    expired: Cell<bool>,
    ending: Cell<bool>,
    /// Its one request, where it carries one at a time.
    progress: Rc<Progress>,
    /// Its requests, where it carries many.
    streams: RefCell<Vec<Weak<Progress>>>,
    socket: Arc<SocketState>,
    /// The body that the client sends, where the connection carries one request at a time.
    upload: RefCell<Weak<Upload>>,
    /// What of it had come when it was last looked at.
    uploaded: Cell<u64>,
    /// Requests so far, and those that the client gave up at once.
    begun: Cell<u32>,
    abandoned: Cell<u32>,
}

/// From so many requests on, a client that gives up more than half of them at once is sent away, as by Envoy: it makes work
/// and wants no answers.
const MANY: u32 = 500;
/// What counts as at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// For how long a connection that was used a moment ago is kept at the end: its client may have sent a request already, and
/// nothing but an answer tells it that no more are wanted.
pub(crate) const LINGER: Duration = Duration::from_millis(500);

/// What a connection is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DrainDecision {
    /// Carry on.
    Stay,
    /// End after the active requests.
    End,
    /// End now: nothing has come for too long.
    Expire,
}

impl Drain {
    /// One more.
    pub(crate) fn join(self: &Rc<Self>) -> DrainGuard {
        let number = self.next.get();
        self.next.set(number + 1);
        let activity = Rc::new(Activity {
            waker: RefCell::new(None),
            requests: Cell::new(0),
            since: Cell::new(Instant::now()),
            expired: Cell::new(false),
            ending: Cell::new(self.ending.get()),
            progress: Progress::new(),
            streams: RefCell::default(),
            socket: Arc::default(),
            upload: RefCell::default(),
            uploaded: Cell::new(0),
            begun: Cell::new(0),
            abandoned: Cell::new(0),
        });
        self.open.borrow_mut().insert(number, Rc::clone(&activity));
        DrainGuard { drain: Rc::clone(self), number, activity }
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.open.borrow().len()
    }

    /// Tells all of them to end.
    pub(crate) fn end(&self) {
        self.ending.set(true);
        for activity in self.open.borrow().values() {
            activity.ending.set(true);
            activity.wake();
        }
    }

    /// Tells those to end at once that have had no request for so long, or no byte of one that is still being sent; and ends
    /// requests of which nothing moves for as long as `idle` says, or whose time is up.
    pub(crate) fn expire(&self, now: Instant, limit: Duration, idle: Option<Duration>) {
        for activity in self.open.borrow().values() {
            activity.look(now, idle);
            if activity.is_silent(now) && now.saturating_duration_since(activity.since.get()) >= limit {
                activity.expired.set(true);
                activity.wake();
            }
        }
    }

    /// Waits until fewer than `count` are open.
    pub(crate) async fn below(&self, count: usize) {
        while self.open() >= count {
            self.changed.notified().await;
        }
    }
}

impl Activity {
    /// A request has begun.
    pub(crate) fn begin(&self) {
        self.requests.set(self.requests.get() + 1);
        self.begun.set(self.begun.get().saturating_add(1));
    }

    /// A request has ended.
    pub(crate) fn end(&self, at: Instant) {
        self.requests.set(self.requests.get() - 1);
        self.since.set(at);
    }

    /// No more requests are wanted after this one.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.get()
    }

    /// The client may be about to send a request: it has not had its answer for long.
    pub(crate) fn awaits(&self) -> bool {
        self.requests.get() == 0 && self.since.get().elapsed() < LINGER
    }

    /// The client did not wait for the answer to a request that had taken so long.
    pub(crate) fn abandon(&self, took: Duration) {
        if took >= AT_ONCE {
            return;
        }
        let abandoned = self.abandoned.get().saturating_add(1);
        self.abandoned.set(abandoned);
        if self.begun.get() >= MANY && abandoned > self.begun.get() / 2 {
            self.expired.set(true);
            self.wake();
        }
    }

    /// The client sends this now.
    pub(crate) fn uploads(&self, upload: &Rc<Upload>) {
        *self.upload.borrow_mut() = Rc::downgrade(upload);
        // Nothing looks like this, so the first look takes the time.
        self.uploaded.set(u64::MAX);
    }

    /// What the client still sends does not matter any more.
    pub(crate) fn uploads_no_more(&self) {
        *self.upload.borrow_mut() = Weak::new();
    }

    /// Its one request, where it carries one at a time.
    pub(crate) fn progress(&self) -> &Rc<Progress> {
        &self.progress
    }

    /// One more of many requests.
    pub(crate) fn stream(&self) -> Rc<Progress> {
        let progress = Progress::new();
        let mut streams = self.streams.borrow_mut();
        if streams.len() == streams.capacity() {
            streams.retain(|stream| stream.strong_count() > 0);
        }
        streams.push(Rc::downgrade(&progress));
        progress
    }

    fn look(&self, now: Instant, idle: Option<Duration>) {
        self.streams.borrow_mut().retain(|stream| {
            let stream = stream.upgrade();
            stream.as_ref().is_some_and(|stream| {
                stream.look(now, idle);
                true
            })
        });
        if self.progress.look(now, idle) {
            self.wake();
        }
    }

    /// Whether it is the client's turn to do something: to send, or to take what it was sent.
    fn is_silent(&self, now: Instant) -> bool {
        if self.socket.took() {
            self.since.set(now);
        }
        if self.requests.get() == 0 {
            return true;
        }
        let Some(sent) = self.upload.borrow().upgrade().and_then(|upload| upload.awaited()) else {
            return false;
        };
        if self.uploaded.replace(sent) != sent {
            self.since.set(now);
        }
        true
    }

    /// The connection is to be reset: what is not yet sent is thrown away.
    pub(crate) fn reset(&self) {
        self.socket.reset();
    }

    /// What is known of its bytes.
    pub(crate) fn socket(&self) -> Arc<SocketState> {
        Arc::clone(&self.socket)
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl DrainGuard {
    /// What it does.
    pub(crate) fn activity(&self) -> Rc<Activity> {
        Rc::clone(&self.activity)
    }

    /// What it is told now. The task that asks first is woken when that changes.
    pub(crate) fn order(&self, waker: &Waker) -> DrainDecision {
        if self.activity.expired.get() {
            return DrainDecision::Expire;
        }
        if self.drain.ending.get() {
            return DrainDecision::End;
        }
        self.activity.waker.borrow_mut().get_or_insert_with(|| waker.clone());
        DrainDecision::Stay
    }
}

impl Drop for DrainGuard {
    fn drop(&mut self) {
        self.drain.open.borrow_mut().remove(&self.number);
        self.drain.changed.notify_waiters();
    }
}

/// The future's output; `None` when the member is told to end before.
pub(crate) async fn or_ending<F: Future>(member: &DrainGuard, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx: &mut Context<'_>| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if member.order(cx.waker()) != DrainDecision::Stay => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_still_takes_bytes_is_not_silent() {
        let (drain, second) = (Rc::<Drain>::default(), Duration::from_secs(1));
        let member = drain.join();
        let order = || member.order(Waker::noop());
        let begin = Instant::now();
        // The last response has left its buffer in part: the client reads it slowly.
        for at in 1..5 {
            member.activity().socket().takes();
            drain.expire(begin + second * at, second, None);
            assert_eq!(order(), DrainDecision::Stay);
        }
        drain.expire(begin + second * 5, second, None);
        assert_eq!(order(), DrainDecision::Expire);
    }
}
