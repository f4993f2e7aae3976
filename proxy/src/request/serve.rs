//! One request from its head to its response: the mesh decides, and this does what was decided.

mod action;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{Method, Response, StatusCode, Version, request};
use hyper::body::Incoming;
use mesh::plan::{AbortWith, UnknownHost, split_authority};
use mesh::route::headers::Direction;
use mesh::route::{self, Chosen, Decision, Limits};

use crate::activity::progress::Progress;
use crate::headers::{self, CLIENT_CERTIFICATE, Edited, REQUEST_ID, Upgrade, is_grpc, request_id};
use crate::reporting::access_log::Line;
use crate::reporting::flags::Flags;
use crate::reporting::trace::{Context, Recording};
use crate::request::body::ClientBody;
use crate::request::client::Client;
use crate::request::connect;
use crate::request::cors::{self, Verdict};
use crate::request::forward::forward;
use crate::request::inbound::{Inbound, normalize, scheme};
use crate::request::repeated_headers;
use crate::request::reply::{self, Reply};
use crate::request::sanitize::sanitize;
use crate::request::stream_info::{Head, RequestInfo, StreamInfo, UpstreamInfo};
use crate::request::tracker::Tracker;
use crate::request::validate;
use crate::state::plan::RouteEntry;
use crate::upstream::cluster;
use crate::upstream::pool;
use action::{Action, SelectedCluster};

