//! A request as it came: what routing sees of it.

use std::borrow::Cow;

use http::header::{HOST, HeaderValue};
use http::uri::PathAndQuery;
use http::{Uri, request};
use mesh::PathNormalization;
use mesh::route;
use mesh::route::edge::PREFIX;

use crate::headers::{EXTERNAL_ADDRESS, has_envoys, host};

/// A request's head, as routing sees it.
pub(crate) struct Inbound<'r> {
    head: &'r request::Parts,
    authority: &'r str,
    envoys: bool,
    secure: bool,
}

/// The authority in a request's target, where one is there.
pub(crate) fn authority_of(uri: &Uri) -> Option<&str> {
    uri.authority().and_then(|authority| authority.as_str().rsplit('@').next())
}

/// The authority, as a header's value. That there is exactly one was seen before.
pub(crate) fn authority(head: &request::Parts) -> Option<HeaderValue> {
    match head.uri.authority() {
        Some(authority) => HeaderValue::try_from(authority.as_str().rsplit('@').next()?).ok(),
        None => head.headers.get(HOST).cloned(),
    }
}

/// The scheme that a client used.
pub(crate) fn scheme(secure: bool) -> &'static str {
    if secure { "https" } else { "http" }
}

impl<'r> Inbound<'r> {
    /// `None` for a request that does not say, or not clearly, which host it is for.
    pub(crate) fn new(head: &'r request::Parts, secure: bool) -> Option<Self> {
        let authority = authority_of(&head.uri).or_else(|| host(&head.headers))?;
        Some(Self { head, authority, envoys: has_envoys(&head.headers), secure })
    }

    pub(crate) fn authority(&self) -> &'r str {
        self.authority
    }
}

impl route::Request for Inbound<'_> {
    fn method(&self) -> &str {
        self.head.method.as_str()
    }

    fn scheme(&self) -> &str {
        // A scheme that a client writes itself proves nothing.
        scheme(self.secure)
    }

    fn authority(&self) -> &str {
        self.authority
    }

    fn path(&self) -> &str {
        self.head.uri.path_and_query().map_or("", PathAndQuery::as_str)
    }

    fn may_steer(&self) -> bool {
        self.envoys
    }

    fn header<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, str>> {
        let looked = self.envoys || !name.starts_with(PREFIX) || name == EXTERNAL_ADDRESS.as_str();
        let lines = looked.then(|| self.head.headers.get_all(name));
        lines.into_iter().flatten().map(|line| String::from_utf8_lossy(line.as_bytes()))
    }
}

/// Puts a path into the form in which rules see it, and in which it is forwarded. `false`: no request can have it.
pub(crate) fn normalize(uri: &mut Uri, level: PathNormalization) -> bool {
    let Some(path) = uri.path_and_query() else { return true };
    match route::path::normalize(path.as_str(), level) {
        Ok(Cow::Borrowed(_)) => true,
        Ok(Cow::Owned(normal)) => {
            let mut parts = std::mem::take(uri).into_parts();
            parts.path_and_query = PathAndQuery::try_from(normal).ok();
            Uri::from_parts(parts).map(|normal| *uri = normal).is_ok()
        }
        Err(_) => false,
    }
}
