//! Header operations: which run in what order, over any kind of header map.

use super::{Chosen, Decision};
use crate::plan::{HeaderOps, Ops};

/// What header operations need of a header map. Names are lower case.
pub trait HeadersMut {
    /// Removes all values of a name.
    fn remove(&mut self, name: &str);
    /// Replaces all values of a name by one.
    fn set(&mut self, name: &str, value: &str);
    /// Adds a value beside those that are there.
    fn append(&mut self, name: &str, value: &str);
}

/// Which way the headers go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Of the request, before it goes upstream.
    Request,
    /// Of the response, before it goes back.
    Response,
}

/// Runs the operations of a decision: those of the destination first, then the route's, so that the route's `set` wins.
pub fn apply(decision: &Decision<'_>, direction: Direction, headers: &mut impl HeadersMut) {
    if let Decision::Forward(_, _, destination) = decision {
        run(side(&destination.headers, direction), headers);
    }
    if let Some(chosen) = decision.chosen() {
        run(side(&chosen.route.headers, direction), headers);
    }
}

/// Runs one list of operations: remove, set, add.
pub fn run(ops: &Ops, headers: &mut impl HeadersMut) {
    for name in &ops.remove {
        headers.remove(name);
    }
    for (name, value) in &ops.set {
        headers.set(name, value);
    }
    for (name, value) in &ops.add {
        headers.append(name, value);
    }
}

/// The authority that a request goes upstream with; `None` when it keeps its own. A rewrite beats the route's headers, and
/// those beat the destination's.
pub fn authority<'p>(decision: &Decision<'p>) -> Option<&'p str> {
    let Decision::Forward(Chosen { route, .. }, forward, destination) = decision else { return None };
    let rewrite = forward.rewrite.as_ref().and_then(|rewrite| rewrite.authority.as_deref());
    rewrite.or(route.headers.authority.as_deref()).or(destination.headers.authority.as_deref())
}

fn side(ops: &HeaderOps, direction: Direction) -> &Ops {
    match direction {
        Direction::Request => &ops.request,
        Direction::Response => &ops.response,
    }
}
