//! Copies of requests, sent to see what happens and not waited for. They are counted as requests to where they went, and as chosen by
//! nobody: no split made them, so no shares count them.

use std::rc::Rc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::activity::upload::{Outgoing, Upload};
use crate::reporting::flags::Flags;
use crate::reporting::stats::Ended;
use crate::request::outbound::Outbound;
use crate::state::plan::RouteEntry;
use crate::state::shared::Shared;
use crate::upstream::pool::{Lease, LeaseError, Reuse};
use crate::upstream::proxy_protocol::ClientInfo;

/// For a copy of a request that has no limit itself.
const LIMIT: Duration = Duration::from_secs(15);
/// A response that nobody wants is read to its end if it is this short, so that its connection can be used again.
const WORTH_READING: u64 = 64 * 1024;
/// And if it has come by then: what keeps a connection waiting costs more than a new one.
const WORTH_WAITING: Duration = Duration::from_secs(1);

/// Sends a copy once the whole body is there. A body that was too long to keep is not copied.
pub(crate) fn send(
    shared: &Rc<Shared>,
    (entry, client_info): (Rc<RouteEntry>, ClientInfo),
    head: Outbound,
    upload: Option<Rc<Upload>>,
    limit: Option<Duration>,
) {
    let shared = Rc::clone(shared);
    tokio::task::spawn_local(async move {
        // As in Envoy, nothing is sent to a cluster that is not there, and nothing is counted.
        let Some(cluster) = entry.cluster.clone().filter(|cluster| !cluster.missing) else { return };
        let deadline = (Instant::now() + limit.unwrap_or(LIMIT)).into();
        let (sent, bytes) = (upload.clone(), async {
            let Some(upload) = upload else { return Some(Outgoing::Empty) };
            upload.ended().await;
            upload.whole().map(Outgoing::Full)
        });
        // What is never sent is not counted either.
        let Ok(Some(body)) = tokio::time::timeout_at(deadline, bytes).await else { return };
        let began = Instant::now();
        let mut counter = entry.counter(None, &shared);
        let copy = async {
            let host =
                shared.with_random(|random| cluster.pick(random, &[], None)).ok_or(Flags::NO_UPSTREAM)?;
            counter = entry.counter(Some(cluster.hosts[host].version), &shared);
            let upstream = &cluster.hosts[host].upstream;
            let limits = cluster.limits.toward(&client_info);
            let leased = upstream.lease(&limits, Reuse::Fresh, |address| shared.is_own(address)).await;
            let mut lease = leased.map_err(|error| {
                if let LeaseError::Connect(error) = &error {
                    counter.fail(error.reason());
                    cluster.unreachable(host, error.reason(), &error.told());
                }
                Flags::CONNECT_FAILURE
            })?;
            let response = lease.send(head.into_request(1, lease.protocol(), body)).await;
            let response = response.map_err(|_| Flags::UPSTREAM_CLOSED)?;
            let status = response.status();
            discard(response.into_body(), lease).await;
            Ok(status.as_u16())
        };
        let answered = tokio::time::timeout_at(deadline, copy).await.unwrap_or(Err(Flags::TIMEOUT));
        counter.count(&Ended {
            status: answered.unwrap_or(0),
            flags: answered.err().unwrap_or_default(),
            took: began.elapsed(),
            sent: sent.map_or(0, |upload| upload.sent()),
            ..Ended::default()
        });
    });
}

/// Reads a response that nobody wants to its end, if that is near; else its connection is closed.
pub(crate) async fn discard(body: Incoming, mut lease: Lease) {
    use http_body::Body as _;
    lease.run_apart();
    let near = body.size_hint().upper().is_some_and(|bytes| bytes <= WORTH_READING);
    if near && matches!(tokio::time::timeout(WORTH_WAITING, body.collect()).await, Ok(Ok(_))) {
        lease.release(Instant::now());
    }
}
