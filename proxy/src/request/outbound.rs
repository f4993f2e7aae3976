//! A request as it goes upstream: what routing sees of it, and what becomes of its head.

use http::header::{CONNECTION, HOST, HeaderMap, HeaderValue, UPGRADE};
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Request, Uri, request};
use mesh::route::headers::Direction;
use mesh::route::{self, Decision};

use crate::activity::upload::Outgoing;
use crate::headers::{
    ATTEMPT_COUNT, EXPECTED_TIMEOUT, Edited, ORIGINAL_HOST, ORIGINAL_PATH, is_grpc, is_websocket,
    strip_request,
};
use crate::reporting::trace::Context;
use crate::request::stream_info::{Head, StreamInfo};
use crate::upstream::pool::Protocol;

/// Headers that a request gets on its way, usually.
const ADDED: usize = 4;

/// A request's head, ready to be sent, as often as it takes.
#[derive(Debug, Clone)]
pub(crate) struct Outbound {
    pub(crate) method: Method,
    path: PathAndQuery,
    authority: HeaderValue,
    headers: HeaderMap,
    /// The protocol that it wants to upgrade to.
    pub(crate) upgrade: Option<HeaderValue>,
}

/// Whether the route itself says another authority, and the one that its destination has said before.
fn authorities<'d>(decision: &Decision<'d>) -> (bool, Option<&'d str>) {
    let Decision::Forward(chosen, forward, destination) = decision else { return (false, None) };
    let rewrite = forward.rewrite.as_ref().is_some_and(|rewrite| rewrite.authority.is_some());
    (rewrite || chosen.route.headers.authority.is_some(), destination.headers.authority.as_deref())
}

/// A path as it is written in a request. One of no letters (all of it stood behind a `#`) is read as `/`, and would be written as
/// nothing.
fn origin_form(path: Option<PathAndQuery>) -> PathAndQuery {
    path.filter(|path| path.as_str() != "/").unwrap_or_else(|| PathAndQuery::from_static("/"))
}

impl Outbound {
    /// What a request becomes by a decision. `envoys`: some of its headers are Envoy's own.
    pub(crate) fn new(
        mut head: request::Parts,
        envoys: bool,
        authority: HeaderValue,
        decision: &Decision<'_>,
        info: StreamInfo<'_>,
    ) -> Self {
        let headers = &mut head.headers;
        let upgrade = strip_request(headers, envoys).filter(is_websocket);
        headers.reserve(ADDED);
        let path = origin_form(head.uri.path_and_query().cloned());
        let line = Head {
            method: &head.method,
            path: path.as_str(),
            authority: authority.as_bytes(),
            headers: None,
        };
        let info = StreamInfo { head: Some(line), ..info };
        route::apply(decision, Direction::Request, &mut Edited(headers), &info);
        let rewritten = route::rewrite_path(decision, path.as_str());
        // What a rewrite makes of a strange path may be no path: then it stays.
        let rewritten = rewritten.and_then(|rewritten| PathAndQuery::try_from(rewritten).ok());
        let rewritten = rewritten.map(|rewritten| origin_form(Some(rewritten)));
        let path = match rewritten {
            Some(rewritten) => {
                if let Ok(original) = HeaderValue::try_from(path.as_str()) {
                    headers.insert(ORIGINAL_PATH, original);
                }
                rewritten
            }
            None => path,
        };
        let rewritten = route::authority(decision).and_then(|name| HeaderValue::try_from(name).ok());
        let authority = match rewritten {
            Some(rewritten) => {
                // As Envoy does, which says nothing of the first where a destination's own operations say another.
                if let (true, between) = authorities(decision) {
                    let between = between.and_then(|name| HeaderValue::try_from(name).ok());
                    headers.insert(ORIGINAL_HOST, between.unwrap_or(authority));
                }
                rewritten
            }
            None => authority,
        };
        Self { method: head.method, path, authority, headers: head.headers, upgrade }
    }

    /// Its headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Tells the next hop which trace it belongs to.
    pub(crate) fn belongs_to(&mut self, context: &Context) {
        context.write(&mut self.headers);
    }

    /// Its head.
    pub(crate) fn head(&self) -> Head<'_> {
        let Self { method, path, authority, headers, .. } = self;
        Head { method, path: path.as_str(), authority: authority.as_bytes(), headers: Some(headers) }
    }

    /// Its path with the query.
    pub(crate) fn path(&self) -> &str {
        self.path.as_str()
    }

    /// Says how long the proxy will wait.
    pub(crate) fn expects(&mut self, millis: HeaderValue) {
        self.headers.insert(EXPECTED_TIMEOUT, millis);
    }

    /// Whether it is a gRPC call.
    pub(crate) fn is_grpc(&self) -> bool {
        is_grpc(&self.headers)
    }

    /// The request for a try, from 1.
    pub(crate) fn into_request(
        mut self,
        attempt: u32,
        protocol: Protocol,
        body: Outgoing,
    ) -> Request<Outgoing> {
        let count = if attempt == 1 { HeaderValue::from_static("1") } else { HeaderValue::from(attempt) };
        self.headers.insert(ATTEMPT_COUNT, count);
        let uri = if protocol.h2 {
            self.headers.remove(HOST);
            let authority = http::uri::Authority::try_from(self.authority.as_bytes()).ok();
            let mut parts = http::uri::Parts::default();
            parts.scheme =
                authority.is_some().then_some(if protocol.tls { Scheme::HTTPS } else { Scheme::HTTP });
            parts.authority = authority;
            parts.path_and_query = Some(self.path);
            Uri::from_parts(parts).unwrap_or_default()
        } else {
            if let Some(protocol) = self.upgrade {
                self.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                self.headers.insert(UPGRADE, protocol);
            }
            self.headers.insert(HOST, self.authority);
            Uri::from(self.path)
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers;
        request
    }
}
