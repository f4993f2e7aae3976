//! Header operations: which run in what order, over any kind of header map.

use std::borrow::Cow;
use std::time::Duration;

use super::{Chosen, Decision};
use crate::plan::{Fact, Facts, HeaderOps, Ops};

/// What header operations need of a header map. Names are lower case.
pub trait HeadersMut {
    /// The first value of a name.
    fn first(&self, name: &str) -> Option<&[u8]>;
    /// Removes all values of a name.
    fn remove(&mut self, name: &str);
    /// Replaces all values of a name by one.
    fn set(&mut self, name: &str, value: &[u8]);
    /// Adds a value beside those that are there.
    fn append(&mut self, name: &str, value: &[u8]);
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
/// (Those of a sole destination are among the route's, behind them.) Of the headers that go this way `facts` is not asked.
pub fn apply(
    decision: &Decision<'_>,
    direction: Direction,
    headers: &mut impl HeadersMut,
    facts: &impl Facts,
) {
    for ops in lists(decision, direction).into_iter().flatten() {
        run(ops, direction, headers, facts);
    }
}

/// Whether operations on responses take something from the request.
pub fn read_request(decision: &Decision<'_>) -> bool {
    lists(decision, Direction::Response).into_iter().flatten().any(Ops::read_request)
}

/// The lists of a decision, in the order in which they run.
fn lists<'p>(decision: &Decision<'p>, direction: Direction) -> [Option<&'p Ops>; 2] {
    let destination = match decision {
        Decision::Forward(_, _, destination) => Some(side(&destination.headers, direction)),
        _ => None,
    };
    [destination, decision.chosen().map(|chosen| side(&chosen.route.headers, direction))]
}

/// Runs one list of operations as Envoy does: removes, makes all values of what is left, sets, and adds. What comes to
/// nothing is not set.
fn run(ops: &Ops, direction: Direction, headers: &mut impl HeadersMut, facts: &impl Facts) {
    for name in &ops.remove {
        headers.remove(name);
    }
    let values = || ops.set.iter().chain(&ops.add).map(|(_, value)| value);
    if values().all(|value| value.plain().is_some()) {
        for (name, value) in &ops.set {
            headers.set(name, value.plain().unwrap_or_default().as_bytes());
        }
        for (name, value) in &ops.add {
            headers.append(name, value.plain().unwrap_or_default().as_bytes());
        }
        return;
    }
    let seen = Seen { headers: &*headers, direction, facts };
    let made: Vec<Vec<u8>> = values().map(|value| value.fill(&seen)).collect();
    let (set, add) = made.split_at(ops.set.len());
    for ((name, _), value) in ops.set.iter().zip(set).filter(|(_, value)| !value.is_empty()) {
        headers.set(name, value);
    }
    for ((name, _), value) in ops.add.iter().zip(add).filter(|(_, value)| !value.is_empty()) {
        headers.append(name, value);
    }
}

/// The headers that operations run on, beside what else is known.
struct Seen<'s, H, F> {
    headers: &'s H,
    direction: Direction,
    facts: &'s F,
}

impl<H: HeadersMut, F: Facts> Facts for Seen<'_, H, F> {
    fn request(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        match (name, self.direction) {
            ("host", _) => self.facts.request(":authority"),
            (name, Direction::Request) if !name.starts_with(':') => {
                self.headers.first(name).map(Cow::Borrowed)
            }
            (name, _) => self.facts.request(name),
        }
    }

    fn response(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        match self.direction {
            Direction::Request => None,
            Direction::Response => self.headers.first(name).map(Cow::Borrowed),
        }
    }

    fn fact(&self, fact: Fact) -> Option<Cow<'_, str>> {
        self.facts.fact(fact)
    }

    fn began(&self) -> Duration {
        self.facts.began()
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
