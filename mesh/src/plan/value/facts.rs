//! What command operators ask for.

use std::borrow::Cow;
use std::time::Duration;

/// What is known of a request, as far as it has come.
pub trait Facts {
    /// The first line of a header of the request, or a pseudo header.
    fn request(&self, name: &str) -> Option<Cow<'_, [u8]>>;
    /// The first line of a header of the response, where there is one by now.
    fn response(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let _ = name;
        None
    }
    /// Anything else. `None`: it is not known, or not there.
    fn fact(&self, fact: Fact) -> Option<Cow<'_, str>>;
    /// When the request came, since 1970.
    fn began(&self) -> Duration;
}

/// What a command operator without arguments asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The client's protocol: `HTTP/1.1`.
    Protocol,
    /// The client's address with its port.
    Remote,
    /// The client's address.
    RemoteAddress,
    /// The client's port.
    RemotePort,
    /// Where the client's connection came in, with the port.
    Local,
    /// The address where it came in.
    LocalAddress,
    /// The port where it came in.
    LocalPort,
    /// The endpoint that the request went to.
    UpstreamHost,
    /// The cluster that it goes to, as Istio names it.
    UpstreamCluster,
    /// The name in the client's SNI.
    ServerName,
    /// The status that came from upstream; 0 without a response.
    ResponseCode,
    /// Response flags; `-` without any.
    ResponseFlags,
    /// The route's name.
    RouteName,
    /// The machine's name.
    Hostname,
}

impl Fact {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "PROTOCOL" => Self::Protocol,
            "DOWNSTREAM_REMOTE_ADDRESS" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Self::Remote,
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => {
                Self::RemoteAddress
            }
            "DOWNSTREAM_REMOTE_PORT" | "DOWNSTREAM_DIRECT_REMOTE_PORT" => Self::RemotePort,
            "DOWNSTREAM_LOCAL_ADDRESS" => Self::Local,
            "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Self::LocalAddress,
            "DOWNSTREAM_LOCAL_PORT" => Self::LocalPort,
            "UPSTREAM_HOST" | "UPSTREAM_REMOTE_ADDRESS" => Self::UpstreamHost,
            "UPSTREAM_CLUSTER" => Self::UpstreamCluster,
            "REQUESTED_SERVER_NAME" => Self::ServerName,
            "RESPONSE_CODE" => Self::ResponseCode,
            "RESPONSE_FLAGS" => Self::ResponseFlags,
            "ROUTE_NAME" => Self::RouteName,
            "HOSTNAME" => Self::Hostname,
            _ => return None,
        })
    }
}
