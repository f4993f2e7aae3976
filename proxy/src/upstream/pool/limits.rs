//! How connections to an endpoint are made and kept, and how many.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use mesh::plan::{ClusterPolicy, Keepalive, ProxyHeader, Tunnel};

use crate::config::Config;
use crate::net::stream::Stream;
use crate::reporting::observation::Limit;
use crate::upstream::breaker::Ceilings;
use crate::upstream::proxy_protocol::{self, ClientInfo};

/// How connections to an endpoint are made and kept.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// For a new connection.
    pub(crate) connect: Duration,
    /// Idle connections that are kept.
    pub(crate) max_idle: usize,
    /// HTTP/2, with prior knowledge.
    pub(crate) http2: bool,
    /// Requests that one connection carries.
    pub(crate) requests_per_connection: u32,
    /// Requests that one connection of HTTP/2 carries at once.
    pub(crate) streams: usize,
    /// How old a connection may become.
    pub(crate) lasts: Option<Duration>,
    /// How much of what the cluster may have.
    pub(crate) ceilings: Ceilings,
    /// Whether requests are counted, and those that wait.
    pub(crate) counts: (bool, bool),
    /// For how long bytes may stand still that are no HTTP.
    pub(crate) idle: Duration,
    /// How often connections of HTTP/2 are asked whether they live, and how long they have for the answer.
    pub(super) pings: Option<(Duration, Duration)>,
    /// What bytes go through that are no HTTP.
    pub(super) tunnel: Option<Rc<Tunnel>>,
    /// What connections begin with. Only those that began with the same are used.
    pub(super) proxy_header: Option<Rc<[u8]>>,
    keepalive: Option<Keepalive>,
    /// The rest of it is the client's choice.
    client: Option<Choice>,
}

/// What depends on the client.
#[derive(Debug, Clone, Copy)]
struct Choice {
    /// Whether it is HTTP/2.
    protocol: bool,
    /// The header that says whose the connection is.
    header: Option<ProxyHeader>,
}

impl Limits {
    pub(crate) fn new(policy: &ClusterPolicy, config: &Config) -> Self {
        let ceilings = Ceilings::new(&policy.bounds);
        let choice = Choice { protocol: policy.client_protocol, header: policy.proxy_header() };
        Self {
            connect: policy.connect_timeout.unwrap_or(config.connect_timeout),
            max_idle: config.max_idle_per_endpoint,
            http2: policy.http2,
            requests_per_connection: policy.bounds.requests_per_connection.unwrap_or(u32::MAX),
            streams: policy.bounds.streams_per_connection.map_or(usize::MAX, |it| it as usize),
            lasts: policy.bounds.connection_duration,
            counts: (ceilings.counts(Limit::Requests), ceilings.counts(Limit::Pending)),
            ceilings,
            idle: policy.bounds.idle_timeout.unwrap_or(config.idle_timeout),
            keepalive: policy.bounds.keepalive,
            pings: policy.pings(),
            tunnel: policy.tunnel().map(Rc::new),
            proxy_header: None,
            client: Some(choice).filter(|it| it.protocol || it.header.is_some()),
        }
    }

    /// The same for a client, where it depends on the client.
    pub(crate) fn toward(&self, client_info: &ClientInfo) -> Cow<'_, Self> {
        let Some(choice) = self.client else { return Cow::Borrowed(self) };
        Cow::Owned(Self {
            http2: if choice.protocol { client_info.h2 } else { self.http2 },
            proxy_header: choice.header.map(|header| {
                proxy_protocol::header(header, Some((client_info.peer, client_info.local))).into()
            }),
            ..self.clone()
        })
    }

    /// Of what no policy governs.
    pub(crate) fn outside(config: &Config) -> Self {
        Self::new(&ClusterPolicy::default(), config)
    }

    /// Sets up a new connection.
    pub(super) fn prepare(&self, stream: &Stream) {
        if let Some(keepalive) = &self.keepalive
            && let Err(error) = stream.keep_alive(keepalive)
        {
            // It works without.
            tracing::debug!(%error, "a connection is not kept alive");
        }
    }
}
