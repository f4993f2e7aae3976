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
use crate::request::stream_info::{Asked, Head, Known, Met};
use crate::request::tracker::Ticket;
use crate::state::plan::{Side, View};
use crate::state::source::SourceState;
use crate::upstream::cluster;

/// Where a request goes, and within which limits.
pub(super) struct Way<'p> {
    pub(super) side: Rc<Side>,
    pub(super) cluster: Rc<cluster::View>,
    pub(super) limits: Limits<'p>,
}

impl<'p> Way<'p> {
    pub(super) fn exchange(
        self,
        client: &'p Client,
        view: &'p View,
        decision: &'p Decision<'p>,
        ticket: Ticket,
        h2: bool,
    ) -> Box<Exchange<'p>> {
        let front = &*client.front;
        Box::new(Exchange {
            shared: &front.shared,
            source: &front.source.state,
            view,
            ends: client.ends(h2),
            decision,
            asked: Asked { client, decision, began: ticket.began(), h2 },
            side: self.side,
            cluster: self.cluster,
            limits: self.limits,
            affinity: Affinity::default(),
            trying: Cell::new(None),
            tried: Cell::new(None),
            sent: None,
            ticket,
            delayed: decision.chosen().is_some_and(|chosen| chosen.delay.is_some()),
        })
    }
}

/// What the route does, with all that had to be read from the request for it.
pub(super) enum Act<'p> {
    Forward(Rc<Side>, Limits<'p>),
    Redirect(&'p Redirect, Option<HeaderValue>),
    Direct(&'p Direct, Option<HeaderValue>),
    Nothing,
}

impl<'p> Act<'p> {
    pub(super) fn new(decision: &Decision<'p>, inbound: &Inbound<'_>, side: Rc<Side>) -> Self {
        match decision {
            Decision::Forward(_, forward, _) => Self::Forward(side, Limits::of(forward, inbound)),
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
        view: &View,
        decision: &Decision<'_>,
        ticket: Ticket,
        (head, body): (Box<request::Parts>, Incoming),
    ) -> Response<ClientBody> {
        let asked = Asked { client, decision, began: ticket.began(), h2: head.version == Version::HTTP_2 };
        let mut met = Met { flags: ticket.flags(), ..Met::default() };
        let mut response = match self {
            Self::Forward(side, limits) => match reachable(&side, client, &head) {
                Ok(cluster) => {
                    let way = Way { side, cluster, limits };
                    return forward(way.exchange(client, view, decision, ticket, asked.h2), head, body).await;
                }
                Err(reply) => {
                    met.flags |= reply.flags();
                    reply.answer(ticket)
                }
            },
            Self::Redirect(redirect, Some(location)) => {
                let status = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
                let mut response = reply::answer(status, Bytes::new(), ticket);
                response.headers_mut().insert(LOCATION, location);
                response
            }
            Self::Redirect(_, None) => return Reply::BAD_REQUEST.answer(ticket),
            Self::Direct(direct, location) => reply::direct(direct, location, ticket),
            Self::Nothing => return Reply::NO_ROUTE.answer(ticket),
        };
        let known = Known { asked, side: None, head: Some(Head::came(&head)), met };
        route::apply(decision, Direction::Response, &mut Edited(response.headers_mut()), &known);
        response
    }
}

/// The cluster that a request goes to, by the address or the name that is meant where the client chooses.
fn reachable(side: &Side, client: &Client, head: &request::Parts) -> Result<Rc<cluster::View>, Reply> {
    let cluster = side.cluster.clone().filter(|cluster| !cluster.missing).ok_or(Reply::NO_CLUSTER)?;
    let inbound = cluster.chosen_by_client().then(|| Inbound::new(head, false)).flatten();
    let name = inbound.map(|inbound| inbound.authority().to_owned());
    SourceState::reached(&cluster, client.meant, name.as_deref()).ok_or(Reply::NO_UPSTREAM)
}
