//! One request from its head to its response: the mesh decides, and this does what was decided.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode, request};
use hyper::body::Incoming;
use mesh::Source;
use mesh::plan::{Cors, Redirect, UnknownHost, split_authority};
use mesh::route::headers::Direction;
use mesh::route::{self, Chosen, Decision, Limits};

use crate::body::ClientBody;
use crate::cluster;
use crate::control::Entry;
use crate::cors::{self, Verdict};
use crate::flags::Flags;
use crate::forward::{Exchange, forward};
use crate::headers::Edited;
use crate::outbound::Inbound;
use crate::reply::{self, Reply};
use crate::shared::Shared;
use crate::source::SourceState;
use crate::ticket::Ticket;
use crate::view::View;

/// A listener's side of serving: whose traffic it is.
pub(crate) struct Front {
    pub(crate) shared: Rc<Shared>,
    source: Rc<SourceState>,
    port: Option<u16>,
    gateway: bool,
}

/// A client's connection.
pub(crate) struct Client {
    pub(crate) front: Rc<Front>,
    pub(crate) peer: IpAddr,
}

impl Front {
    pub(crate) fn new(shared: Rc<Shared>, entry: &Entry) -> Self {
        Self {
            source: shared.source(&entry.source),
            shared,
            port: entry.port,
            gateway: matches!(entry.source, Source::Gateway { .. }),
        }
    }
}

/// Serves a request.
pub(crate) async fn serve(client: &Client, request: Request<Incoming>) -> Response<ClientBody> {
    let began = Instant::now();
    let front = &*client.front;
    let view = front.source.current();
    let (head, body) = request.into_parts();
    let Some(inbound) = Inbound::new(&head) else {
        let ticket = ticket(front, &view, &Decision::NoHost, "", began);
        return Reply::BAD_REQUEST.answer(ticket);
    };
    let authority = inbound.authority();
    let listener = view.listener(front.port, authority);
    let decision = match listener {
        _ if head.method == Method::CONNECT => Decision::NoHost,
        Some(listener) => route::route(listener, &inbound, front.shared.draws()),
        None => Decision::NoHost,
    };
    front.shared.routed_by(view.plan.revision, began);
    match &decision {
        Decision::NoRoute(_) => Reply::NO_ROUTE.answer(ticket(front, &view, &decision, authority, began)),
        Decision::NoHost => {
            let unknown = listener.map_or_else(|| view.unknown_host(), |listener| listener.unknown_host);
            let ticket = ticket(front, &view, &decision, authority, began);
            match unknown {
                _ if head.method == Method::CONNECT => Reply::NO_ROUTE.answer(ticket),
                UnknownHost::NotFound => Reply::NO_ROUTE.answer(ticket),
                UnknownHost::BadGateway => Reply::FORBIDDEN_HOST.answer(ticket),
                UnknownHost::Passthrough => {
                    let (host, port) = split_authority(authority);
                    let upstream = front.source.stranger(host, port.unwrap_or(80));
                    let cluster = Rc::new(cluster::View::stranger(upstream, &front.shared.config));
                    let limits = Limits { timeout: None, per_try_timeout: None, retries: None };
                    pass(client, &view, &decision, cluster, limits, ticket, (head, body)).await
                }
            }
        }
        Decision::Forward(chosen, ..) | Decision::Redirect(chosen, _) | Decision::Direct(chosen, _) => {
            let ticket = ticket(front, &view, &decision, authority, began);
            let policy = chosen.route.cors.as_ref();
            let verdict = policy.map_or(Verdict::Unconcerned, |policy| cors::judge(policy, &head));
            let mut response = match interrupt(chosen, ticket, policy, &verdict).await {
                Ok(ticket) => act(client, &view, &decision, ticket, (head, body)).await,
                Err(response) => return response,
            };
            if let (Some(policy), Verdict::Allowed(origin)) = (policy, verdict) {
                cors::mark(policy, origin, response.headers_mut());
            }
            response
        }
    }
}

