//! Forwarding: tries, their limits, and what the client gets in the end.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SET_COOKIE, UPGRADE};
use http::{Response, StatusCode, Version, request};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use mesh::route::headers::{Direction, read_request};
use mesh::route::{self, Decision, Limits, Outcome};

use crate::activity::upload::{Outgoing, Upload, within};
use crate::headers::{Edited, GIVES_UP, TIMEOUT_ALTERNATIVE, has_envoys, is_websocket, strip_hop_by_hop};
use crate::reporting::flags::Flags;
use crate::request::affinity::{self, Affinity};
use crate::request::body::ClientBody;
use crate::request::inbound::authority;
use crate::request::mirror;
use crate::request::outbound::Outbound;
use crate::request::outcome::{Failed, covers_sent, failure, not_answered, not_connected, outcome, seen};
use crate::request::reply::{self, Reply};
use crate::request::stream_info::{RequestInfo, StreamInfo, UpstreamInfo};
use crate::request::tracker::Tracker;
use crate::request::upgrade;
use crate::state::plan::{ActivePlan, RouteEntry};
use crate::state::shared::Shared;
use crate::state::source::SourceState;
use crate::upstream::cluster::{self, Retry};
use crate::upstream::outlier::TryResult;
use crate::upstream::pool::{Lease, Reuse};
use crate::upstream::proxy_protocol::ClientInfo;

/// All that governs the way of one request.
pub(crate) struct Exchange<'r> {
    pub(crate) shared: &'r Rc<Shared>,
    pub(crate) source: &'r SourceState,
    pub(crate) active: &'r ActivePlan,
    /// The connection that it came on.
    pub(crate) client_info: ClientInfo,
    pub(crate) decision: &'r Decision<'r>,
    pub(crate) asked: RequestInfo<'r>,
    pub(crate) entry: Rc<RouteEntry>,
    pub(crate) cluster: Rc<cluster::LocalCluster>,
    pub(crate) limits: Limits<'r>,
    /// What keeps it to its endpoint.
    pub(crate) affinity: Affinity,
    /// The host of the current try.
    pub(crate) trying: Cell<Option<usize>>,
    /// The host of the last try.
    pub(crate) tried: Cell<Option<usize>>,
    /// The request as it goes upstream, where the response's headers tell of it.
    pub(crate) sent: Option<Box<Outbound>>,
    pub(crate) tracker: Tracker,
    /// A fault has kept it waiting.
    pub(crate) delayed: bool,
}

/// A response's head from upstream, and the connection that its body comes on.
struct Answered {
    response: Response<Incoming>,
    lease: Lease,
}

/// Connections that one try finds closed before it gives up.
const MAX_STALE: usize = 3;

