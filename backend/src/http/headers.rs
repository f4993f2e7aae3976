//! Security headers on every answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

/// The headers, ready.
#[derive(Debug)]
pub(super) struct Security {
    policy: HeaderValue,
}

impl Security {
    /// With a content security policy that lets these inline scripts of the page run, and no others.
    pub(super) fn new(inline_scripts: &[String]) -> Self {
        let policy = HeaderValue::from_str(&policy(inline_scripts));
        // Hashes in base64 are ASCII; should they not be, nothing inline runs.
        Self { policy: policy.unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'")) }
    }
}

/// `'wasm-unsafe-eval'` lets WebAssembly be compiled and nothing else. Inline styles are what Leptos's `style:` sets.
fn policy(inline_scripts: &[String]) -> String {
    let hashes: String = inline_scripts
        .iter()
        .map(|script| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script))))
        .collect();
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{hashes}; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// Adds the headers.
pub(super) async fn secure(State(security): State<Arc<Security>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, security.policy.clone());
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What the API says is true now; files of the UI say for themselves how long they last.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_scripts_are_allowed_by_their_hash() {
        // The example of the Content Security Policy specification.
        let policy = policy(&["alert('Hello, world.');".to_owned()]);
        assert!(policy.contains("'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"), "{policy}");
    }
}
