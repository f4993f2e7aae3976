//! Requests that carry too much: refused with the bound that they exceed, while the server goes on.

use api::request::{PostExplain, PostRevision, PostValidate};
use api::{Problem, Snapshot};
use http::{Method, StatusCode, header};
use http_body_util::Full;
use mesh::edit::FieldEdit;
use mesh::explain::ExplainRequest;
use mesh::{Edit, Kind, ResourceKey, Source, Sources, limits};
use serde_json::{Value, json};

use super::support::{Running, SHOP, set_file};

fn reviews() -> ResourceKey {
    ResourceKey::new(Kind::ServiceEntry, "default", "reviews")
}

fn field(path: String, value: Value) -> Edit {
    Edit::SetFields { key: reviews(), fields: vec![FieldEdit { path, value: Some(value) }] }
}

/// The problem of an answer that says which bound was exceeded.
fn limit(answer: &super::support::Answer, said: &str) {
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.text());
    let Problem { kind, detail, .. } = answer.problem();
    assert_eq!(kind, "/problems/limit");
    assert!(detail.as_ref().is_some_and(|detail| detail.contains(said)), "{detail:?}");
}

/// The codes of the diagnostics that an answer refuses with.
fn codes(answer: &super::support::Answer) -> Vec<String> {
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
    answer.problem().diagnostics.into_iter().map(|found| found.code.into_owned()).collect()
}

#[tokio::test]
async fn edits_that_are_too_deep_too_many_or_too_large_are_refused_with_the_bound() {
    let running = Running::sample().await;
    let steps = |count: usize| format!("spec{}", ".a".repeat(count - 1));
    let nested = (1..99).fold(json!(0), |inner, _| json!([inner]));
    let many = vec![field("spec.x".to_owned(), json!(1)); limits::EDITS + 1];
    for (edits, said) in [
        (vec![field(steps(4000), json!(1))], "the path of a field may have 100 steps at most, and 4000"),
        (vec![field(steps(90), nested)], "the path of a field and its value may have 100 levels at most"),
        (many, "a request may have 1000 edits at most, and 1001"),
        (vec![set_file("a.yaml", &"#".repeat(limits::FILE_BYTES + 1))], "a file may have 8388608 bytes"),
    ] {
        limit(&running.edit(1, edits.clone()).await, said);
        limit(
            &running.post("/api/v1/validate", &PostValidate { sources: None, edits: edits.clone() }).await,
            said,
        );
        let source = Source::named("workload", "productpage-v1");
        let request = ExplainRequest { host: "reviews".to_owned(), ..ExplainRequest::default() };
        let explain = PostExplain { source, request, edits };
        limit(&running.post("/api/v1/explain", &explain).await, said);
    }
    // Such as are at the bound are made, stored, told and read again.
    let nested = (1..97).fold(json!(0), |inner, _| json!([inner]));
    let deep = running.edit(1, vec![field(steps(99), json!(1)), field("spec.b.c".to_owned(), nested)]).await;
    assert_eq!(deep.status, StatusCode::CREATED, "{}", deep.text());
    let data = running.stop().await;
    let running = Running::start_in(data, Default::default()).await;
    assert_eq!(running.get("/api/v1/mesh").await.json::<Snapshot>().revision.number, 2);
    running.stop().await;
}

#[tokio::test]
async fn json_has_a_depth() {
    let running = Running::sample().await;
    let value = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let key = json!(reviews());
    let deep = format!(
        r#"{{"base":1,"edits":[{{"type":"set_fields","key":{key},"fields":[{{"path":"spec.x","value":{value}}}]}}]}}"#
    );
    let request = running.request(Method::POST, "/api/v1/revisions");
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let answer = running.send(request.body(Full::from(deep)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.problem().detail.unwrap().contains("recursion limit"), "{}", answer.text());
    running.stop().await;
}

#[tokio::test]
async fn documents_that_would_fill_the_memory_are_refused() {
    let running = Running::sample().await;
    let refused = async |text: String| codes(&running.edit(1, vec![set_file("a.yaml", &text)]).await);
    let aliases = format!("a: &a {}\nb: [{}]\n", "x".repeat(20 << 10), "*a,".repeat(20_000));
    assert_eq!(refused(aliases).await, ["MW0005"]);
    assert_eq!(refused("[".repeat(200_000)).await, ["MW0006"]);
    assert_eq!(refused(plans(2000)).await, ["MW0470"]);
    let resources = Some("x\n---\n".repeat(limits::EDITS + 1));
    let many = PostRevision { base: 1, author: None, edits: Vec::new(), resources };
    limit(&running.post("/api/v1/revisions", &many).await, "`resources` may have 1000 resources");
    assert_eq!(running.get("/api/v1/mesh").await.json::<Snapshot>().revision.number, 1, "nothing was stored");
    running.stop().await;
}

/// A mesh whose rules and those of their delegate make so many times so many.
pub(crate) fn plans(rules: usize) -> String {
    let service = |name: &str, head: &str, rules: String| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\nspec:\n{head}  http:\n{rules}"
        )
    };
    let root = "  - delegate: {name: leaf}\n".repeat(rules);
    let leaf =
        "  - match: [{headers: {x: {exact: a}}}]\n    route: [{destination: {host: shop}}]\n".repeat(rules);
    [SHOP.to_owned(), service("root", "  hosts: [shop]\n", root), service("leaf", "", leaf)].concat()
}

#[tokio::test]
async fn questions_have_bounds() {
    let running = Running::sample().await;
    let source = Source::named("workload", "productpage-v1");
    let headers = vec![("x".to_owned(), String::new()); limits::HEADERS + 1];
    let request = ExplainRequest { headers, ..Default::default() };
    let explain = PostExplain { source, request, edits: Vec::new() };
    limit(&running.post("/api/v1/explain", &explain).await, "a request may have 200 headers");
    let sources = Some(Sources::single("a.yaml", "#".repeat(limits::FILE_BYTES + 1)));
    limit(
        &running.post("/api/v1/validate", &PostValidate { sources, edits: Vec::new() }).await,
        "a file may have 8388608 bytes",
    );
    let name = "n".repeat(limits::NAME_BYTES + 1);
    limit(&running.get(&format!("/api/v1/export?kind=Gateway&name={name}")).await, "a name may have");
    running.stop().await;
}

#[tokio::test]
async fn of_changes_on_one_revision_one_is_made() {
    let running = Running::sample().await;
    let edits = (0..8).map(|at| {
        let edit = set_file("shop.yaml", &format!("{SHOP}# {at}\n"));
        let running = &running;
        async move { running.edit(1, vec![edit]).await.status }
    });
    let mut got = futures::future::join_all(edits).await;
    got.sort();
    let mut expected = [StatusCode::CONFLICT; 8];
    expected[0] = StatusCode::CREATED;
    assert_eq!(got, expected);
    // Whoever has the answer can go on from it at once.
    for base in 2..30 {
        running.set(base, "shop.yaml", &format!("{SHOP}# after {base}\n")).await;
    }
    running.stop().await;
}
