//! Who may talk to the server: the names that it is reached by, and the token.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::uri::Authority;
use http::{HeaderMap, StatusCode, Uri, header};

use super::problem::Failure;

/// Name of the cookie that carries the token, for browsers: an EventSource cannot send headers.
const COOKIE: &str = "meshwright-token";

/// What is asked of every request.
#[derive(Debug)]
pub struct Guard {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Further names that it may be reached by, in lower case.
    pub names: Vec<String>,
    /// The secret, where there is one.
    pub token: Option<String>,
    /// What lets a browser in once, in the token's place.
    ticket: Mutex<Option<String>>,
}

impl Guard {
    /// For a server at an address that may be reached by these names, too.
    pub fn new(address: SocketAddr, names: &[String], token: Option<String>) -> Self {
        let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { address, names, token, ticket: Mutex::default() }
    }

    /// Makes what lets a browser in once; the one before lets nobody in any longer. `None` where no token is asked for.
    pub fn ticket(&self) -> Option<String> {
        self.token.as_ref()?;
        let mut random = [0; 16];
        rustls::crypto::ring::default_provider().secure_random.fill(&mut random).ok()?;
        let ticket = URL_SAFE_NO_PAD.encode(random);
        *self.ticket.lock().unwrap_or_else(PoisonError::into_inner) = Some(ticket.clone());
        Some(ticket)
    }

    /// The token as a cookie, for a request that has the ticket. It has been used then.
    fn redeem(&self, uri: &Uri) -> Option<String> {
        let given = parameter(uri, "ticket=")?;
        let mut ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
        ticket.as_deref().filter(|ticket| same(given, ticket))?;
        *ticket = None;
        self.token.as_deref().and_then(as_cookie)
    }

    /// Whether a `Host` names this server. A page of another site whose name was made to lead to this machine (DNS
    /// rebinding) names its own site here, and gets nothing.
    fn knows(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if let Ok(ip) = name.parse::<IpAddr>() {
            // An address cannot be rebound; which ones lead here is the listener's business.
            return ip.is_loopback() || ip == self.address.ip() || self.address.ip().is_unspecified();
        }
        name == "localhost" || self.names.contains(&name)
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let bearer =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
        let cookie = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split("; "))
            .find_map(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('='));
        [bearer, cookie].into_iter().flatten().any(|given| same(given, token))
    }
}

/// The token behind `Bearer`: the names of schemes have no case (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

/// Compares in a time that does not tell how much is right.
fn same(given: &str, token: &str) -> bool {
    use sha2::{Digest, Sha256};
    Sha256::digest(given) == Sha256::digest(token)
}

/// Refuses requests that name another host.
pub(crate) async fn host(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let named = request.uri().authority().map(Authority::as_str);
    let named = named.or_else(|| request.headers().get(header::HOST)?.to_str().ok());
    if named.is_some_and(|host| guard.knows(host)) {
        return next.run(request).await;
    }
    let detail = "this server is not known by the name that the request has; --allow-host makes it known";
    Failure::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response()
}

/// Lets a browser in that comes with the ticket.
pub(super) async fn ticket(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.redeem(request.uri()) {
        Some(cookie) => {
            let headers = [(header::SET_COOKIE, cookie.as_str()), (header::LOCATION, request.uri().path())];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        None => next.run(request).await,
    }
}

/// Refuses requests without the token. `?token=…` on a page that a person opens becomes a cookie.
pub(super) async fn token(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if guard.admits(request.headers()) {
        return next.run(request).await;
    }
    let detail = "open the address that the server printed, or send `Authorization: Bearer TOKEN`";
    let mut response = Failure::new(StatusCode::UNAUTHORIZED, detail).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
    response
}

/// The cookie for a page that is opened with `?token=…`, and the address without it.
pub(super) fn cookie(uri: &Uri) -> Option<(String, String)> {
    Some((as_cookie(parameter(uri, "token=")?)?, uri.path().to_owned()))
}

fn parameter<'u>(uri: &'u Uri, name: &str) -> Option<&'u str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix(name))
}

