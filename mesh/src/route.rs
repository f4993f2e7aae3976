//! The one routing function: the proxy routes with it, the Envoy translation is checked against it, and «explain this
//! request» in the browser runs it too.
//!
//! It allocates nothing on the way to a [`Decision`], unless a header that a condition asks for comes in several lines. What follows from a decision (new paths, locations, header
//! operations, retries) is computed by the pure functions of the modules below.

mod connection;
pub mod edge;
pub mod headers;
mod locality;
pub mod matching;
pub mod path;
pub mod retry;
mod values;

pub use connection::{Connection, Passage, connection, tls_server};
pub use headers::{HeadersMut, apply, authority};
pub use locality::{Place, Places};
pub use matching::{Mismatch, check, first_match};
pub use path::{location, own_location, rewrite_path};
pub use retry::{Limits, Outcome, back_off};
pub use values::{Values, is_joined, values};

use std::borrow::Cow;
use std::time::Duration;

use crate::plan::{
    AbortWith, Action, Destination, Direct, Forward, Listener, Match, Plan, Redirect, Route, VirtualHost,
    split_authority,
};

/// What routing needs to see of a request.
pub trait Request {
    /// The method.
    fn method(&self) -> &str;
    /// `http` or `https`.
    fn scheme(&self) -> &str;
    /// Host and port as the client sent them.
    fn authority(&self) -> &str;
    /// Path with its query.
    fn path(&self) -> &str;
    /// The lines of a header by its lower-case name, in the order in which they came.
    fn header<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, str>>;
    /// Whether it may have headers that override its route's limits ([`retry::OVERRIDES`]); nearly none has.
    fn may_steer(&self) -> bool {
        true
    }
}

/// The random numbers of one decision, drawn by the caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Draws {
    /// Chooses the destination: `weight % total_weight`.
    pub weight: u64,
    /// Decides the delay: `delay % 1_000_000`.
    pub delay: u64,
    /// Decides the abort: `abort % 1_000_000`.
    pub abort: u64,
}

/// Parts of a whole that percentages are counted in.
pub const MILLION: u64 = 1_000_000;

/// What happens to a request.
#[derive(Debug, Clone, Copy)]
pub enum Decision<'p> {
    /// It goes to a destination.
    Forward(Chosen<'p>, &'p Forward, &'p Destination),
    /// It is redirected.
    Redirect(Chosen<'p>, &'p Redirect),
    /// It is answered here.
    Direct(Chosen<'p>, &'p Direct),
    /// The host is known and no route matches: 404, flag NR.
    NoRoute(&'p VirtualHost),
    /// No virtual host has this host: [`crate::plan::UnknownHost`] says what it gets.
    NoHost,
}

/// The route that was chosen, and the faults that were drawn.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'p> {
    /// The virtual host.
    pub host: &'p VirtualHost,
    /// The route.
    pub route: &'p Route,
    /// The match that held; `None` for a route without conditions.
    pub matched: Option<&'p Match>,
    /// The delay that was drawn.
    pub delay: Option<Duration>,
    /// The abort that was drawn.
    pub abort: Option<AbortWith>,
}

impl<'p> Decision<'p> {
    /// The route that was chosen, whatever it does.
    pub fn chosen(&self) -> Option<&Chosen<'p>> {
        match self {
            Self::Forward(chosen, ..) | Self::Redirect(chosen, _) | Self::Direct(chosen, _) => Some(chosen),
            Self::NoRoute(_) | Self::NoHost => None,
        }
    }
}

/// The virtual host of an authority, by Envoy's order; the port in the authority is ignored.
pub fn find_virtual_host<'p>(listener: &'p Listener, authority: &str) -> Option<&'p VirtualHost> {
    let name = split_authority(authority).0;
    let mut buffer = [0_u8; 255];
    // No DNS name is longer than the buffer: only `*` can mean what is.
    let Some(lower) = lower_case(name, &mut buffer) else {
        return listener.hosts.any().map(|at| &*listener.hosts.list[at]);
    };
    listener.hosts.find(lower).map(|at| &*listener.hosts.list[at])
}

/// The listener that a request with this authority belongs to, where one socket serves all ports: what a sidecar
/// would learn from the address that the workload connected to is learned from the authority.
///
/// A port in the authority decides. Without one: the only listener that knows the host; of several, port 80's, else
/// the first that knows it. A host that none knows gets port 80's, else the first listener, whose
/// [`crate::plan::UnknownHost`] then answers. `None` when no listener has the port that is named, or the plan has none.
pub fn listener_for<'p>(plan: &'p Plan, authority: &str) -> Option<&'p Listener> {
    if let (_, Some(port)) = split_authority(authority) {
        return plan.listener(port);
    }
    if let [only] = &*plan.listeners {
        return Some(only);
    }
    let mut knowing =
        plan.listeners.iter().filter(|listener| find_virtual_host(listener, authority).is_some());
    let Some(first) = knowing.next() else { return plan.listener(80).or(plan.listeners.first()) };
    if first.port == 80 {
        return Some(first);
    }
    Some(knowing.find(|listener| listener.port == 80).unwrap_or(first))
}

/// Decides what happens to a request on a listener.
pub fn route<'p>(listener: &'p Listener, request: &impl Request, draws: Draws) -> Decision<'p> {
    let Some(host) = find_virtual_host(listener, request.authority()) else {
        return Decision::NoHost;
    };
    let found = host.routes.iter().find_map(|route| Some((route, first_match(route, request)?)));
    let Some((route, matched)) = found else {
        return Decision::NoRoute(host);
    };
    let fault = route.fault.as_ref();
    let delay = fault.and_then(|fault| fault.delay).filter(|(share, _)| drawn(draws.delay, *share));
    let abort = fault.and_then(|fault| fault.abort).filter(|(share, _)| drawn(draws.abort, *share));
    let chosen =
        Chosen { host, route, matched, delay: delay.map(|(_, it)| it), abort: abort.map(|(_, it)| it) };
    match &route.action {
        Action::Forward(forward) => match weighted(&forward.destinations, forward.total_weight, draws.weight)
        {
            Some(destination) => Decision::Forward(chosen, forward, destination),
            None => Decision::NoRoute(host),
        },
        Action::Redirect(redirect) => Decision::Redirect(chosen, redirect),
        Action::Direct(direct) => Decision::Direct(chosen, direct),
    }
}

/// Whether a draw falls into a share of so many millionths.
pub fn drawn(draw: u64, parts_per_million: u32) -> bool {
    draw % MILLION < u64::from(parts_per_million)
}

/// The destination of a draw: cumulative half-open intervals, in order.
fn weighted(destinations: &[Destination], total: u64, draw: u64) -> Option<&Destination> {
    if let [only] = destinations {
        return Some(only);
    }
    let mut left = draw.checked_rem(total)?;
    destinations.iter().find(|destination| {
        let weight = u64::from(destination.weight);
        let here = left < weight;
        left = left.saturating_sub(weight);
        here
    })
}

/// The name in lower case, in the buffer when it was not already.
fn lower_case<'a>(name: &'a str, buffer: &'a mut [u8; 255]) -> Option<&'a str> {
    if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(name);
    }
    let lower = buffer.get_mut(..name.len())?;
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).ok()
}

#[cfg(test)]
mod tests;
