//! Who asks: a client's connection, and the listener that it came to.

use std::net::SocketAddr;
use std::rc::Rc;

use http::header::HeaderValue;
use mesh::Source;
use mesh::plan::{Listener, Protocol, split_authority};
use mesh::route;

use crate::activity::drain::Activity;
use crate::state::shared::Shared;
use crate::state::sources::ActiveSource;
use crate::upstream::proxy_protocol::ClientInfo;

/// A listener's side of serving: whose traffic it is.
pub(crate) struct ListenerContext {
    pub(crate) shared: Rc<Shared>,
    pub(crate) source: Rc<ActiveSource>,
    port: Option<u16>,
    pub(super) gateway: bool,
}

/// A client's connection.
pub(crate) struct Client {
    pub(crate) front: Rc<ListenerContext>,
    pub(crate) activity: Rc<Activity>,
    pub(crate) peer: SocketAddr,
    /// Its address as a header's value.
    pub(crate) peer_shown: HeaderValue,
    /// Where it came to.
    pub(crate) local: SocketAddr,
    /// Where it wanted to go, if the kernel redirected it here.
    pub(crate) original_dst: Option<SocketAddr>,
    /// How it speaks TLS, if it does.
    pub(crate) secured: Option<Secured>,
}

/// TLS that ended here.
pub(crate) struct Secured {
    /// The name in the SNI, in lower case.
    pub(crate) name: Option<String>,
    /// What upstreams are told of the client's certificate.
    pub(crate) certificate: Option<HeaderValue>,
}

impl ListenerContext {
    pub(crate) fn new(shared: Rc<Shared>, source: Rc<ActiveSource>, port: Option<u16>) -> Self {
        let gateway = matches!(*source.state.source, Source::Gateway { .. });
        Self { shared, source, port, gateway }
    }

    /// Whether it takes connections for all ports, by where they were meant to go.
    pub(crate) fn intercepts(&self) -> bool {
        self.shared.config.intercepts && self.port.is_none() && !self.gateway
    }
}

impl Client {
    /// The port that the connection is for, if that is known before any request.
    pub(crate) fn port(&self) -> Option<u16> {
        self.original_dst.map_or(self.front.port, |original_dst| Some(original_dst.port()))
    }

    /// Whether something else than plain HTTP may come.
    pub(crate) fn takes_connections(&self) -> bool {
        let Some(port) = self.port() else { return false };
        let active = self.front.source.current();
        match active.plan.listener(port) {
            Some(listener) => listener.protocol != Protocol::Http || !listener.connections.is_empty(),
            // Nobody knows what is spoken on a port outside the mesh.
            None => self.original_dst.is_some(),
        }
    }

    /// Whether a host may be asked for on this connection. Where several servers share a port, what one of them guards (by
    /// clients' certificates, perhaps) must not be had through another one's door.
    pub(crate) fn may_ask(&self, listener: &Listener, authority: &str) -> bool {
        let Some(secured) = self.secured.as_ref().filter(|_| listener.tls.len() > 1) else { return true };
        let asked = split_authority(authority).0.to_ascii_lowercase();
        route::tls_server(listener, Some(&asked)) == route::tls_server(listener, secured.name.as_deref())
    }

    /// A client in plain text.
    pub(crate) fn plain(
        front: Rc<ListenerContext>,
        (peer, local): (SocketAddr, SocketAddr),
        activity: Rc<Activity>,
    ) -> Self {
        // There is nothing in an address that a header must not have.
        let peer_shown =
            HeaderValue::try_from(peer.ip().to_string()).unwrap_or_else(|_| HeaderValue::from_static(""));
        Self { front, activity, peer, peer_shown, local, original_dst: None, secured: None }
    }

    /// Its connection, for those that are told whose it is.
    pub(crate) fn info(&self, h2: bool) -> ClientInfo {
        ClientInfo { peer: self.peer, local: self.original_dst.unwrap_or(self.local), h2 }
    }
}
