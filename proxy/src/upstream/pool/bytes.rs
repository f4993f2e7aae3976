//! Connections for bytes that are no HTTP: each is used once.

use std::net::SocketAddr;
use std::rc::Rc;

use super::{LeaseError, Limits, Open, Upstream};
use crate::net::stream::Stream;
use crate::reporting::observation::Limit;
use crate::upstream::connect::in_time;
use crate::upstream::tunnel::through;

/// Makes an endpoint busier by one for as long as it is there.
pub(crate) struct ActiveConnection {
    upstream: Rc<Upstream>,
    _open: Open,
}

impl Upstream {
    /// A connection of its own; it counts as long as the guard is there.
    pub(crate) async fn connect(
        self: &Rc<Self>,
        limits: &Limits,
        barred: impl Fn(SocketAddr) -> bool,
    ) -> Result<(Stream, ActiveConnection), LeaseError> {
        // Nobody says when another will end, so nothing waits.
        if !self.cluster.enter(Limit::Connections, &limits.ceilings) {
            return Err(LeaseError::Overflow);
        }
        let busy = ActiveConnection::new(self, limits);
        let stream = self.stream(limits, barred).await?;
        let Some(tunnel) = &limits.tunnel else { return Ok((stream, busy)) };
        Ok((in_time(limits.connect, through(stream, tunnel, limits.http2)).await?, busy))
    }
}

impl ActiveConnection {
    fn new(upstream: &Rc<Upstream>, limits: &Limits) -> Self {
        upstream.active.set(upstream.active.get() + 1);
        Self { upstream: Rc::clone(upstream), _open: upstream.counted(limits) }
    }
}

impl Drop for ActiveConnection {
    fn drop(&mut self) {
        self.upstream.active.set(self.upstream.active.get() - 1);
    }
}