/// Forwards a request and returns its response as soon as its head is there.
pub(crate) async fn forward(
    mut exchange: Box<Exchange<'_>>,
    mut head: Box<request::Parts>,
    body: Incoming,
) -> Response<ClientBody> {
    let shared = exchange.shared;
    let upgrade = head.extensions.remove::<OnUpgrade>();
    let multiplexed = exchange.client_info.h2;
    let envoys = has_envoys(&head.headers);
    let alternative = envoys && head.headers.contains_key(TIMEOUT_ALTERNATIVE);
    let Some(authority) = authority(&head) else { return Reply::BAD_REQUEST.answer(exchange.tracker) };
    let info = StreamInfo {
        asked: exchange.asked,
        entry: Some(&exchange.entry),
        head: None,
        met: UpstreamInfo::default(),
    };
    let mut outbound = Outbound::new(*head, envoys, authority, exchange.decision, info);
    if read_request(exchange.decision) {
        exchange.sent = Some(Box::new(outbound.clone()));
    }
    if let Some(context) = exchange.tracker.context() {
        outbound.belongs_to(context);
    }
    exchange.tracker.tell(|line| line.goes_on(outbound.headers()));
    if let Some(expected) = exchange.limits.per_try_timeout.or(exchange.limits.timeout) {
        outbound.expects(exchange.entry.expected(expected));
    }
    if let Some(hash) = &exchange.cluster.hash {
        let random = || shared.with_random(|random| random.u64(..));
        let origin =
            affinity::origin(&exchange.source.source, outbound.headers(), exchange.client_info.peer.ip());
        exchange.affinity = Affinity::new(&hash.key, &outbound, origin, random);
    }
    let mirrored = exchange.mirrored();
    let upload = (!body.is_end_stream()).then(|| {
        let keep = exchange.limits.retries.is_some() || !mirrored.is_empty();
        Upload::new(body, keep.then_some(shared.config.replay_bytes), exchange.tracker.progress())
    });
    if let Some(upload) = &upload {
        exchange.tracker.uploads(upload, !multiplexed);
    }
    let timeout = exchange.limits.timeout;
    for entry in mirrored {
        mirror::send(shared, (entry, exchange.client_info), outbound.clone(), upload.clone(), timeout);
    }
    // The body of an upgraded request is the other protocol's.
    let upgrades = outbound.upgrade.is_some();
    // What a fault delayed has its time from now on.
    let started = if exchange.delayed { Instant::now() } else { exchange.tracker.began() };
    let mut outbound = Some(outbound);
    let answered = {
        let tries = pin!(exchange.tries(started, &mut outbound, upload.as_ref()));
        within(timeout, started, upload.as_deref(), tries).await.unwrap_or(Err(Reply::TIMEOUT))
    };
    if let Some(host) = exchange.trying.take() {
        // The whole request's time was up before the try's.
        exchange.cluster.observe(host, TryResult::Timeout);
        shared.tried(&exchange.cluster.hosts[host].upstream, 0);
    }
    let mut answered = match answered {
        Ok(answered) => answered,
        Err(Reply::TIMEOUT) if alternative => {
            exchange.tracker.flag(Flags::TIMEOUT);
            return reply::answer(StatusCode::NO_CONTENT, Bytes::new(), exchange.tracker);
        }
        Err(reply) => {
            let upstream = exchange.upstream();
            let met = UpstreamInfo { upstream, status: 0, flags: exchange.tracker.flags() | reply.flags() };
            let mut response = reply.answer(exchange.tracker);
            let info = StreamInfo {
                asked: exchange.asked,
                entry: Some(&exchange.entry),
                head: exchange.sent.as_deref().map(Outbound::head),
                met,
            };
            let mut headers = Edited(response.headers_mut());
            route::apply(exchange.decision, Direction::Response, &mut headers, &info);
            return response;
        }
    };
    if upload.as_ref().is_some_and(|upload| upload.ended_at().is_none()) {
        // What the client still sends goes on while it is in no hurry to read.
        answered.lease.run_apart();
    }
    exchange.tracker.answers(timeout, started);
    let upgrade = upgrade.filter(|_| upgrades).map(|upgrade| (upgrade, multiplexed));
    exchange.respond(answered, upgrade)
}

