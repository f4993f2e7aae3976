//! Requests that wait for a connection, in the order in which they came.

use std::cell::RefCell;
use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::Connection;

/// Those who wait.
#[derive(Default)]
pub(super) struct Queue(RefCell<VecDeque<oneshot::Sender<Given>>>);

/// What one who waited gets.
pub(super) enum Given {
    /// A connection.
    Connection(Connection),
    /// One was closed: perhaps another may be opened.
    Room,
}

/// One who waits.
struct Waiting<'q> {
    queue: &'q Queue,
    given: oneshot::Receiver<Given>,
}

impl Queue {
    /// Waits for a turn.
    pub(super) async fn wait(&self) -> Option<Given> {
        let (give, given) = oneshot::channel();
        self.0.borrow_mut().push_back(give);
        let mut waiting = Waiting { queue: self, given };
        (&mut waiting.given).await.ok()
    }

    /// Gives a connection to the one who has waited longest; returns it when nobody waits.
    pub(super) fn give(&self, mut connection: Connection) -> Option<Connection> {
        while let Some(first) = self.next() {
            // Who no longer waits gives it back.
            let Err(Given::Connection(back)) = first.send(Given::Connection(connection)) else { return None };
            connection = back;
        }
        Some(connection)
    }

    /// Tells the one who has waited longest that there is room.
    pub(super) fn wake(&self) {
        while let Some(first) = self.next() {
            if first.send(Given::Room).is_ok() {
                return;
            }
        }
    }

    fn next(&self) -> Option<oneshot::Sender<Given>> {
        self.0.borrow_mut().pop_front()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // Who was told of room and gave up before it could be used tells the next, who would wait for ever otherwise.
        if matches!(self.given.try_recv(), Ok(Given::Room)) {
            self.queue.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll(waiting: &mut Pin<Box<impl Future<Output = Option<Given>>>>) -> Poll<Option<Given>> {
        waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn room_that_nobody_took_is_passed_on() {
        let queue = Queue::default();
        let (mut first, mut second) = (Box::pin(queue.wait()), Box::pin(queue.wait()));
        assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
        queue.wake();
        assert!(poll(&mut second).is_pending());
        // The first gives up with what it was told.
        drop(first);
        assert!(matches!(poll(&mut second), Poll::Ready(Some(Given::Room))));
        queue.wake();
        assert!(queue.0.borrow().is_empty());
    }
}
