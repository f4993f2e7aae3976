//! What the proxy does to headers of its own accord, and how the mesh's operations reach a header map.

use http::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use mesh::route::HeadersMut;
use mesh::route::edge::PREFIX;

/// Original authority of a request that its route gave another one.
pub(crate) const ORIGINAL_HOST: HeaderName = HeaderName::from_static("x-envoy-original-host");
/// Original path of a request whose path was rewritten.
pub(crate) const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");
/// Which try this is, from 1.
pub(crate) const ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");
/// How long the proxy will wait for the response.
pub(crate) const EXPECTED_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
/// A request for 204 instead of 504.
pub(crate) const TIMEOUT_ALTERNATIVE: HeaderName =
    HeaderName::from_static("x-envoy-upstream-rq-timeout-alt-response");
/// A limit on the way is reached: not to be tried again.
pub(crate) const OVERLOADED: HeaderName = HeaderName::from_static("x-envoy-overloaded");
/// An upstream that wants no more requests says so in a response.
pub(crate) const GIVES_UP: HeaderName = HeaderName::from_static("x-envoy-immediate-health-check-fail");
/// An instance says so in its answer to a health check: it is well, and others should be asked first.
pub(crate) const DEGRADED: HeaderName = HeaderName::from_static("x-envoy-degraded");
/// A server has answered enough.
pub(crate) const RATE_LIMITED: HeaderName = HeaderName::from_static("x-envoy-ratelimited");
/// How a gRPC call ended.
pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// Identifies a request across hops.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The clients that a request came through.
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The scheme that the first proxy was spoken to in.
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A gateway's client is one of its operator's own.
pub(crate) const INTERNAL: HeaderName = HeaderName::from_static("x-envoy-internal");
/// The address of a gateway's client that is not.
pub(crate) const EXTERNAL_ADDRESS: HeaderName = HeaderName::from_static("x-envoy-external-address");
/// Which certificate the client showed to the gateway.
pub(crate) const CLIENT_CERTIFICATE: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What a request wants its connection to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// Nothing else than it is.
    No,
    /// A WebSocket, the one that is passed on.
    WebSocket,
    /// Something that is not known here, and is refused: what follows would pass routes and rules by.
    Unknown,
}

const WEBSOCKET: &[u8] = b"websocket";

/// What a request wants its connection to become. As by Envoy an offer of HTTP/2 is dropped, which is to decline it.
pub(crate) fn upgrade(headers: &mut HeaderMap, h2: bool) -> Upgrade {
    let mut wanted = headers.get_all(UPGRADE).iter();
    let Some(first) = wanted.next() else { return Upgrade::No };
    let only = wanted.next().is_none().then_some(first.as_bytes());
    if !headers.get_all(CONNECTION).iter().any(|listed| lists(listed, "upgrade")) {
        return Upgrade::No;
    }
    if only.is_some_and(|it| it.eq_ignore_ascii_case(WEBSOCKET)) {
        return Upgrade::WebSocket;
    }
    if !h2 && only.is_some_and(|it| it.eq_ignore_ascii_case(b"h2c")) {
        headers.remove(UPGRADE);
        headers.remove(HTTP2_SETTINGS);
        return Upgrade::No;
    }
    Upgrade::Unknown
}

/// Whether a protocol that was agreed on is the one that is passed on.
pub(crate) fn is_websocket(protocol: &HeaderValue) -> bool {
    protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET)
}

/// Takes off what concerns only this connection, and returns the protocol that an HTTP/1.1 message wants to upgrade to.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let (mut connection, mut others) = (false, false);
    for name in headers.keys() {
        match name.as_str() {
            "connection" => connection = true,
            "keep-alive" | "proxy-connection" | "te" | "transfer-encoding" | "upgrade" => others = true,
            _ => {}
        }
    }
    let mut upgrades = false;
    if connection {
        let listed: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
        headers.remove(CONNECTION);
        for name in listed.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')) {
            match name.trim() {
                name if name.eq_ignore_ascii_case("upgrade") => upgrades = true,
                // Whether it stays is decided below.
                name if name.eq_ignore_ascii_case("te") => {}
                name => drop(headers.remove(name)),
            }
        }
    }
    if !others {
        return None;
    }
    let trailers = headers.get_all(TE).iter().any(|te| lists(te, "trailers"));
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    // Trailers are passed on, so the request for them is, too; other codings of the transfer are each hop's own.
    if headers.remove(TE).is_some() && trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    headers.remove(UPGRADE).filter(|_| upgrades)
}

/// Whether any header is one of Envoy's own, beside the client's address, which a gateway says itself at every request. Most
/// requests have none, and need not be searched for each of them.
pub(crate) fn has_envoys(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with(PREFIX) && name != EXTERNAL_ADDRESS)
}

fn lists(value: &HeaderValue, token: &str) -> bool {
    let listed = value.to_str().unwrap_or("");
    listed.split(',').any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// Takes off a request what this hop answers for: an expectation of `100-continue` is met here.
///
/// `envoys`: some of its headers are Envoy's own ([`has_envoys`]).
pub(crate) fn strip_request(headers: &mut HeaderMap, envoys: bool) -> Option<HeaderValue> {
    headers.remove(EXPECT);
    if envoys {
        headers.remove(ATTEMPT_COUNT);
        headers.remove(EXPECTED_TIMEOUT);
        headers.remove(TIMEOUT_ALTERNATIVE);
        for name in mesh::route::retry::OVERRIDES {
            headers.remove(name);
        }
    }
    strip_hop_by_hop(headers)
}

/// A random identifier in the form of a UUID, version 4.
pub(crate) fn request_id(random: u128) -> HeaderValue {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let random = random & !(0xf << 76) & !(0x3 << 62) | (4 << 76) | (2 << 62);
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (position, byte) in random.to_be_bytes().into_iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 0xf)];
        at += 2;
    }
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Adds a client to those that the request came through. Several lines are one list, as for Envoy.
pub(crate) fn forwarded_for(headers: &mut HeaderMap, client: &HeaderValue) {
    let mut list = Vec::new();
    for before in headers.get_all(FORWARDED_FOR) {
        list.extend_from_slice(before.as_bytes());
        list.push(b',');
    }
    list.extend_from_slice(client.as_bytes());
    // What came as values makes a value.
    let joined = HeaderValue::from_maybe_shared(bytes::Bytes::from(list));
    headers.insert(FORWARDED_FOR, joined.unwrap_or_else(|_| client.clone()));
}

