//! What becomes of a request once its route is known.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{HeaderValue, LOCATION};
use http::{Response, StatusCode, Version, request};
use hyper::body::Incoming;
use mesh::plan::{Direct, Redirect};
use mesh::route::headers::Direction;
use mesh::route::{self, Decision, Limits};

use crate::headers::Edited;
use crate::request::affinity::Affinity;
use crate::request::body::ClientBody;
use crate::request::client::Client;
use crate::request::forward::{Exchange, forward};
use crate::request::inbound::Inbound;
use crate::request::reply::{self, Reply};
use crate::request::stream_info::{Head, RequestInfo, StreamInfo, UpstreamInfo};
use crate::request::tracker::Tracker;
use crate::state::plan::{ActivePlan, RouteEntry};
use crate::state::source::SourceState;
use crate::upstream::cluster;

/// Where a request goes, and within which limits.
pub(super) struct SelectedCluster<'p> {
    pub(super) entry: Rc<RouteEntry>,
    pub(super) cluster: Rc<cluster::LocalCluster>,
    pub(super) limits: Limits<'p>,
}

impl<'p> SelectedCluster<'p> {
    pub(super) fn exchange(
        self,
        client: &'p Client,
        active: &'p ActivePlan,
        decision: &'p Decision<'p>,
        tracker: Tracker,
        h2: bool,
    ) -> Box<Exchange<'p>> {
        let front = &*client.front;
        Box::new(Exchange {
            shared: &front.shared,
            source: &front.source.state,
            active,
            client_info: client.info(h2),
            decision,
            asked: RequestInfo { client, decision, began: tracker.began(), h2 },
            entry: self.entry,
            cluster: self.cluster,
            limits: self.limits,
            affinity: Affinity::default(),
            trying: Cell::new(None),
            tried: Cell::new(None),
            sent: None,
            tracker,
            delayed: decision.chosen().is_some_and(|chosen| chosen.delay.is_some()),
        })
    }
}

/// What the route does, with all that had to be read from the request for it.
pub(super) enum Action<'p> {
    Forward(Rc<RouteEntry>, Limits<'p>),
    Redirect(&'p Redirect, Option<HeaderValue>),
    Direct(&'p Direct, Option<HeaderValue>),
    Nothing,
}

impl<'p> Action<'p> {
    pub(super) fn new(decision: &Decision<'p>, inbound: &Inbound<'_>, entry: Rc<RouteEntry>) -> Self {
        match decision {
            Decision::Forward(_, forward, _) => Self::Forward(entry, Limits::of(forward, inbound)),
            Decision::Redirect(_, redirect) => {
                let location = route::location(decision, inbound);
                Self::Redirect(redirect, location.and_then(|location| HeaderValue::try_from(location).ok()))
            }
            Decision::Direct(_, direct) => {
                let wanted = direct.status == 201 || (300..400).contains(&direct.status);
                let location = wanted.then(|| route::own_location(inbound));
                Self::Direct(direct, location.and_then(|location| HeaderValue::try_from(location).ok()))
            }
            Decision::NoRoute(_) | Decision::NoHost => Self::Nothing,
        }
    }

    pub(super) async fn run(
        self,
        client: &Client,
        active: &ActivePlan,
        decision: &Decision<'_>,
        tracker: Tracker,
        (head, body): (Box<request::Parts>, Incoming),
    ) -> Response<ClientBody> {
        let asked =
            RequestInfo { client, decision, began: tracker.began(), h2: head.version == Version::HTTP_2 };
        let mut met = UpstreamInfo { flags: tracker.flags(), ..UpstreamInfo::default() };
        let mut response = match self {
            Self::Forward(entry, limits) => match reachable(&entry, client, &head) {
                Ok(cluster) => {
                    let way = SelectedCluster { entry, cluster, limits };
                    return forward(way.exchange(client, active, decision, tracker, asked.h2), head, body)
                        .await;
                }
                Err(reply) => {
                    met.flags |= reply.flags();
                    reply.answer(tracker)
                }
            },
            Self::Redirect(redirect, Some(location)) => {
                let status = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
                let mut response = reply::answer(status, Bytes::new(), tracker);
                response.headers_mut().insert(LOCATION, location);
                response
            }
            Self::Redirect(_, None) => return Reply::BAD_REQUEST.answer(tracker),
            Self::Direct(direct, location) => reply::direct(direct, location, tracker),
            Self::Nothing => return Reply::NO_ROUTE.answer(tracker),
        };
        let info = StreamInfo { asked, entry: None, head: Some(Head::came(&head)), met };
        route::apply(decision, Direction::Response, &mut Edited(response.headers_mut()), &info);
        response
    }
}

/// The cluster that a request goes to, by the address or the name that is meant where the client chooses.
fn reachable(
    entry: &RouteEntry,
    client: &Client,
    head: &request::Parts,
) -> Result<Rc<cluster::LocalCluster>, Reply> {
    let cluster = entry.cluster.clone().filter(|cluster| !cluster.missing).ok_or(Reply::NO_CLUSTER)?;
    let inbound = cluster.chosen_by_client().then(|| Inbound::new(head, false)).flatten();
    let name = inbound.map(|inbound| inbound.authority().to_owned());
    SourceState::reached(&cluster, client.original_dst, name.as_deref()).ok_or(Reply::NO_UPSTREAM)
}