impl Exchange<'_> {
    /// The endpoint of the last try.
    fn upstream(&self) -> Option<Rc<str>> {
        self.tried.get().map(|host| self.cluster.hosts[host].upstream.name())
    }

    /// Where copies go.
    fn mirrored(&self) -> Vec<Rc<RouteEntry>> {
        let Decision::Forward(_, forward, _) = self.decision else { return Vec::new() };
        let drawn = forward.mirrors.iter().filter(|mirror| {
            route::drawn(self.shared.with_random(|random| random.u64(..)), mirror.parts_per_million)
        });
        drawn.map(|mirror| self.active.mirror_entry(mirror, self.source, self.shared)).collect()
    }

    /// Tries until one succeeds, or there is no use in another. What is needed for another stays in `outbound`.
    async fn tries(
        &mut self,
        started: Instant,
        outbound: &mut Option<Outbound>,
        upload: Option<&Rc<Upload>>,
    ) -> Result<Answered, Reply> {
        let mut tried = Vec::new();
        // The same, where a retry may go to another locality.
        let mut been = Vec::new();
        let mut attempt = 1;
        // Counts this try where it is a retry, and retries are limited.
        let mut retrying: Option<Retry> = None;
        loop {
            let hash = self.affinity.hash;
            let host = self.shared.with_random(|random| {
                let elsewhere = self.cluster.pick_elsewhere(random, &been);
                elsewhere.or_else(|| self.cluster.pick(random, &tried, hash))
            });
            let Some(host) = host else { return Err(Reply::NO_UPSTREAM) };
            let version = self.cluster.hosts[host].version;
            self.tracker.count_with(self.entry.counter(Some(version), self.shared));
            let upstream = &self.cluster.hosts[host].upstream;
            self.tracker.tell(|line| line.upstream = Some(upstream.name()));
            let per_try = self.limits.per_try_timeout;
            let began = if attempt == 1 { started } else { Instant::now() };
            self.trying.set(Some(host));
            self.tried.set(Some(host));
            // What a try brought is gone before the next one is waited for, and needs no place beside it.
            let wait = {
                let result = {
                    let trial = pin!(self.trial(host, attempt, outbound, upload));
                    within(per_try, began, upload.map(|upload| &**upload), trial).await
                };
                self.trying.set(None);
                let result = match result {
                    // As in Envoy, a response that has begun has the route's time and not the try's.
                    Some(Ok((response, lease))) => Ok(Answered { response, lease }),
                    Some(Err(failed)) => Err(failed),
                    None => Err(Failed {
                        reply: Reply::TIMEOUT,
                        outcome: Some(Outcome::Reset { before_request: false }),
                        why: None,
                    }),
                };
                self.observe(host, &result);
                if let Err(Failed { why: Some((reason, told)), .. }) = &result {
                    self.tracker.unconnected(*reason, told);
                    self.cluster.unreachable(host, *reason, told);
                }
                let Some(retry) = self.limits.retries.as_deref() else {
                    return result.map_err(|failed| failed.reply);
                };
                let outcome = match &result {
                    Ok(answered) => Some(outcome(&answered.response)),
                    Err(failed) => failed.outcome,
                };
                if !outcome.is_some_and(|outcome| retry.on.matches(outcome)) {
                    return result.map_err(|failed| failed.reply);
                }
                let spent = attempt > retry.attempts;
                if spent {
                    self.tracker.flag(Flags::RETRIES_EXHAUSTED);
                }
                if spent || outbound.is_none() || upload.is_some_and(|upload| !upload.replayable()) {
                    return result.map_err(|failed| failed.reply);
                }
                // The one before is over.
                drop(retrying.take());
                let Some(permit) = self.cluster.retry() else {
                    self.tracker.flag(Flags::OVERFLOW);
                    return result.map_err(|failed| failed.reply);
                };
                retrying = Some(permit);
                if let Ok(answered) = result {
                    tokio::task::spawn_local(mirror::discard(answered.response.into_body(), answered.lease));
                }
                if retry.ignore_previous_hosts {
                    tried.push(host);
                }
                if retry.remote_localities {
                    been.push(host);
                }
                route::back_off(retry.back_off, attempt, self.shared.with_random(|random| random.u64(..)))
            };
            tokio::time::sleep(wait).await;
            self.tracker.retried();
            attempt += 1;
        }
    }

    /// Tells the cluster how a try on one of its hosts ended.
    fn observe(&self, host: usize, result: &Result<Answered, Failed>) {
        if result.is_ok() {
            self.cluster.reached(host);
        }
        let status = match result {
            Ok(answered) => Some(answered.response.status().as_u16()),
            Err(failed) => failure(failed).map(|_| 0),
        };
        if let Some(status) = status {
            self.shared.tried(&self.cluster.hosts[host].upstream, status);
        }
        if self.cluster.observes() {
            let seen = match result {
                Ok(answered) => Some(seen(&answered.response)),
                Err(failed) => failure(failed),
            };
            if let Some(seen) = seen {
                self.cluster.observe(host, seen);
            }
        }
        if let Ok(answered) = result
            && self.cluster.is_checked()
            && answered.response.headers().contains_key(GIVES_UP)
        {
            self.cluster.gives_up(host);
        }
    }

    /// One try on one host.
    async fn trial(
        &self,
        host: usize,
        attempt: u32,
        outbound: &mut Option<Outbound>,
        upload: Option<&Rc<Upload>>,
    ) -> Result<(Response<Incoming>, Lease), Failed> {
        let upstream = &self.cluster.hosts[host].upstream;
        let idempotent = outbound.as_ref().is_some_and(|head| head.method.is_idempotent());
        let mut reuse = if idempotent { Reuse::Any } else { Reuse::Fresh };
        let limits = self.cluster.limits.toward(&self.client_info);
        for _ in 0..MAX_STALE {
            let leased = upstream.lease(&limits, reuse, |address| self.shared.is_own(address)).await;
            let mut lease = leased.map_err(|error| not_connected(&error))?;
            let again = lease.reused || self.may_try_again(attempt, lease.is_h2(), outbound.as_ref());
            let Some(head) = (if again { outbound.clone() } else { outbound.take() }) else { break };
            let body = upload.map_or(Outgoing::Empty, |upload| Outgoing::Stream(upload.reader()));
            let request = head.into_request(attempt, lease.protocol(), body);
            let error = match lease.send(request).await {
                Ok(response) => return Ok((response, lease)),
                Err(error) => error,
            };
            // The upstream had closed the connection while it was idle. Of what was sent nobody knows whether it was received:
            // only the route's rules for retries may send that again.
            let stale = lease.reused && error.unsent;
            if !stale || upload.is_some_and(|upload| !upload.replayable()) {
                return Err(not_answered(&error));
            }
            reuse = Reuse::None;
        }
        Err(Failed {
            reply: Reply::CONNECTION_CLOSED,
            outcome: Some(Outcome::Reset { before_request: true }),
            why: None,
        })
    }

    /// Whether the head may be needed for another try once it is sent. Copies cost, so they are made only then.
    fn may_try_again(&self, attempt: u32, h2: bool, head: Option<&Outbound>) -> bool {
        let Some(retry) = self.limits.retries.as_deref() else { return false };
        attempt <= retry.attempts && covers_sent(&retry.on, h2, || head.is_some_and(Outbound::is_grpc))
    }

    /// The client's response.
    fn respond(mut self, answered: Answered, upgrade: Option<(OnUpgrade, bool)>) -> Response<ClientBody> {
        let Answered { mut response, lease } = answered;
        let status = response.status();
        let info = StreamInfo {
            asked: self.asked,
            entry: Some(&self.entry),
            head: self.sent.as_deref().map(Outbound::head),
            met: UpstreamInfo {
                upstream: self.upstream(),
                status: status.as_u16(),
                flags: self.tracker.flags(),
            },
        };
        self.tracker.status(status.as_u16());
        let began = self.tracker.began();
        self.tracker.tell(|line| {
            line.answered = Some(began.elapsed());
            line.details = Some("via_upstream");
        });
        if status == StatusCode::SWITCHING_PROTOCOLS {
            let agreed = response.headers().get(UPGRADE).is_some_and(is_websocket);
            let Some((client, multiplexed)) = upgrade.filter(|_| agreed) else {
                return Reply::PROTOCOL_ERROR.answer(self.tracker);
            };
            let upstream = hyper::upgrade::on(&mut response);
            upgrade::open(
                client,
                upstream,
                self.tracker,
                lease,
                self.shared.work.join(),
                self.shared.config.stream_idle(),
            );
            let (mut head, _nothing) = response.into_parts();
            let protocol = strip_hop_by_hop(&mut head.headers);
            route::apply(self.decision, Direction::Response, &mut Edited(&mut head.headers), &info);
            if multiplexed {
                // HTTP/2 has no such status, and a client of it sent no key.
                head.status = StatusCode::OK;
                head.headers.remove(SEC_WEBSOCKET_ACCEPT);
            } else if let Some(protocol) = protocol {
                head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                head.headers.insert(UPGRADE, protocol);
            }
            return Response::from_parts(head, ClientBody::own(Bytes::new()));
        }
        let (mut head, body) = response.into_parts();
        strip_hop_by_hop(&mut head.headers);
        route::apply(self.decision, Direction::Response, &mut Edited(&mut head.headers), &info);
        if let Some(cookie) = self.affinity.cookie {
            head.headers.append(SET_COOKIE, cookie);
        }
        head.version = Version::HTTP_11;
        Response::from_parts(head, ClientBody::relay(body, self.tracker, lease))
    }
}
