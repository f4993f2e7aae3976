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

impl Queue {
    /// Waits for a turn.
    pub(super) async fn wait(&self) -> Option<Given> {
        let (give, given) = oneshot::channel();
        self.0.borrow_mut().push_back(give);
        given.await.ok()
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
