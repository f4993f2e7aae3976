//! What is asked: whether it can be a request at all, and no larger than it may be. Command line, API and page refuse the
//! same, in the same words.

use std::net::Ipv6Addr;

use super::ExplainRequest;
use crate::limits::{Exceeded, HEADERS, QUESTION_BYTES, name, within};
use crate::registry::Source;

/// Why something is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// A line without a colon, or without a name before it.
    #[error("`{0}` is no header: a header is a name, a colon and a value, as in `end-user: jason`")]
    Header(String),
    /// A name that no header can have.
    #[error("`{0}` cannot be the name of a header: it has letters, digits and some signs, and no spaces")]
    HeaderName(String),
    /// A value that no header can have.
    #[error("the value of the header `{0}` has characters that no header can have, such as line breaks")]
    HeaderValue(String),
    /// A pseudo header.
    #[error("`{0}` is no header of its own: method, host, path and scheme of the request say it")]
    PseudoHeader(String),
    /// A method with spaces and the like.
    #[error("`{0}` is no method: a method is one word, such as GET")]
    Method(String),
    /// No host.
    #[error("the host is missing")]
    NoHost,
    /// A host that no request can have.
    #[error("`{0}` is no host: it is a name or an address, and perhaps a colon and a port")]
    Host(String),
    /// A port that there is not.
    #[error("`{0}` is no port: ports are numbers from 1 to 65535")]
    Port(String),
    /// A path that no request can have.
    #[error("`{0}` is no path: it begins with a `/`, and has no spaces")]
    Path(String),
    /// Neither `http` nor `https`.
    #[error("`{0}` is no scheme: there are `http` and `https`")]
    Scheme(String),
}

/// A header from a line `name: value`.
pub fn header(line: &str) -> Result<(String, String), BadRequest> {
    let line = line.trim();
    if line.starts_with(':') {
        return Err(BadRequest::PseudoHeader(line.to_owned()));
    }
    let (name, value) = line.split_once(':').ok_or_else(|| BadRequest::Header(line.to_owned()))?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() {
        return Err(BadRequest::Header(line.to_owned()));
    }
    check_header(name, value)?;
    Ok((name.to_owned(), value.to_owned()))
}

impl ExplainRequest {
    /// Whether it can be a request. What is left empty has its default.
    pub fn check(&self) -> Result<(), BadRequest> {
        if !self.method.is_empty() && !is_token(&self.method) {
            return Err(BadRequest::Method(self.method.clone()));
        }
        host(&self.host)?;
        if self.port == Some(0) {
            return Err(BadRequest::Port("0".to_owned()));
        }
        let of_server = self.path == "*" && self.method.eq_ignore_ascii_case("OPTIONS");
        let sent = |c: char| !c.is_whitespace() && !c.is_control();
        let of_resource = self.path.starts_with('/') && self.path.chars().all(sent);
        if !(self.path.is_empty() || of_server || of_resource) {
            return Err(BadRequest::Path(self.path.clone()));
        }
        if let Some(scheme) =
            self.scheme.as_ref().filter(|scheme| !matches!(scheme.as_str(), "http" | "https"))
        {
            return Err(BadRequest::Scheme(scheme.clone()));
        }
        self.headers.iter().try_for_each(|(name, value)| check_header(name, value))
    }
}

fn check_header(name: &str, value: &str) -> Result<(), BadRequest> {
    if name.starts_with(':') {
        return Err(BadRequest::PseudoHeader(name.to_owned()));
    }
    if !is_token(name) {
        return Err(BadRequest::HeaderName(name.to_owned()));
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(BadRequest::HeaderValue(name.to_owned()));
    }
    Ok(())
}

fn host(authority: &str) -> Result<(), BadRequest> {
    let wrong = || BadRequest::Host(authority.to_owned());
    if authority.is_empty() {
        return Err(BadRequest::NoHost);
    }
    let (host, port) = if authority.parse::<Ipv6Addr>().is_ok() {
        (authority, None)
    } else if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or_else(wrong)?;
        address.parse::<Ipv6Addr>().map_err(|_| wrong())?;
        match rest.strip_prefix(':') {
            None if rest.is_empty() => ("v6", None),
            port => ("v6", Some(port.ok_or_else(wrong)?)),
        }
    } else {
        authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)))
    };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:".contains(&byte);
    if host.is_empty() || !host.bytes().all(named) {
        return Err(wrong());
    }
    match port {
        Some(port)
            if !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().unwrap_or(0) == 0 =>
        {
            Err(BadRequest::Port(port.to_owned()))
        }
        _ => Ok(()),
    }
}

