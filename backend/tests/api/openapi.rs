//! The OpenAPI document and the routes say the same.

use std::collections::BTreeSet;

use http::Method;
use http_body_util::Full;
use serde_json::Value;

use super::support::Running;

/// What DESIGN.md promises, and what was added to it.
const PROMISED: [&str; 14] = [
    "get /mesh",
    "get /events",
    "get /revisions",
    "post /revisions",
    "get /revisions/{number}",
    "post /revisions/{number}/revert",
    "post /proposal/accept",
    "post /proposal/dismiss",
    "post /validate",
    "post /explain",
    "post /cluster/preview",
    "get /export",
    "put /load",
    "get /openapi.json",
];

fn described(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |it| format!("{it} {path}")))
        .collect()
}

#[tokio::test]
async fn the_document_describes_the_routes_and_the_routes_exist() {
    let running = Running::sample().await;
    let document: Value = running.get("/api/v1/openapi.json").await.json();
    assert_eq!(document["servers"][0]["url"], "/api/v1");
    let mut expected: BTreeSet<_> = PROMISED.iter().map(|route| (*route).to_owned()).collect();
    // The document does not describe itself.
    expected.remove("get /openapi.json");
    assert_eq!(described(&document), expected);

    for route in &expected {
        let (method, path) = route.split_once(' ').unwrap();
        let method: Method = method.to_uppercase().parse().unwrap();
        let path = format!("/api/v1{}", path.replace("{number}", "1"));
        if path.ends_with("/events") {
            running.events(None).await;
            continue;
        }
        // Without a body, those that need one refuse it; none may be unknown.
        let answer = running.send(running.request(method, &path).body(Full::default()).unwrap()).await;
        let unknown = answer.status == 404 && answer.text().contains("there is nothing at");
        assert!(!unknown && answer.status != 405, "{route}: {} {}", answer.status, answer.text());
    }
    running.stop().await;
}

#[tokio::test]
async fn every_reference_leads_to_a_schema() {
    let running = Running::sample().await;
    let document: Value = running.get("/api/v1/openapi.json").await.json();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    running.stop().await;
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}