/// The lines of a header in one, as Envoy joins those of some names.
pub(crate) fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?.clone();
    let all: Vec<&[u8]> = std::iter::once(first.as_bytes()).chain(lines.map(HeaderValue::as_bytes)).collect();
    if all.len() == 1 { Some(first) } else { HeaderValue::from_bytes(&all.join(&b","[..])).ok() }
}

/// The one authority of an HTTP/1.1 request's `Host`; `None` when there is none, or more than one.
pub(crate) fn host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// A header map that the mesh's operations run on.
pub(crate) struct Edited<'h>(pub(crate) &'h mut HeaderMap);

impl HeadersMut for Edited<'_> {
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(HeaderValue::as_bytes)
    }

    fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
            self.0.insert(name, value);
        }
    }

    fn append(&mut self, name: &str, value: &[u8]) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
            self.0.append(name, value);
        }
    }
}

/// Whether they are a gRPC call's.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(http::header::CONTENT_TYPE).map(|kind| kind.as_bytes());
    kind.and_then(|kind| kind.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest, [] | [b'+', ..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn hop_by_hop_headers_stay_on_their_hop() {
        for (before, after, upgrade) in [
            (vec![("connection", "close"), ("a", "1")], vec![("a", "1")], None),
            (vec![("connection", "X-Own, keep-alive"), ("x-own", "1"), ("keep-alive", "5")], vec![], None),
            (vec![("connection", "upgrade"), ("upgrade", "websocket")], vec![], Some("websocket")),
            (vec![("connection", "a"), ("connection", "b"), ("a", "1"), ("b", "1")], vec![], None),
            (vec![("upgrade", "h2c")], vec![], None),
            (vec![("te", "gzip"), ("transfer-encoding", "chunked")], vec![], None),
            (vec![("connection", "te"), ("te", "trailers")], vec![("te", "trailers")], None),
            (vec![("te", "gzip"), ("te", "Trailers, deflate")], vec![("te", "trailers")], None),
        ] {
            let mut headers = map(&before);
            assert_eq!(strip_hop_by_hop(&mut headers), upgrade.map(HeaderValue::from_static), "{before:?}");
            assert_eq!(headers, map(&after), "{before:?}");
        }
    }

    #[test]
    fn what_a_connection_is_to_become() {
        for (fields, h2, expected) in [
            (vec![("connection", "Upgrade"), ("upgrade", "WebSocket")], false, Upgrade::WebSocket),
            (
                vec![("connection", "a"), ("connection", "b, upgrade"), ("upgrade", "websocket")],
                true,
                Upgrade::WebSocket,
            ),
            (vec![("upgrade", "websocket")], false, Upgrade::No),
            (vec![("connection", "upgrade")], false, Upgrade::No),
            (
                vec![("connection", "upgrade, http2-settings"), ("upgrade", "H2c"), ("http2-settings", "a")],
                false,
                Upgrade::No,
            ),
            (vec![("connection", "upgrade"), ("upgrade", "h2c")], true, Upgrade::Unknown),
            (vec![("connection", "upgrade"), ("upgrade", "websocket, h2c")], false, Upgrade::Unknown),
            (
                vec![("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")],
                false,
                Upgrade::Unknown,
            ),
            (vec![("connection", "upgrade"), ("upgrade", "")], false, Upgrade::Unknown),
            (vec![("connection", "upgrade"), ("upgrade", "TLS/1.2")], false, Upgrade::Unknown),
        ] {
            let mut headers = map(&fields);
            assert_eq!(upgrade(&mut headers, h2), expected, "{fields:?}");
            if fields.iter().any(|(_, value)| *value == "H2c") {
                assert!(!headers.contains_key(UPGRADE) && !headers.contains_key("http2-settings"));
            }
        }
    }

    #[test]
    fn request_ids_are_uuids() {
        assert_eq!(request_id(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(request_id(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn clients_are_listed() {
        let mut headers = HeaderMap::new();
        forwarded_for(&mut headers, &HeaderValue::from_static("10.0.0.1"));
        forwarded_for(&mut headers, &HeaderValue::from_static("10.0.0.2"));
        assert_eq!(headers[FORWARDED_FOR], "10.0.0.1,10.0.0.2");
        headers.append(FORWARDED_FOR, HeaderValue::from_static("10.0.0.3, 10.0.0.4"));
        forwarded_for(&mut headers, &HeaderValue::from_static("10.0.0.5"));
        let all: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        assert_eq!(all, ["10.0.0.1,10.0.0.2,10.0.0.3, 10.0.0.4,10.0.0.5"]);
    }

    #[test]
    fn one_host_is_wanted() {
        assert_eq!(host(&map(&[("host", "a")])), Some("a"));
        assert_eq!(host(&map(&[])), None);
        assert_eq!(host(&map(&[("host", "a"), ("host", "b")])), None);
    }
}
