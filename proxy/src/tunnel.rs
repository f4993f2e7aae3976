//! Upgraded connections: once both sides have agreed to speak another protocol, bytes are passed on as they come.

mod method;
mod through;

use std::time::Instant;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

pub(crate) use method::connect;
pub(crate) use through::through;

use crate::drain::Member;
use crate::flags::Flags;
use crate::pool::Lease;
use crate::ticket::Ticket;

/// Connects both sides until either ends. The ticket's request lasts as long.
pub(crate) fn open(
    client: OnUpgrade,
    upstream: OnUpgrade,
    mut ticket: Ticket,
    mut lease: Lease,
    member: Member,
) {
    lease.run_apart();
    tokio::task::spawn_local(async move {
        let (client, upstream) = match tokio::try_join!(client, upstream) {
            Ok(sides) => sides,
            Err(error) => {
                tracing::debug!(%error, "an upgrade was not completed");
                ticket.flag(Flags::UPSTREAM_CLOSED);
                return ticket.complete(Instant::now());
            }
        };
        let copied = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(upstream)).await;
        match copied {
            Ok((sent, received)) => {
                ticket.sent(sent);
                ticket.received(usize::try_from(received).unwrap_or(usize::MAX));
            }
            // Either side may simply vanish; that is how such connections often end.
            Err(error) => tracing::debug!(%error, "an upgraded connection broke"),
        }
        ticket.complete(Instant::now());
        drop((lease, member));
    });
}
