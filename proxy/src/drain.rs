//! Ending in order: what is open is told that no more will come, and counted until nothing is left; what has been idle
//! for too long is told to end at once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// A group of connections that end together.
#[derive(Default)]
pub(crate) struct Drain {
    ending: Cell<bool>,
    open: RefCell<HashMap<u64, Rc<Activity>>>,
    next: Cell<u64>,
    changed: Notify,
}

/// One of them; it counts until it is dropped.
pub(crate) struct Member {
    drain: Rc<Drain>,
    number: u64,
    activity: Rc<Activity>,
}

/// What a connection is doing. One look at all of them now and then replaces a timer for each request.
pub(crate) struct Activity {
    waker: RefCell<Option<Waker>>,
    /// Requests under way.
    requests: Cell<u32>,
    /// When the last of them ended, or the connection began.
    since: Cell<Instant>,
    expired: Cell<bool>,
    /// It is to be reset rather than closed.
    reset: Arc<AtomicBool>,
}

/// What a connection is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Carry on.
    Stay,
    /// End after the requests under way.
    End,
    /// End now: nothing has come for too long.
    Expire,
}

impl Drain {
    /// One more.
    pub(crate) fn join(self: &Rc<Self>) -> Member {
        let number = self.next.get();
        self.next.set(number + 1);
        let activity = Rc::new(Activity {
            waker: RefCell::new(None),
            requests: Cell::new(0),
            since: Cell::new(Instant::now()),
            expired: Cell::new(false),
            reset: Arc::default(),
        });
        self.open.borrow_mut().insert(number, Rc::clone(&activity));
        Member { drain: Rc::clone(self), number, activity }
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.open.borrow().len()
    }

    /// Tells all of them to end.
    pub(crate) fn end(&self) {
        self.ending.set(true);
        self.open.borrow().values().for_each(|activity| activity.wake());
    }

    /// Tells those to end at once that have had no request for so long.
    pub(crate) fn expire(&self, now: Instant, limit: Duration) {
        for activity in self.open.borrow().values() {
            if activity.requests.get() == 0 && now.duration_since(activity.since.get()) >= limit {
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
    }

    /// A request has ended.
    pub(crate) fn end(&self, at: Instant) {
        self.requests.set(self.requests.get() - 1);
        self.since.set(at);
    }

    /// The connection is to be reset: what is not yet sent is thrown away.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    /// Says whether it is to be reset. (hyper may hand a stream to another thread, though nobody here does.)
    pub(crate) fn resets(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.reset)
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Member {
    /// What it does.
    pub(crate) fn activity(&self) -> Rc<Activity> {
        Rc::clone(&self.activity)
    }

    /// What it is told now. The task that asks first is woken when that changes.
    pub(crate) fn order(&self, waker: &Waker) -> Order {
        if self.activity.expired.get() {
            return Order::Expire;
        }
        if self.drain.ending.get() {
            return Order::End;
        }
        self.activity.waker.borrow_mut().get_or_insert_with(|| waker.clone());
        Order::Stay
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.drain.open.borrow_mut().remove(&self.number);
        self.drain.changed.notify_waiters();
    }
}
