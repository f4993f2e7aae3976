//! Requests that are refused for what they are, before anything is decided about them. As by Envoy, whose parser is stricter than
//! the one here.

use http::{Method, Version, request};

use crate::request::reply::Reply;

/// Methods that Envoy knows in HTTP/1.1 beside the usual ones. In HTTP/2 it takes any.
const UNUSUAL: [&str; 26] = [
    "ACL",
    "BIND",
    "CHECKOUT",
    "COPY",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
    "TRACE",
];

/// What stands in an authority: visible ASCII without these.
const IN_AUTHORITY: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut at = b'!' as usize;
    while at <= b'~' as usize {
        allowed[at] = !matches!(
            at as u8,
            b'"' | b'#' | b'/' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
        );
        at += 1;
    }
    allowed
};

/// The answer to a request that is refused.
pub(crate) fn refusal(head: &request::Parts, authority: &str) -> Option<Reply> {
    if !authority.bytes().all(|byte| IN_AUTHORITY[usize::from(byte)]) {
        return Some(Reply::BAD_REQUEST);
    }
    // The parser of HTTP/2 has seen to the rest.
    if head.version == Version::HTTP_2 {
        return match head.uri.path() {
            // A request needs no `:path` for the parser, and would have none upstream.
            "" if head.method != Method::CONNECT => Some(Reply::BAD_REQUEST),
            "" => None,
            _ => relative(head).then_some(Reply::NO_ROUTE),
        };
    }
    match head.method {
        Method::CONNECT => return None,
        Method::OPTIONS if head.uri.path() == "*" => return Some(Reply::NO_ROUTE),
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::DELETE
        | Method::OPTIONS
        | Method::PATCH => {}
        ref other if UNUSUAL.contains(&other.as_str()) => {}
        _ => return Some(Reply::BAD_REQUEST),
    }
    match head.uri.scheme_str() {
        None => (head.uri.authority().is_some() || !head.uri.path().starts_with('/'))
            .then_some(Reply::BAD_REQUEST),
        Some("http" | "https") => relative(head).then_some(Reply::NO_ROUTE),
        Some(_) => Some(Reply::BAD_REQUEST),
    }
}

/// The path begins with something else than `/`: `*`, or a query alone.
fn relative(head: &request::Parts) -> bool {
    !head.uri.path_and_query().is_some_and(|path| path.as_str().starts_with('/'))
}

#[cfg(test)]
mod tests {
    use http::{Request, Uri, uri};

    use super::*;

    #[test]
    fn a_request_of_http2_has_a_path() {
        let (mut head, ()) = Request::builder().version(Version::HTTP_2).body(()).unwrap().into_parts();
        assert!(refusal(&head, "reviews").is_none());
        head.uri = Uri::from_parts(uri::Parts::default()).unwrap();
        assert!(refusal(&head, "reviews").is_some());
        head.method = Method::CONNECT;
        assert!(refusal(&head, "reviews").is_none());
    }
}