/// Faults, and preflights that are answered here: what keeps a request from its action.
async fn interrupt(
    chosen: &Chosen<'_>,
    mut ticket: Ticket,
    policy: Option<&Cors>,
    verdict: &Verdict,
) -> Result<Ticket, Response<ClientBody>> {
    if let Some(delay) = chosen.delay {
        ticket.flag(Flags::DELAY);
        tokio::time::sleep(delay).await;
    }
    if let Some(abort) = chosen.abort {
        return Err(reply::aborted(abort, ticket));
    }
    match (verdict, policy) {
        (Verdict::Preflight(origin), Some(policy)) => {
            let mut response = reply::answer(StatusCode::OK, Bytes::new(), ticket);
            cors::answer_preflight(policy, origin.clone(), response.headers_mut());
            Err(response)
        }
        (Verdict::Ignored, _) => Err(reply::answer(StatusCode::OK, Bytes::new(), ticket)),
        _ => Ok(ticket),
    }
}

/// What the route does.
async fn act(
    client: &Client,
    view: &View,
    decision: &Decision<'_>,
    ticket: Ticket,
    request: (request::Parts, Incoming),
) -> Response<ClientBody> {
    let front = &*client.front;
    match decision {
        Decision::Forward(_, forward, destination) => {
            let cluster = view.cluster(destination.cluster, &front.source, &front.shared);
            let Some(cluster) = cluster.filter(|cluster| !cluster.missing) else {
                return Reply::NO_CLUSTER.answer(ticket);
            };
            let limits = match Inbound::new(&request.0) {
                Some(inbound) => Limits::of(forward, &inbound),
                None => return Reply::BAD_REQUEST.answer(ticket),
            };
            pass(client, view, decision, cluster, limits, ticket, request).await
        }
        Decision::Redirect(_, redirect) => redirected(redirect, decision, &request.0, ticket),
        Decision::Direct(_, direct) => {
            let mut response = reply::direct(direct, ticket);
            route::apply(decision, Direction::Response, &mut Edited(response.headers_mut()));
            response
        }
        Decision::NoRoute(_) | Decision::NoHost => Reply::NO_ROUTE.answer(ticket),
    }
}

fn redirected(
    redirect: &Redirect,
    decision: &Decision<'_>,
    head: &request::Parts,
    ticket: Ticket,
) -> Response<ClientBody> {
    let location = Inbound::new(head).and_then(|inbound| route::location(decision, &inbound));
    let Some(location) = location.and_then(|location| HeaderValue::try_from(location).ok()) else {
        return Reply::BAD_REQUEST.answer(ticket);
    };
    let status = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
    let mut response = reply::answer(status, Bytes::new(), ticket);
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(LOCATION, location);
    route::apply(decision, Direction::Response, &mut Edited(headers));
    response
}

/// Hands a request over to be forwarded.
async fn pass(
    client: &Client,
    view: &View,
    decision: &Decision<'_>,
    cluster: Rc<cluster::View>,
    limits: Limits<'_>,
    ticket: Ticket,
    (head, body): (request::Parts, Incoming),
) -> Response<ClientBody> {
    let front = &*client.front;
    let side = match Inbound::new(&head) {
        Some(inbound) => view.side(decision, inbound.authority(), &front.source, &front.shared),
        None => return Reply::BAD_REQUEST.answer(ticket),
    };
    let exchange = Exchange {
        shared: &front.shared,
        source: &front.source,
        view,
        client: front.gateway.then_some(client.peer),
        decision,
        side,
        cluster,
        limits,
        ticket,
    };
    forward(exchange, head, body).await
}

fn ticket(front: &Front, view: &View, decision: &Decision<'_>, authority: &str, began: Instant) -> Ticket {
    let side = view.side(decision, authority, &front.source, &front.shared);
    Ticket::new(side.counter(None, &front.shared), began)
}