/// A request gets no response: its connection is reset, in HTTP/2 its stream.
#[derive(Debug, thiserror::Error)]
#[error("reset by a fault")]
pub(crate) struct Reset(#[source] h2::Error);

/// Turns HTTP/2's way of asking for another protocol (`CONNECT` with `:protocol`, RFC 8441) into that of HTTP/1.1; false for
/// any other `CONNECT`.
fn as_upgrade(head: &mut request::Parts, random: impl FnOnce() -> u128) -> bool {
    let Some(protocol) = head.extensions.remove::<hyper::ext::Protocol>() else { return false };
    let Ok(protocol) = HeaderValue::try_from(protocol.as_str()) else { return false };
    head.method = Method::GET;
    head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if protocol == "websocket"
        && let Ok(key) = HeaderValue::try_from(BASE64_STANDARD.encode(random().to_be_bytes()))
    {
        head.headers.insert(SEC_WEBSOCKET_KEY, key);
    }
    head.headers.insert(UPGRADE, protocol);
    true
}

/// Serves a request.
pub(crate) async fn serve(
    client: &Client,
    progress: &Rc<Progress>,
    mut upgrade: Upgrade,
    mut head: Box<request::Parts>,
    body: Incoming,
) -> Result<Response<ClientBody>, Reset> {
    let began = Instant::now();
    let front = &*client.front;
    let shared = &*front.shared;
    let active = front.source.current();
    let h2 = head.version == Version::HTTP_2;
    repeated_headers::join(&mut head.headers, h2);
    let random = || shared.with_random(|it| it.u128(..));
    let mut connect = head.method == Method::CONNECT;
    if connect && as_upgrade(&mut head, random) {
        connect = false;
        upgrade = headers::upgrade(&mut head.headers, h2);
    }
    if front.gateway {
        sanitize(&mut head.headers, client, &active.plan.internal, random);
    } else {
        // A workload speaks for itself, in plain text: it has shown no certificate.
        head.headers.remove(CLIENT_CERTIFICATE);
        if !head.headers.contains_key(REQUEST_ID) {
            head.headers.insert(REQUEST_ID, request_id(random()));
        }
    }
    let tracker = |entry: &RouteEntry| {
        Tracker::new(entry.counter(None, shared), began, &client.activity, Some(progress))
    };
    let normal = normalize(&mut head.uri, active.plan.paths);
    let inbound = Inbound::new(&head, client.secured.is_some()).filter(|_| normal);
    let refusal = inbound
        .as_ref()
        .map_or(Some(Reply::BAD_REQUEST), |inbound| validate::refusal(&head, inbound.authority()));
    let Some(inbound) = inbound.filter(|_| refusal.is_none()) else {
        let entry = active.entry(&Decision::NoHost, "", &front.source.state, shared);
        return Ok(refusal.unwrap_or(Reply::BAD_REQUEST).answer(tracker(&entry)));
    };
    let authority = inbound.authority();
    if connect && !front.gateway {
        let authority = authority.to_owned();
        return Ok(Box::pin(connect::connect(client, &active, *head, &authority, tracker)).await);
    }
    let listener = active.listener(client.port(), authority);
    let decision = match listener {
        Some(listener) if !connect && client.may_ask(listener, authority) => {
            route::route(listener, &inbound, shared.draws())
        }
        _ => Decision::NoHost,
    };
    shared.routed_by(active.plan.revision, began);
    let entry = active.entry(&decision, authority, &front.source.state, shared);
    let mut tracker = tracker(&entry);
    note(client, &head, authority, (&decision, &entry), &mut tracker);
    let unknown = || listener.map_or_else(|| active.unknown_host(), |listener| listener.unknown_host);
    if upgrade == Upgrade::Unknown {
        let refused = match decision {
            Decision::NoRoute(_) => Reply::NO_ROUTE,
            Decision::NoHost if unknown() == UnknownHost::NotFound => Reply::NO_ROUTE,
            _ => Reply::FORBIDDEN,
        };
        return Ok(refused.answer(tracker));
    }
    if let Some(Chosen { abort: Some(AbortWith::Reset), delay, .. }) = decision.chosen() {
        if let Some(delay) = *delay {
            tracker.flag(Flags::DELAY);
            tokio::time::sleep(delay).await;
        }
        tracker.flag(Flags::ABORT);
        tracker.complete(Instant::now());
        client.activity.reset();
        return Err(Reset(h2::Reason::INTERNAL_ERROR.into()));
    }
    Ok(match &decision {
        Decision::NoRoute(_) => Reply::NO_ROUTE.answer(tracker),
        Decision::NoHost => match unknown() {
            UnknownHost::Passthrough if !connect => {
                let upstream = match client.original_dst {
                    Some(original_dst) => {
                        front.source.state.passthrough(&original_dst.ip().to_string(), original_dst.port())
                    }
                    None => {
                        let (host, port) = split_authority(authority);
                        front.source.state.passthrough(host, port.unwrap_or(80))
                    }
                };
                let cluster = Rc::new(cluster::LocalCluster::passthrough(
                    upstream,
                    pool::Limits::outside(&shared.config),
                ));
                let limits = Limits { timeout: None, per_try_timeout: None, retries: None };
                let way = SelectedCluster { entry, cluster, limits };
                forward(way.exchange(client, &active, &decision, tracker, h2), head, body).await
            }
            UnknownHost::BadGateway if !connect => Reply::FORBIDDEN_HOST.answer(tracker),
            _ => Reply::NO_ROUTE.answer(tracker),
        },
        Decision::Forward(chosen, ..) | Decision::Redirect(chosen, _) | Decision::Direct(chosen, _) => {
            // As in Envoy, whose filter wants a route that leads somewhere.
            let policy = chosen.route.cors.as_ref().filter(|_| matches!(decision, Decision::Forward(..)));
            let verdict = policy.map_or(Verdict::Unconcerned, |policy| cors::judge(policy, &head));
            let call = chosen.abort.is_some() && is_grpc(&head.headers);
            let action = Action::new(&decision, &inbound, entry);
            let asked =
                RequestInfo { client, decision: &decision, began, h2: head.version == Version::HTTP_2 };
            let mut response = match interrupt(chosen, tracker, &verdict, call).await {
                Ok(tracker) => action.run(client, &active, &decision, tracker, (head, body)).await,
                Err(mut response) => {
                    // As in Envoy, for which only a route that leads somewhere has operations on such answers.
                    if chosen.abort.is_some() && matches!(decision, Decision::Forward(..)) {
                        let mut flags = Flags::ABORT;
                        if chosen.delay.is_some() {
                            flags |= Flags::DELAY;
                        }
                        let met = UpstreamInfo { flags, ..UpstreamInfo::default() };
                        let info = StreamInfo { asked, entry: None, head: Some(Head::came(&head)), met };
                        let mut headers = Edited(response.headers_mut());
                        route::apply(&decision, Direction::Response, &mut headers, &info);
                    }
                    return Ok(response);
                }
            };
            if let (Some(policy), Verdict::Allowed(origin)) = (policy, verdict) {
                cors::mark(policy, origin, response.headers_mut());
            }
            response
        }
    })
}

/// Has a request written down, and recorded as part of a trace, where that is wanted.
fn note(
    client: &Client,
    head: &request::Parts,
    authority: &str,
    (decision, entry): (&Decision<'_>, &RouteEntry),
    tracker: &mut Tracker,
) {
    let shared = &*client.front.shared;
    let mut recording = None;
    if let Some((tracing, sink)) = shared.config.tracing.zip(shared.recorder.as_ref()) {
        let draw = || shared.with_random(|random| random.u32(..1_000_000));
        let context =
            Context::new(&head.headers, tracing, draw, || shared.with_random(|random| random.u64(..)));
        tracker.traced(Some(context));
        recording = context.recorded.then(|| Recording {
            sink: sink.clone(),
            context,
            source: Arc::clone(&client.front.source.state.source),
            scheme: scheme(client.secured.is_some()),
            peer: client.peer.ip(),
            cluster: entry.cluster_key(),
            host: entry.name().clone(),
        });
    }
    if shared.log.is_some() || recording.is_some() {
        let mut line = Line::new(shared.log.as_ref(), head, authority);
        line.route = decision.chosen().and_then(|chosen| chosen.route.name.clone());
        line.recording = recording;
        tracker.write_down(line);
    }
}

/// Faults, and preflights that are answered here: what keeps a request from its action.
async fn interrupt(
    chosen: &Chosen<'_>,
    mut tracker: Tracker,
    verdict: &Verdict,
    call: bool,
) -> Result<Tracker, Response<ClientBody>> {
    if let Some(delay) = chosen.delay {
        tracker.flag(Flags::DELAY);
        tokio::time::sleep(delay).await;
    }
    if let Some(abort) = chosen.abort {
        return Err(reply::aborted(abort, call, tracker));
    }
    let Verdict::Preflight(headers) = verdict else { return Ok(tracker) };
    let mut response = reply::answer(StatusCode::OK, Bytes::new(), tracker);
    response.headers_mut().extend((**headers).clone());
    Err(response)
}
