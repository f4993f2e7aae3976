//! The one routing function: the proxy routes with it, the Envoy translation is checked against it, and «explain this
//! request» in the browser runs it too.
//!
//! It allocates nothing on the way to a [`Decision`].

use std::borrow::Cow;
use std::time::Duration;

use crate::plan::{AbortWith, Destination, Direct, Forward, Listener, Match, Redirect, Route, VirtualHost};

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
    /// A header's value by its lower-case name; several values are joined by `,`. `None` when it is absent.
    fn header(&self, name: &str) -> Option<Cow<'_, str>>;
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

/// The virtual host of an authority, by Envoy's order; the port in the authority is ignored.
pub fn find_virtual_host<'p>(_listener: &'p Listener, _authority: &str) -> Option<&'p VirtualHost> {
    None
}

/// Decides what happens to a request on a listener.
pub fn route<'p>(_listener: &'p Listener, _request: &impl Request, _draws: Draws) -> Decision<'p> {
    Decision::NoHost
}
