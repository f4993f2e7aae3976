//! The answer to «where does this request go», as the graph draws it. Pure.

use crate::topology::NodeId;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// Who sends it.
    pub from: NodeId,
    /// Where it can go, with the probability of each, 0 to 1; empty when it is answered on the spot.
    pub hops: Vec<Hop>,
    /// What to write at the source: `404 · no route`, `redirect 301`; empty when it is forwarded.
    pub answer: String,
}

/// One way that a request can go.
#[derive(Debug, Clone, PartialEq)]
pub struct Hop {
    /// The destination.
    pub to: NodeId,
    /// Its version, where the route says it.
    pub version: Option<String>,
    /// 0 to 1.
    pub probability: f64,
}
