//! HTTP's CONNECT, on a workload's own listener: a connection by name, for clients that know proxies.
//!
//! It gets what a connection to that host and port gets: the routes of connections, or the host itself where the mesh lets
//! hosts outside it be reached. A host that speaks HTTP here has to be spoken to in HTTP. Gateways are no proxies to elsewhere.

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http::{Response, request};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::request::upgrade::{pass, within};
use mesh::plan::{UnknownHost, split_authority};
use mesh::route::{self, Connection};

use crate::reporting::flags::Flags;
use crate::request::body::ClientBody;
use crate::request::client::Client;
use crate::request::reply::Reply;
use crate::request::tcp::{UpstreamConnection, reach};
use crate::request::tracker::Tracker;
use crate::state::plan::{ActivePlan, RouteEntry};
use crate::upstream::cluster;
use crate::upstream::pool::Limits;

/// Answers a CONNECT.
pub(crate) async fn connect(
    client: &Client,
    active: &Rc<ActivePlan>,
    mut head: request::Parts,
    authority: &str,
    tracker: impl Fn(&RouteEntry) -> Tracker,
) -> Response<ClientBody> {
    let front = &*client.front;
    let shared = &front.shared;
    let upgrade = head.extensions.remove::<OnUpgrade>();
    let (host, Some(port)) = split_authority(authority) else {
        return Reply::BAD_REQUEST.answer(tracker(&active.unknown_entry(authority, &front.source.state)));
    };
    let host = host.to_ascii_lowercase();
    let listener = active.plan.listener(port);
    let asked = Connection {
        host: Some(&host),
        // Who asks for a name will ask for it in TLS too.
        sni: Some(&host),
        destination: host.trim_matches(['[', ']']).parse().ok(),
        source: Some(client.peer.ip()),
    };
    let spoken_to = listener.is_some_and(|it| route::find_virtual_host(it, authority).is_some());
    let passage = listener.filter(|_| !spoken_to);
    let passage = passage.and_then(|listener| route::connection(listener, &asked, shared.draws()));
    let entry = match &passage {
        Some(passage) => active.connection_entry(passage, &front.source.state, shared),
        None => {
            let unknown = listener.map_or_else(|| active.unknown_host(), |listener| listener.unknown_host);
            let unknown_entry = active.unknown_entry(authority, &front.source.state);
            match unknown {
                UnknownHost::Passthrough if !spoken_to => {}
                UnknownHost::BadGateway if !spoken_to => {
                    return Reply::FORBIDDEN_HOST.answer(tracker(&unknown_entry));
                }
                _ => return Reply::NO_ROUTE.answer(tracker(&unknown_entry)),
            }
            let upstream = front.source.state.passthrough(&host, port);
            let outside = cluster::LocalCluster::passthrough(upstream, Limits::outside(&shared.config));
            Rc::new(unknown_entry.toward(Rc::new(outside)))
        }
    };
    let mut tracker = tracker(&entry);
    let Some(upgrade) = upgrade else { return Reply::BAD_REQUEST.answer(tracker) };
    let UpstreamConnection { mut stream, busy, timeouts } =
        match reach(client, &entry, Some(&host), &mut tracker).await {
            Ok(reached) => reached,
            Err(reply) => return reply.answer(tracker),
        };
    tracker.status(200);
    tracker.leaves();
    let (member, idle) = (shared.work.join(), shared.config.stream_idle());
    tokio::task::spawn_local(async move {
        match within(idle, upgrade).await {
            Some(Ok(upgraded)) => pass(TokioIo::new(upgraded), &mut stream, timeouts, &mut tracker).await,
            Some(Err(error)) => tracing::debug!(%error, "a tunnel was not opened"),
            None => tracker.flag(Flags::STREAM_IDLE),
        }
        tracker.complete(Instant::now());
        drop((stream, busy, member));
    });
    Response::new(ClientBody::own(Bytes::new()))
}