/// A cookie's value has a narrow alphabet; so has the token, or it would not have been accepted at the start.
fn as_cookie(token: &str) -> Option<String> {
    token.bytes().all(allowed).then(|| format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/"))
}

/// Whether a byte may stand in a token: it travels in a header, a cookie and an address.
pub(crate) fn allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(address: &str) -> Guard {
        Guard::new(address.parse().unwrap(), &["Mesh.example".to_owned()], Some("s3cret".to_owned()))
    }

    #[test]
    fn hosts() {
        let cases = [
            ("127.0.0.1:7080", "127.0.0.1:7080", true),
            ("127.0.0.1:7080", "localhost:7080", true),
            ("127.0.0.1:7080", "LocalHost", true),
            ("127.0.0.1:7080", "[::1]:7080", true),
            ("127.0.0.1:7080", "mesh.example:7080", true),
            ("127.0.0.1:7080", "evil.example:7080", false),
            ("127.0.0.1:7080", "localhost.evil.example", false),
            ("127.0.0.1:7080", "10.0.0.1:7080", false),
            ("10.0.0.1:7080", "10.0.0.1:7080", true),
            ("0.0.0.0:7080", "10.0.0.1:7080", true),
            ("0.0.0.0:7080", "evil.example", false),
            ("127.0.0.1:7080", "", false),
        ];
        for (address, host, expected) in cases {
            assert_eq!(guard(address).knows(host), expected, "{host:?} at {address}");
        }
    }

    #[test]
    fn tokens() {
        let guard = guard("127.0.0.1:7080");
        let cases = [
            (header::AUTHORIZATION, "Bearer s3cret", true),
            (header::AUTHORIZATION, "bearer s3cret", true),
            (header::AUTHORIZATION, "BEARER  s3cret", true),
            (header::AUTHORIZATION, "Bearers3cret", false),
            (header::AUTHORIZATION, "Bearer s3cre", false),
            (header::AUTHORIZATION, "Basic s3cret", false),
            (header::COOKIE, "a=b; meshwright-token=s3cret", true),
            (header::COOKIE, "meshwright-token2=s3cret", false),
            (header::ACCEPT, "s3cret", false),
        ];
        for (name, value, expected) in cases {
            let headers = HeaderMap::from_iter([(name.clone(), value.parse().unwrap())]);
            assert_eq!(guard.admits(&headers), expected, "{name}: {value}");
        }
        assert!(Guard::new(guard.address, &[], None).admits(&HeaderMap::new()));
    }

    #[test]
    fn a_ticket_lets_in_once_and_is_no_token() {
        let guard = guard("127.0.0.1:7080");
        let uri = |ticket: &str| format!("/?ticket={ticket}").parse().unwrap();
        assert_eq!(guard.redeem(&uri("")), None);
        let (old, new) = (guard.ticket().unwrap(), guard.ticket().unwrap());
        assert!(!new.contains("s3cret") && new.len() > 20);
        assert_eq!(guard.redeem(&uri(&old)), None);
        assert!(guard.redeem(&uri(&new)).unwrap().starts_with("meshwright-token=s3cret; HttpOnly"));
        assert_eq!(guard.redeem(&uri(&new)), None);
        assert_eq!(Guard::new(guard.address, &[], None).ticket(), None);
    }

    #[test]
    fn a_page_with_a_token_sets_a_cookie() {
        let got = cookie(&"/x?a=1&token=abc".parse().unwrap());
        assert_eq!(
            got,
            Some(("meshwright-token=abc; HttpOnly; SameSite=Strict; Path=/".to_owned(), "/x".to_owned()))
        );
        for uri in ["/", "/?a=token=b", "/?token=a;b"] {
            assert_eq!(cookie(&uri.parse().unwrap()), None, "{uri}");
        }
    }
}
