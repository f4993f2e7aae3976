//! Cross-origin requests: preflights are answered here, and responses say who may read them.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue,
    ORIGIN,
};
use http::{Method, request};
use mesh::plan::Cors;

use crate::headers::joined;

/// What a policy makes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: it is not across origins, or not from an origin that is allowed.
    Unconcerned,
    /// It goes on; its response is marked for this origin.
    Allowed(HeaderValue),
    /// A preflight, which goes no further: its answer.
    Preflight(Box<HeaderMap>),
}

/// Judges a request. As Envoy does it: a preflight is answered whatever method it asks for, and one that is kept from the
/// upstream is told all but that its origin is allowed.
pub(crate) fn judge(policy: &Cors, head: &request::Parts) -> Verdict {
    let Some(origin) = joined(&head.headers, &ORIGIN).filter(|origin| !origin.is_empty()) else {
        return Verdict::Unconcerned;
    };
    let allowed = policy.allows(&String::from_utf8_lossy(origin.as_bytes()));
    let asked = joined(&head.headers, &ACCESS_CONTROL_REQUEST_METHOD).filter(|method| !method.is_empty());
    match asked.filter(|_| head.method == Method::OPTIONS && (allowed || !policy.forward_not_matching)) {
        Some(method) => {
            let wanted = joined(&head.headers, &ACCESS_CONTROL_REQUEST_HEADERS);
            let wanted = wanted.unwrap_or_else(|| HeaderValue::from_static(""));
            let mut answer = HeaderMap::new();
            set(&mut answer, ACCESS_CONTROL_ALLOW_METHODS, policy.allow_methods.as_deref(), Some(method));
            set(&mut answer, ACCESS_CONTROL_ALLOW_HEADERS, policy.allow_headers.as_deref(), Some(wanted));
            if let Some(seconds) = policy.max_age {
                answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
            }
            if allowed {
                mark(policy, origin, &mut answer);
            } else {
                allow_credentials(policy, &mut answer);
            }
            Verdict::Preflight(Box::new(answer))
        }
        None if allowed => Verdict::Allowed(origin),
        None => Verdict::Unconcerned,
    }
}

/// Marks the response to a request from an allowed origin.
pub(crate) fn mark(policy: &Cors, origin: HeaderValue, headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    set(headers, ACCESS_CONTROL_EXPOSE_HEADERS, policy.expose_headers.as_deref(), None);
    allow_credentials(policy, headers);
}

fn allow_credentials(policy: &Cors, headers: &mut HeaderMap) {
    if policy.allow_credentials == Some(true) {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// Sets what a policy allows; where that is all, what was asked for.
fn set(headers: &mut HeaderMap, name: HeaderName, allowed: Option<&str>, asked: Option<HeaderValue>) {
    let value = match (allowed, asked) {
        (Some("*"), Some(asked)) => Some(asked),
        (allowed, _) => allowed.and_then(|allowed| HeaderValue::try_from(allowed).ok()),
    };
    if let Some(value) = value {
        headers.insert(name, value);
    }
}