/// A word of HTTP.
fn is_token(text: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(sign)
}

/// Refuses a question that is too large.
pub fn fits(source: &Source, request: &ExplainRequest) -> Result<(), Exceeded> {
    let ExplainRequest { method, host, path, headers, scheme, port: _ } = request;
    source.parts().into_iter().try_for_each(name)?;
    [method, host, scheme.as_deref().unwrap_or_default()].into_iter().try_for_each(name)?;
    within("the path of a request", "bytes", QUESTION_BYTES, path.len())?;
    within("a request", "headers", HEADERS, headers.len())?;
    let bytes = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    within("the headers of a request", "bytes", QUESTION_BYTES, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, host: &str, path: &str) -> Result<(), String> {
        let (method, host, path) = (method.to_owned(), host.to_owned(), path.to_owned());
        let request = ExplainRequest { method, host, path, ..ExplainRequest::default() };
        request.check().map_err(|error| error.to_string())
    }

    #[test]
    fn what_can_be_no_request_is_refused_with_its_reason() {
        for (method, host, path, expected) in [
            ("PO ST", "a", "/", "`PO ST` is no method"),
            ("GET", "", "/", "the host is missing"),
            ("GET", "be ta", "/", "`be ta` is no host"),
            ("GET", "http://a/", "/", "no port"),
            ("GET", "a/b", "/", "`a/b` is no host"),
            ("GET", "a:99999", "/", "`99999` is no port"),
            ("GET", "a:", "/", "`` is no port"),
            ("GET", "a:http", "/", "`http` is no port"),
            ("GET", "[::1", "/", "`[::1` is no host"),
            ("GET", "[::1]x", "/", "is no host"),
            ("GET", "[::1]:0", "/", "`0` is no port"),
            ("GET", "a", "reviews", "`reviews` is no path: it begins with a `/`"),
            ("GET", "a", "/a b", "`/a b` is no path"),
            ("GET", "a", "*", "`*` is no path"),
        ] {
            let error = ask(method, host, path).unwrap_err();
            assert!(error.contains(expected), "{method} {host} {path}: {error}");
        }
        for (method, host, path) in [
            ("", "a", ""),
            ("PATCH", "reviews.default:9080", "/a?b=c"),
            ("GET", "[::1]:80", "/"),
            ("GET", "::1", "/"),
            ("GET", "*.foo.com", "/é"),
            ("OPTIONS", "a", "*"),
        ] {
            assert_eq!(ask(method, host, path), Ok(()), "{method} {host} {path}");
        }
        let with = |scheme: &str, name: &str, value: &str| {
            let headers = vec![(name.to_owned(), value.to_owned())];
            let scheme = Some(scheme.to_owned());
            let request =
                ExplainRequest { host: "a".to_owned(), headers, scheme, ..ExplainRequest::default() };
            request.check().map_err(|error| error.to_string())
        };
        assert!(with("ftp", "a", "b").unwrap_err().contains("`ftp` is no scheme"));
        assert!(with("http", "a b", "c").unwrap_err().contains("cannot be the name of a header"));
        assert!(with("http", ":path", "/").unwrap_err().contains("no header of its own"));
        assert!(with("http", "a", "b\r\nc: d").unwrap_err().contains("the value of the header `a`"));
        assert_eq!(with("https", "end-user", "jason\t"), Ok(()));
    }

    #[test]
    fn headers_are_cut_at_their_colon() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(header("end-user: jason"), pair("end-user", "jason"));
        assert_eq!(header("a: b: c"), pair("a", "b: c"));
        assert_eq!(header("empty:"), pair("empty", ""));
        assert_eq!(header("a"), Err(BadRequest::Header("a".to_owned())));
        assert_eq!(header(" : b"), Err(BadRequest::PseudoHeader(": b".to_owned())));
        assert_eq!(header(":method: PUT"), Err(BadRequest::PseudoHeader(":method: PUT".to_owned())));
        assert_eq!(header("a b: c"), Err(BadRequest::HeaderName("a b".to_owned())));
    }
}
