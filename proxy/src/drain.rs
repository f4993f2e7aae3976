//! Ending in order: what is open is told that no more will come, and counted until nothing is left.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::task::Waker;

use tokio::sync::Notify;

/// A group of connections that end together.
#[derive(Default)]
pub(crate) struct Drain {
    ending: Cell<bool>,
    open: RefCell<HashMap<u64, Option<Waker>>>,
    next: Cell<u64>,
    changed: Notify,
}

/// One of them; it counts until it is dropped.
pub(crate) struct Member {
    drain: Rc<Drain>,
    number: u64,
}

impl Drain {
    /// One more.
    pub(crate) fn join(self: &Rc<Self>) -> Member {
        let number = self.next.get();
        self.next.set(number + 1);
        self.open.borrow_mut().insert(number, None);
        Member { drain: Rc::clone(self), number }
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.open.borrow().len()
    }

    /// Tells all of them to end.
    pub(crate) fn end(&self) {
        self.ending.set(true);
        for waker in self.open.borrow().values().flatten() {
            waker.wake_by_ref();
        }
    }

    /// Waits until fewer than `count` are open.
    pub(crate) async fn below(&self, count: usize) {
        while self.open() >= count {
            self.changed.notified().await;
        }
    }
}

impl Member {
    /// Whether it has been told to end; if not, the task that asks is woken when it is.
    pub(crate) fn is_ending(&self, waker: &Waker) -> bool {
        if self.drain.ending.get() {
            return true;
        }
        if let Some(known @ None) = self.drain.open.borrow_mut().get_mut(&self.number) {
            *known = Some(waker.clone());
        }
        false
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.drain.open.borrow_mut().remove(&self.number);
        self.drain.changed.notify_waiters();
    }
}
