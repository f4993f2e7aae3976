//! Cross-origin requests: preflights are answered here, and responses say who may read them.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN,
};
use http::{Method, request};
use mesh::plan::Cors;

/// What a policy makes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: it is not across origins, or not from an origin that is allowed.
    Unconcerned,
    /// It goes on; its response is marked for this origin.
    Allowed(HeaderValue),
    /// A preflight from an allowed origin.
    Preflight(HeaderValue),
    /// A preflight from another origin, which goes no further.
    Ignored,
}

/// Judges a request. As Envoy does it: a preflight is answered whatever method it asks for.
pub(crate) fn judge(policy: &Cors, head: &request::Parts) -> Verdict {
    let Some(origin) = head.headers.get(ORIGIN) else { return Verdict::Unconcerned };
    let preflight = head.method == Method::OPTIONS
        && head.headers.get(ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|method| !method.is_empty());
    let text = origin.to_str().unwrap_or("");
    match (policy.allow_origins.iter().any(|allowed| allowed.matches(text)), preflight) {
        (true, true) => Verdict::Preflight(origin.clone()),
        (true, false) => Verdict::Allowed(origin.clone()),
        (false, true) if !policy.forward_not_matching => Verdict::Ignored,
        (false, _) => Verdict::Unconcerned,
    }
}

/// Marks the answer to a preflight.
pub(crate) fn answer_preflight(policy: &Cors, origin: HeaderValue, headers: &mut HeaderMap) {
    set(headers, ACCESS_CONTROL_ALLOW_METHODS, policy.allow_methods.as_deref());
    set(headers, ACCESS_CONTROL_ALLOW_HEADERS, policy.allow_headers.as_deref());
    if let Some(seconds) = policy.max_age {
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
    }
    allow(policy, origin, headers);
}

/// Marks the response to a request from an allowed origin.
pub(crate) fn mark(policy: &Cors, origin: HeaderValue, headers: &mut HeaderMap) {
    set(headers, ACCESS_CONTROL_EXPOSE_HEADERS, policy.expose_headers.as_deref());
    allow(policy, origin, headers);
}

fn allow(policy: &Cors, origin: HeaderValue, headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if policy.allow_credentials == Some(true) {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        headers.insert(name, value);
    }
}
