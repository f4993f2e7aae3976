//! One request and its answer. Errors are problem details, or the network.

use api::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// The server said no.
    Problem(Box<Problem>),
    /// The server did not answer, or not in its language.
    Network(String),
}

impl Failure {
    /// The head moved since what this was made on.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.kind == "/problems/stale-base")
    }

    /// The server has no room for another revision.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.kind == "/problems/disk-full")
    }

    /// What to tell a person: what happened and what to do.
    pub fn text(&self) -> String {
        match self {
            Self::Problem(problem) => {
                let mut text = problem.title.clone();
                if let Some(detail) = &problem.detail {
                    text.push_str(": ");
                    text.push_str(detail);
                }
                for diagnostic in problem.diagnostics.iter().take(3) {
                    text.push_str(" · ");
                    text.push_str(&diagnostic.message);
                }
                text
            }
            Self::Network(why) => {
                format!("The server cannot be reached ({why}). The draft is kept; try again when it runs.")
            }
        }
    }
}

pub(super) async fn get<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    parse(&text("GET", path, None).await?)
}

pub(super) async fn get_text(path: &str) -> Result<String, Failure> {
    text("GET", path, None).await
}

pub(super) async fn post_empty(path: &str) -> Result<(), Failure> {
    text("POST", path, None).await.map(|_| ())
}

pub(super) async fn send<B: Serialize, T: DeserializeOwned>(
    method: &str,
    path: &str,
    body: &B,
) -> Result<T, Failure> {
    // Bodies are made of texts, numbers, lists and maps: there is nothing in them that JSON cannot say.
    let body = serde_json::to_string(body)
        .map_err(|_| Failure::Network("the request cannot be written as JSON".to_owned()))?;
    parse(&text(method, path, Some(&body)).await?)
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    // With the name of the field that is not what was expected.
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text))
        .map_err(|error| Failure::Network(error.to_string()))
}

async fn text(method: &str, path: &str, body: Option<&str>) -> Result<String, Failure> {
    let (status, text) =
        exchange(method, path, body).await.map_err(|error| Failure::Network(message(&error)))?;
    if status < 400 {
        return Ok(text);
    }
    Err(Failure::Problem(Box::new(serde_json::from_str(&text).unwrap_or_else(|_| Problem {
        kind: "about:blank".to_owned(),
        title: format!("The server answered {status}"),
        status,
        detail: None,
        head: None,
        diagnostics: Vec::new(),
    }))))
}

async fn exchange(method: &str, path: &str, body: Option<&str>) -> Result<(u16, String), JsValue> {
    let init = web_sys::RequestInit::new();
    init.set_method(method);
    if let Some(body) = body {
        let headers = web_sys::Headers::new()?;
        headers.set("content-type", "application/json")?;
        init.set_headers(&headers);
        init.set_body(&JsValue::from_str(body));
    }
    let promise = leptos::prelude::window().fetch_with_str_and_init(path, &init);
    let response: web_sys::Response = JsFuture::from(promise).await?.dyn_into()?;
    let text = JsFuture::from(response.text()?).await?;
    Ok((response.status(), text.as_string().unwrap_or_default()))
}

fn message(error: &JsValue) -> String {
    error.dyn_ref::<js_sys::Error>().map_or_else(|| "no answer".to_owned(), |error| error.message().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_problem_calls_for() {
        for (kind, stale, full) in [
            ("/problems/stale-base", true, false),
            ("/problems/disk-full", false, true),
            // Of the same status as a stale base, and nobody was faster.
            ("/problems/revert", false, false),
            ("about:blank", false, false),
        ] {
            let problem = Problem {
                kind: kind.to_owned(),
                title: String::new(),
                status: 409,
                detail: None,
                head: None,
                diagnostics: Vec::new(),
            };
            let failure = Failure::Problem(Box::new(problem));
            assert_eq!((failure.is_stale(), failure.is_disk_full()), (stale, full), "{kind}");
        }
        assert!(!Failure::Network(String::new()).is_stale());
    }
}
