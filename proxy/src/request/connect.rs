//! HTTP's CONNECT, on a workload's own listener: a connection by name, for clients that know proxies.
//!
//! It gets what a connection to that host and port gets: the routes of connections, or the host itself where the mesh lets
//! strangers be reached. A host that speaks HTTP here has to be spoken to in HTTP. Gateways are no proxies to elsewhere.

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
use crate::request::tcp::{Reached, reach};
use crate::request::tracker::Ticket;
use crate::state::plan::{Side, View};
use crate::upstream::cluster;
use crate::upstream::pool::Limits;

/// Answers a CONNECT.
pub(crate) async fn connect(
    client: &Client,
    view: &Rc<View>,
    mut head: request::Parts,
    authority: &str,
    ticket: impl Fn(&Side) -> Ticket,
) -> Response<ClientBody> {
    let front = &*client.front;
    let shared = &front.shared;
    let upgrade = head.extensions.remove::<OnUpgrade>();
    let (host, Some(port)) = split_authority(authority) else {
        return Reply::BAD_REQUEST.answer(ticket(&view.unknown_side(authority, &front.source.state)));
    };
    let host = host.to_ascii_lowercase();
    let listener = view.plan.listener(port);
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
    let side = match &passage {
        Some(passage) => view.connection_side(passage, &front.source.state, shared),
        None => {
            let unknown = listener.map_or_else(|| view.unknown_host(), |listener| listener.unknown_host);
            let unknown_side = view.unknown_side(authority, &front.source.state);
            match unknown {
                UnknownHost::Passthrough if !spoken_to => {}
                UnknownHost::BadGateway if !spoken_to => {
                    return Reply::FORBIDDEN_HOST.answer(ticket(&unknown_side));
                }
                _ => return Reply::NO_ROUTE.answer(ticket(&unknown_side)),
            }
            let upstream = front.source.state.stranger(&host, port);
            let stranger = cluster::View::stranger(upstream, Limits::outside(&shared.config));
            Rc::new(unknown_side.toward(Rc::new(stranger)))
        }
    };
    let mut ticket = ticket(&side);
    let Some(upgrade) = upgrade else { return Reply::BAD_REQUEST.answer(ticket) };
    let Reached { mut stream, busy, patience } = match reach(client, &side, Some(&host), &mut ticket).await {
        Ok(reached) => reached,
        Err(reply) => return reply.answer(ticket),
    };
    ticket.status(200);
    ticket.leaves();
    let (member, idle) = (shared.work.join(), shared.config.stream_idle());
    tokio::task::spawn_local(async move {
        match within(idle, upgrade).await {
            Some(Ok(upgraded)) => pass(TokioIo::new(upgraded), &mut stream, patience, &mut ticket).await,
            Some(Err(error)) => tracing::debug!(%error, "a tunnel was not opened"),
            None => ticket.flag(Flags::STREAM_IDLE),
        }
        ticket.complete(Instant::now());
        drop((stream, busy, member));
    });
    Response::new(ClientBody::own(Bytes::new()))
}
