//! productpage: the page that people open, and the same as JSON.

use std::time::Duration;

use http::header::{CONTENT_SECURITY_POLICY, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Context, error, json, with_type};
use super::client::Failure;
use super::page::{self, View};

/// How long each try waits.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Tries for reviews: one and a second one, so 6 s in all.
const REVIEW_TRIES: usize = 2;
const END_USER: HeaderName = HeaderName::from_static("end-user");
/// The page loads nothing and runs nothing.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; form-action 'self'");

/// `GET /productpage` and `GET /api/v1/products…`.
pub(super) async fn answer(context: &Context, request: &Parts) -> Option<Answer> {
    let path = request.uri.path();
    if path == "/productpage" {
        return Some(product_page(context, request).await);
    }
    let rest = path.strip_prefix("/api/v1/products")?.trim_start_matches('/');
    let mut parts = rest.split('/');
    let answer = match (parts.next(), parts.next(), parts.next()) {
        (Some(""), None, None) => {
            Ok(json!([{ "id": 0, "title": page::TITLE, "descriptionHtml": page::SUMMARY }]))
        }
        (Some("0"), None, None) => details(context, &request.headers).await,
        (Some("0"), Some("reviews"), None) => reviews(context, &request.headers).await,
        (Some("0"), Some("ratings"), None) => {
            context.client.get("ratings:9080", "/ratings/0", &request.headers, TIMEOUT).await
        }
        _ => return None,
    };
    Some(match answer {
        Ok(body) => json(&body),
        Err(failure) => error(failure.status(), &format!("the service behind {}", failure.reason())),
    })
}

async fn product_page(context: &Context, request: &Parts) -> Answer {
    let mut headers = request.headers.clone();
    if let Some(user) = user_of(request.uri.query().unwrap_or_default()) {
        headers.insert(END_USER, user);
    }
    let (details, reviews) = tokio::join!(details(context, &headers), reviews(context, &headers));
    let user = headers.get(END_USER).and_then(|user| user.to_str().ok());
    let html = page::render(&View { instance: context.name, user, details: &details, reviews: &reviews });
    let mut answer = with_type(StatusCode::OK, "text/html; charset=utf-8", html);
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    answer
}

async fn details(context: &Context, headers: &HeaderMap) -> Result<Value, Failure> {
    context.client.get("details:9080", "/details/0", headers, TIMEOUT).await
}

async fn reviews(context: &Context, headers: &HeaderMap) -> Result<Value, Failure> {
    let mut answer = Err(Failure::Unreachable);
    for _ in 0..REVIEW_TRIES {
        answer = context.client.get("reviews:9080", "/reviews/0", headers, TIMEOUT).await;
        if answer.is_ok() {
            break;
        }
    }
    answer
}

/// The `user` of a query, when it can stand in a header. The form sends letters and digits as they are.
fn user_of(query: &str) -> Option<HeaderValue> {
    let user = query.split('&').find_map(|pair| pair.strip_prefix("user="))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (!user.is_empty() && user.len() <= 64 && user.bytes().all(plain))
        .then(|| HeaderValue::from_str(user).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_taken_from_the_query_when_it_is_plain() {
        let check = |query: &str, expected: Option<&str>| {
            assert_eq!(
                user_of(query).as_ref().map(HeaderValue::as_bytes),
                expected.map(str::as_bytes),
                "{query}"
            );
        };
        check("user=jason", Some("jason"));
        check("a=b&user=ann-2", Some("ann-2"));
        check("user=", None);
        check("user=a%0d%0ab", None);
        check("", None);
    }
}
