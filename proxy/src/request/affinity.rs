//! The same client to the same endpoint: what of a request is hashed, and the cookie that a client is known by.

use std::fmt::Write;
use std::net::IpAddr;

use http::HeaderValue;
use http::header::HeaderMap;
use mesh::Source;
use mesh::plan::{HashCookie, HashKey};
use mesh::route::matching::{parameter, split_query};

use crate::headers::FORWARDED_FOR;
use crate::request::outbound::Outbound;
use crate::request::repeated_headers::cookies;
use crate::upstream::balance::hashing::{hash, hash_all};

/// What a request is kept to its endpoint by.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Affinity {
    /// `None`: it may go anywhere.
    pub(crate) hash: Option<u64>,
    /// A cookie that its client gets.
    pub(crate) cookie: Option<HeaderValue>,
}

impl Affinity {
    /// Of a request as it goes upstream.
    pub(crate) fn new(key: &HashKey, head: &Outbound, peer: IpAddr, random: impl FnOnce() -> u64) -> Self {
        let hashed = |hash: Option<u64>| Self { hash, cookie: None };
        match key {
            HashKey::Header(name) => hashed(of_header(head.headers(), name)),
            HashKey::SourceIp => hashed(Some(hash(peer.to_string()))),
            HashKey::Query(name) => {
                let (_, query) = split_query(head.path());
                hashed(parameter(query, name).map(hash))
            }
            HashKey::Cookie(cookie) => match of_cookie(head.headers(), &cookie.name) {
                Some(value) => hashed(Some(hash(value))),
                None if cookie.ttl.is_none() => Self::default(),
                None => {
                    let value = format!("{:016x}", random());
                    Self { hash: Some(hash(value.as_str())), cookie: set_cookie(cookie, &value) }
                }
            },
        }
    }
}

/// Where a workload's request comes from: the last that it came through, as far as it says so. Envoy's rule where one hop is
/// trusted; at a gateway none is.
pub(crate) fn origin(source: &Source, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    if let Source::Gateway { .. } = source {
        return peer;
    }
    let last = headers.get_all(FORWARDED_FOR).iter().next_back().and_then(|line| line.to_str().ok());
    last.and_then(|line| line.rsplit(',').next()?.trim().parse().ok()).unwrap_or(peer)
}

/// Of a connection whose bytes are no HTTP: only where it comes from can be hashed.
pub(crate) fn of_connection(key: &HashKey, peer: IpAddr) -> Option<u64> {
    (*key == HashKey::SourceIp).then(|| hash(peer.to_string()))
}

/// Of several values of a header, all count, in whatever order they came.
fn of_header(headers: &HeaderMap, name: &str) -> Option<u64> {
    let mut values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    values.sort_unstable();
    (!values.is_empty()).then(|| hash_all(values))
}

fn of_cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = cookies(headers).find_map(|cookie| cookie.strip_prefix(name)?.strip_prefix('='))?;
    let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    Some(bare).filter(|value| !value.is_empty())
}

/// As Envoy writes it.
fn set_cookie(cookie: &HashCookie, value: &str) -> Option<HeaderValue> {
    let mut text = format!("{}=\"{value}\"", cookie.name);
    let seconds = cookie.ttl.map_or(0, |ttl| ttl.as_secs());
    // Writing to a text cannot fail.
    if seconds > 0 {
        let _ = write!(text, "; Max-Age={seconds}");
    }
    if let Some(path) = &cookie.path {
        let _ = write!(text, "; Path={path}");
    }
    for (name, value) in &cookie.attributes {
        let _ = match value.as_str() {
            "" => write!(text, "; {name}"),
            value => write!(text, "; {name}={value}"),
        };
    }
    text.push_str("; HttpOnly");
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::COOKIE;

    use super::*;

    #[test]
    fn cookies_are_found() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; user=\"x\"; users=y"));
        headers.append(COOKIE, HeaderValue::from_static("b=2"));
        for (name, value) in [("a", Some("1")), ("user", Some("x")), ("b", Some("2")), ("use", None)] {
            assert_eq!(of_cookie(&headers, name), value, "{name}");
        }
    }

    #[test]
    fn origins_are_found() {
        let peer: IpAddr = "127.0.0.1".parse().unwrap();
        let origin = |headers: &HeaderMap, peer| origin(&Source::named("workload", "a"), headers, peer);
        let mut headers = HeaderMap::new();
        assert_eq!(origin(&headers, peer), peer);
        headers.append(FORWARDED_FOR, HeaderValue::from_static("10.0.0.1, 10.0.0.2"));
        assert_eq!(origin(&headers, peer).to_string(), "10.0.0.2");
        headers.append(FORWARDED_FOR, HeaderValue::from_static("::1"));
        assert_eq!(origin(&headers, peer).to_string(), "::1");
        headers.append(FORWARDED_FOR, HeaderValue::from_static("unknown"));
        assert_eq!(origin(&headers, peer), peer);
    }

    #[test]
    fn cookies_are_made() {
        let cookie = HashCookie {
            name: "user".to_owned(),
            path: Some("/x".to_owned()),
            ttl: Some(Duration::from_secs(60)),
            attributes: vec![("SameSite".to_owned(), "Lax".to_owned()), ("Secure".to_owned(), String::new())],
        };
        let made = set_cookie(&cookie, "7").unwrap();
        assert_eq!(made, "user=\"7\"; Max-Age=60; Path=/x; SameSite=Lax; Secure; HttpOnly");
        let session = HashCookie { ttl: Some(Duration::ZERO), name: "s".to_owned(), ..HashCookie::default() };
        assert_eq!(set_cookie(&session, "7").unwrap(), "s=\"7\"; HttpOnly");
    }
}
