//! The server that Envoys ask for their resources.
//!
//! [`Server`] serves what [`SnapshotSource`] has for each client, and [`Nodes`] says what the clients make of it. Inside, a session decides what a
//! stream is sent, without clock and network; `stream` and `server` are the network. What streams have in common is worked out and encoded
//! once, so an edit costs what it changes, and a client what it is sent.

mod body;
mod change;
mod decode;
mod encode;
mod names;
mod nodes;
mod paths;
mod port;
mod recent;
mod server;
mod session;
mod stream;
mod turn;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::node::Node;
use crate::resource::Snapshot;

pub use self::nodes::{Link, NodeState, Nodes, Rejection, States};
pub use self::server::{Options, ServeError, Server, Tls, listen};

/// Who opens a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The node.
    pub node: Node,
    /// Whether it wants what differs instead of everything.
    pub delta: bool,
    /// The program, as it calls itself: `envoy`, `gRPC Python`.
    pub agent: String,
    /// The program's version.
    pub version: String,
    /// Where it connects from.
    pub address: Option<SocketAddr>,
}

/// What there is for each client.
pub trait SnapshotSource: Send + Sync + 'static {
    /// The client's resources, now and from now on; or why there are none, in words for the one who runs it. Clients for which
    /// there is the same are best given the same [`Arc`], and snapshots that have the same of a kind the same of it: what
    /// was worked out for one is then worked out for all. A client whose channel is closed is told to come again.
    fn subscribe(&self, client: &Client) -> Result<tokio::sync::watch::Receiver<Arc<Snapshot>>, String>;
}
