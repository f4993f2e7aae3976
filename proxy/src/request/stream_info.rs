//! What command operators in the values of headers ask of a request and its response.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, Method, request};
use mesh::plan::{Fact, Facts};
use mesh::route::Decision;

use crate::headers::host;
use crate::reporting::flags::Flags;
use crate::request::client::Client;
use crate::request::inbound::{authority_of, scheme};
use crate::state::plan::RouteEntry;

/// A request, by who asks and what was decided.
#[derive(Clone, Copy)]
pub(crate) struct RequestInfo<'k> {
    pub(crate) client: &'k Client,
    pub(crate) decision: &'k Decision<'k>,
    /// When its head had come.
    pub(crate) began: Instant,
    pub(crate) h2: bool,
}

/// What is known of a request, as far as it has come.
pub(crate) struct StreamInfo<'k> {
    pub(crate) asked: RequestInfo<'k>,
    /// Where it goes, if it goes anywhere.
    pub(crate) entry: Option<&'k RouteEntry>,
    /// Its head, where that is at hand.
    pub(crate) head: Option<Head<'k>>,
    pub(crate) met: UpstreamInfo,
}

/// A request's head. Its headers may be known from elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct Head<'k> {
    pub(crate) method: &'k Method,
    pub(crate) path: &'k str,
    pub(crate) authority: &'k [u8],
    pub(crate) headers: Option<&'k HeaderMap>,
}

/// What a request has met.
#[derive(Default)]
pub(crate) struct UpstreamInfo {
    /// The endpoint that it went to last.
    pub(crate) upstream: Option<Rc<str>>,
    /// The status that came from there.
    pub(crate) status: u16,
    pub(crate) flags: Flags,
}

impl<'k> Head<'k> {
    /// One that came from a client.
    pub(crate) fn came(head: &'k request::Parts) -> Self {
        let authority = authority_of(&head.uri).or_else(|| host(&head.headers)).unwrap_or_default();
        Self {
            method: &head.method,
            path: head.uri.path_and_query().map_or("", |path| path.as_str()),
            authority: authority.as_bytes(),
            headers: Some(&head.headers),
        }
    }
}

impl Facts for StreamInfo<'_> {
    fn request(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let head = self.head?;
        let value = match name {
            ":method" => head.method.as_str().as_bytes(),
            ":scheme" => scheme(self.asked.client.secured.is_some()).as_bytes(),
            ":path" => head.path.as_bytes(),
            ":authority" => head.authority,
            name => head.headers?.get(name)?.as_bytes(),
        };
        Some(Cow::Borrowed(value))
    }

    fn fact(&self, fact: Fact) -> Option<Cow<'_, str>> {
        let RequestInfo { client, decision, h2, .. } = self.asked;
        let client_info = client.info(h2);
        let text = match fact {
            Fact::Protocol => if h2 { "HTTP/2" } else { "HTTP/1.1" }.to_owned(),
            Fact::Remote => client_info.peer.to_string(),
            Fact::RemoteAddress => client_info.peer.ip().to_string(),
            Fact::RemotePort => client_info.peer.port().to_string(),
            Fact::Local => client_info.local.to_string(),
            Fact::LocalAddress => client_info.local.ip().to_string(),
            Fact::LocalPort => client_info.local.port().to_string(),
            Fact::UpstreamHost => self.met.upstream.as_deref()?.to_owned(),
            Fact::UpstreamCluster => {
                let reached = self.entry.filter(|entry| entry.cluster.as_ref().is_some_and(|it| !it.missing));
                reached?.cluster_key()?.istio_name()
            }
            Fact::ServerName => client.secured.as_ref()?.name.clone()?,
            Fact::ResponseCode => self.met.status.to_string(),
            Fact::ResponseFlags => self.met.flags.to_string(),
            Fact::RouteName => {
                let chosen = decision.chosen()?;
                chosen.route.called(chosen.matched)
            }
            Fact::Hostname => client.front.shared.hostname().to_owned(),
        };
        Some(Cow::Owned(text))
    }

    fn began(&self) -> Duration {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(self.asked.began.elapsed())
    }
}
