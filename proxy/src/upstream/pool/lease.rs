//! A connection for one request: waiting for it, sending, and giving it back.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Request, Response};
use http_body::{Body as _, Frame};
use hyper::body::{Bytes, Incoming};

use super::{Connection, Limits, Protocol, Reuse, Sender, Upstream};
use crate::activity::upload::Outgoing;
use crate::reporting::observation::Limit;
use crate::upstream::connect::ConnectError;
use crate::upstream::shared_cluster::SharedCluster;

/// A connection for one request.
pub(crate) struct Lease {
    upstream: Rc<Upstream>,
    /// There until it is released.
    connection: Option<Connection>,
    /// It has carried a request before: the upstream may be closing it at this very moment.
    pub(crate) reused: bool,
    /// Others may wait for its end, since connections carry only so many at once.
    awaited: bool,
    /// It is among the cluster's requests.
    counted: bool,
    max_idle: usize,
    requests_per_connection: u32,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    /// It could not be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The cluster has reached one of its limits.
    #[error("overflow")]
    Overflow,
}

/// Why a request that was handed to a connection has no response.
pub(crate) struct SendError {
    /// What hyper says.
    pub(crate) error: hyper::Error,
    /// Nothing of the request was sent, or the upstream says that it has not looked at it.
    pub(crate) unsent: bool,
}

/// A request that waits for a connection.
struct Pending<'c>(Option<&'c Arc<SharedCluster>>);

impl Upstream {
    /// A connection that waits and is good enough, or a new one.
    pub(crate) async fn lease(
        self: &Rc<Self>,
        limits: &Limits,
        reuse: Reuse,
        barred: impl Fn(SocketAddr) -> bool,
    ) -> Result<Lease, LeaseError> {
        let (connection, reused) = match self.ready(limits, reuse) {
            Some(connection) => (connection, true),
            None => {
                let _pending = self.pends(limits)?;
                // Far larger than what a request needs that finds a connection.
                Box::pin(self.open(limits, barred)).await?
            }
        };
        let (counted, _) = limits.counts;
        if counted && !self.cluster.enter(Limit::Requests, &limits.ceilings) {
            if !limits.http2 {
                self.give_back(connection, limits.max_idle, Instant::now());
            }
            return Err(LeaseError::Overflow);
        }
        self.active.set(self.active.get() + 1);
        Ok(Lease {
            upstream: Rc::clone(self),
            connection: Some(connection),
            reused,
            awaited: limits.http2 && limits.streams != usize::MAX,
            counted,
            max_idle: limits.max_idle,
            requests_per_connection: limits.requests_per_connection,
        })
    }

    fn pends(&self, limits: &Limits) -> Result<Pending<'_>, LeaseError> {
        let (_, counted) = limits.counts;
        if !counted {
            return Ok(Pending(None));
        }
        if !self.cluster.enter(Limit::Pending, &limits.ceilings) {
            return Err(LeaseError::Overflow);
        }
        Ok(Pending(Some(&self.cluster)))
    }
}

impl Lease {
    /// Whether requests go as HTTP/2.
    pub(crate) fn is_h2(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| matches!(connection.sender, Sender::H2(_)))
    }

    /// How requests go.
    pub(crate) fn protocol(&self) -> Protocol {
        self.upstream.protocol(self.is_h2())
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(&mut self, request: Request<Outgoing>) -> Result<Response<Incoming>, SendError> {
        let sent = match self.connection.as_mut().map(|connection| &mut connection.sender) {
            Some(Sender::H1(sender, Some(driver))) => {
                driver.during(pin!(sender.try_send_request(request))).await
            }
            Some(Sender::H1(sender, None)) => sender.try_send_request(request).await,
            Some(Sender::H2(sender)) => sender.try_send_request(request).await,
            None => unreachable!("only a release takes the connection, and it takes the lease too"),
        };
        sent.map_err(|mut failed| SendError {
            unsent: failed.take_message().is_some() || is_passed_over(failed.error()),
            error: failed.into_error(),
        })
    }

    /// The next piece of a response's body.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut Incoming,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.connection.as_mut().map(|connection| &mut connection.sender) {
            Some(Sender::H1(_, Some(driver))) => driver.poll_frame(cx, body),
            _ => Pin::new(body).poll_frame(cx),
        }
    }

    /// Lets the connection have a task of its own: it goes on where nobody waits for what it brings.
    pub(crate) fn run_apart(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.run_apart();
        }
    }

    /// The exchange has ended in order `now`: the connection may carry another one.
    pub(crate) fn release(mut self, now: Instant) {
        let Some(mut connection) = self.connection.take() else { return };
        if matches!(connection.sender, Sender::H2(_)) {
            self.upstream.quiet.set(now);
            return;
        }
        connection.served = connection.served.saturating_add(1);
        if connection.served < self.requests_per_connection {
            self.upstream.give_back(connection, self.max_idle, now);
        } else {
            connection.settles();
        }
    }
}

/// Whether an upstream that ends its connection of HTTP/2 in order has left out this request: it names the last one that it
/// took, and those after it end like this.
fn is_passed_over(error: &hyper::Error) -> bool {
    let error = std::error::Error::source(error).and_then(|source| source.downcast_ref::<h2::Error>());
    error.is_some_and(|it| it.is_go_away() && it.is_remote() && it.reason() == Some(h2::Reason::NO_ERROR))
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.upstream.active.set(self.upstream.active.get() - 1);
        drop(self.connection.take());
        if self.awaited {
            self.upstream.queue.wake();
        }
        if self.counted {
            self.upstream.cluster.leave(Limit::Requests);
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(cluster) = self.0 {
            cluster.leave(Limit::Pending);
        }
    }
}
