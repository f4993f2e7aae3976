//! Copies of requests, sent to see what happens and not waited for. They are counted as requests to where they went.

use std::rc::Rc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::flags::Flags;
use crate::outbound::Outbound;
use crate::pool::{Lease, Reuse};
use crate::shared::Shared;
use crate::stats::Ended;
use crate::upload::{Outgoing, Upload};
use crate::view::Side;

/// For a copy of a request that has no limit itself.
const LIMIT: Duration = Duration::from_secs(15);
/// A response that nobody wants is read to its end if it is this short, so that its connection can be used again.
const WORTH_READING: u64 = 64 * 1024;

/// Sends a copy once the whole body is there. A body that was too long to keep is not copied.
pub(crate) fn send(
    shared: &Rc<Shared>,
    side: Rc<Side>,
    head: Outbound,
    upload: Option<Rc<Upload>>,
    limit: Option<Duration>,
) {
    let shared = Rc::clone(shared);
    tokio::task::spawn_local(async move {
        let Some(cluster) = side.cluster.clone() else { return };
        let (began, bytes) = (Instant::now(), upload.clone());
        let mut counter = side.counter(None, &shared);
        let copy = async {
            let body = match upload {
                None => Outgoing::Empty,
                Some(upload) => {
                    upload.ended().await;
                    Outgoing::Full(upload.whole()?)
                }
            };
            let host = shared.with_random(|random| cluster.pick(random, &[], None))?;
            counter = side.counter(Some(cluster.hosts[host].version), &shared);
            counter.choose();
            let upstream = &cluster.hosts[host].upstream;
            let leased =
                upstream.lease(&cluster.limits, Reuse::Fresh, |address| shared.is_own(address)).await;
            let mut lease = leased.ok()?;
            let response = lease.send(head.into_request(1, lease.wire(), body)).await.ok()?;
            let status = response.status();
            discard(response.into_body(), lease).await;
            Some(status.as_u16())
        };
        let answered = tokio::time::timeout(limit.unwrap_or(LIMIT), copy).await;
        let flags = match answered {
            Ok(Some(_)) => Flags::default(),
            Ok(None) => Flags::CONNECT_FAILURE,
            Err(_) => Flags::TIMEOUT,
        };
        counter.count(&Ended {
            status: answered.ok().flatten().unwrap_or(0),
            flags,
            took: began.elapsed(),
            sent: bytes.map_or(0, |upload| upload.sent()),
            ..Ended::default()
        });
    });
}

/// Reads a response that nobody wants to its end, if that is near.
pub(crate) async fn discard(body: Incoming, lease: Lease) {
    use http_body::Body as _;
    let near = body.size_hint().upper().is_some_and(|bytes| bytes <= WORTH_READING);
    if near && body.collect().await.is_ok() {
        lease.release(Instant::now());
    }
}
