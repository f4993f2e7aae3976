//! One connection to an endpoint: what requests are sent with, and that it is counted as long as anybody has it.

use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use hyper::client::conn::{http1, http2};

use super::Upstream;
use crate::activity::upload::Outgoing;
use crate::reporting::observation::Limit;
use crate::upstream::driver::Driver;
use crate::upstream::shared_cluster::SharedCluster;

/// Something to send requests with.
pub(super) struct Connection {
    pub(super) sender: Sender,
    /// Requests that it was given.
    pub(super) served: u32,
    pub(super) open: Rc<Open>,
}

pub(super) enum Sender {
    /// Without a driver, a task of its own drives the connection.
    H1(http1::SendRequest<Outgoing>, Option<Driver>),
    /// Always has a task.
    H2(http2::SendRequest<Outgoing>),
}

/// Counts an open connection, as long as anybody has it.
pub(super) struct Open {
    pub(super) upstream: Weak<Upstream>,
    pub(super) cluster: Arc<SharedCluster>,
    /// The manner in which it was made.
    pub(super) epoch: u32,
    /// What it began with.
    pub(super) proxy_header: Option<Rc<[u8]>>,
    /// When it is too old for another request.
    pub(super) until: Option<Instant>,
}

impl Connection {
    /// It takes no more requests: either side has closed it, or it is too old.
    pub(super) fn is_closed(&self) -> bool {
        if self.open.until.is_some_and(|until| Instant::now() >= until) {
            return true;
        }
        match &self.sender {
            Sender::H1(sender, _) => sender.is_closed(),
            Sender::H2(sender) => sender.is_closed(),
        }
    }

    /// Brings it on while nobody uses it; false: it takes no more requests.
    pub(super) fn settles(&mut self) -> bool {
        let ended = match &mut self.sender {
            // With nobody to drive it, an exchange that is not over now never will be.
            Sender::H1(sender, Some(driver)) => !driver.settle() || !sender.is_ready(),
            Sender::H1(_, None) | Sender::H2(_) => false,
        };
        !ended && !self.is_closed()
    }

    /// Has a task of its own from now on, if it has none yet.
    pub(super) fn run_apart(&mut self) {
        if let Sender::H1(_, driver) = &mut self.sender
            && let Some(driver) = driver.take()
        {
            let open = Rc::clone(&self.open);
            tokio::task::spawn_local(async move {
                driver.run().await;
                drop(open);
            });
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::H1(sender, _) => sender.is_ready(),
            Sender::H2(sender) => sender.is_ready(),
        }
    }

    /// Waits for the end of its last exchange; false when it was closed.
    pub(super) async fn becomes_ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::H1(sender, Some(driver)) => driver.during(pin!(sender.ready())).await.is_ok(),
            Sender::H1(sender, None) => sender.ready().await.is_ok(),
            Sender::H2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Requests that it carries: all that hold it, but for the task that drives it and those who lend it.
    pub(super) fn streams(&self) -> usize {
        Rc::strong_count(&self.open).saturating_sub(2)
    }

    /// The same once more; only HTTP/2 can.
    pub(super) fn share(&self) -> Option<Self> {
        let Sender::H2(sender) = &self.sender else { return None };
        let sender = Sender::H2(sender.clone());
        Some(Self { sender, served: self.served, open: Rc::clone(&self.open) })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.cluster.leave(Limit::Connections);
        if let Some(upstream) = self.upstream.upgrade() {
            upstream.connections.set(upstream.connections.get() - 1);
            upstream.queue.wake();
        }
    }
}
