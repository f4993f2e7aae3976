//! Revisions: made, refused, read, taken back, exported.

use api::request::{History, PostAccept, PostRevert, PostRevision, PostValidate, RevisionDetail, Validation};
use api::state::TargetState;
use api::{Delta, Snapshot};
use http::{Method, StatusCode, header};
use http_body_util::Full;
use mesh::{Edit, Kind, ResourceKey};
use serde_json::json;

use super::support::{Running, SHOP, set_file};

#[tokio::test]
async fn a_revision_is_made_told_applied_and_there_after_a_restart() {
    let running = Running::sample().await;
    let mut events = running.events(None).await;
    let new = running.set(1, "shop.yaml", SHOP).await;
    assert_eq!((new.revision.number, new.revision.author.as_str()), (2, "ada"));
    let files = events
        .find(|event| match event.delta {
            Delta::Revision { info, files } if info.number == 2 => Some(files),
            _ => None,
        })
        .await;
    assert_eq!(files, [("shop.yaml".to_owned(), Some(SHOP.to_owned()))]);
    let millis = events
        .find(|event| match event.delta {
            Delta::Target(status) => match status.state {
                TargetState::Applied { revision: 2, millis, .. } => Some(millis),
                _ => None,
            },
            _ => None,
        })
        .await;
    assert!(millis > 0.0);
    let before: Snapshot = running.get("/api/v1/mesh").await.json();
    let data = running.stop().await;
    let running = Running::start_in(data, Default::default()).await;
    let after: Snapshot = running.get("/api/v1/mesh").await.json();
    assert_eq!(
        (after.revision, after.sources, after.history),
        (before.revision, before.sources, before.history)
    );
    running.stop().await;
}

#[tokio::test]
async fn a_stale_base_is_told_the_head() {
    let running = Running::sample().await;
    running.set(1, "shop.yaml", SHOP).await;
    let answer = running.edit(1, vec![set_file("shop.yaml", "other")]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let problem = answer.problem();
    assert_eq!((problem.kind.as_str(), problem.head), ("/problems/stale-base", Some(2)));
    running.stop().await;
}

#[tokio::test]
async fn new_errors_are_refused_with_diagnostics_and_change_nothing() {
    let running = Running::sample().await;
    let broken = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: [\n";
    let answer = running.edit(1, vec![set_file("broken.yaml", broken)]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let problem = answer.problem();
    assert_eq!(problem.kind, "/problems/invalid");
    assert!(
        problem.diagnostics.iter().any(|it| it.place.as_ref().is_some_and(|it| it.file == "broken.yaml"))
    );
    let validated = running
        .post(
            "/api/v1/validate",
            &PostValidate { sources: None, edits: vec![set_file("broken.yaml", broken)] },
        )
        .await;
    let validation: Validation = validated.json();
    assert!(problem.diagnostics.iter().all(|it| validation.diagnostics.contains(it)));
    let head: Snapshot = running.get("/api/v1/mesh").await.json();
    assert_eq!(head.revision.number, 1);
    running.stop().await;
}

#[tokio::test]
async fn an_edit_that_changes_nothing_makes_no_revision() {
    let running = Running::sample().await;
    let text = running.get("/api/v1/mesh").await.json::<Snapshot>().sources.0["reviews.yaml"].clone();
    let answer = running.edit(1, vec![set_file("reviews.yaml", &text)]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json::<api::request::NewRevision>().revision.number, 1);
    running.stop().await;
}

#[tokio::test]
async fn a_revision_is_taken_back_also_from_under_others() {
    let running = Running::sample().await;
    let original: Snapshot = running.get("/api/v1/mesh").await.json();
    let changed = format!("# a note\n{}", original.sources.0["ratings.yaml"]);
    running.set(1, "ratings.yaml", &changed).await;
    running.set(2, "shop.yaml", SHOP).await;
    let revert = |number: u64, base: u64| {
        let body = PostRevert { base, author: None };
        let running = &running;
        async move { running.post(&format!("/api/v1/revisions/{number}/revert"), &body).await }
    };
    assert_eq!(revert(2, 2).await.problem().kind, "/problems/stale-base");
    assert_eq!(revert(9, 3).await.status, StatusCode::NOT_FOUND);
    assert_eq!(revert(1, 3).await.problem().kind, "/problems/revert");
    let answer = revert(2, 3).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let info = answer.json::<api::request::NewRevision>().revision;
    assert_eq!((info.number, info.reverts, info.author.as_str()), (4, Some(2), "anonymous"));
    let now: Snapshot = running.get("/api/v1/mesh").await.json();
    assert_eq!(now.sources.0["ratings.yaml"], original.sources.0["ratings.yaml"], "byte for byte");
    assert_eq!(now.sources.0["shop.yaml"], SHOP, "what others did stays");
    // And again: undoing the undo.
    assert_eq!(revert(4, 4).await.status, StatusCode::CREATED);
    let now: Snapshot = running.get("/api/v1/mesh").await.json();
    assert_eq!(now.sources.0["ratings.yaml"], changed);
    // Revision 3 made the file; once someone built on it, it cannot go.
    running.set(5, "shop.yaml", &SHOP.replace("version: v2", "version: v3")).await;
    let refused = revert(3, 6).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.problem().detail.unwrap().contains("ServiceEntry default/shop"), "{}", refused.text());
    running.stop().await;
}

#[tokio::test]
async fn history_and_single_revisions_are_read() {
    let running = Running::sample().await;
    for base in 1..6 {
        running.set(base, "shop.yaml", &format!("{SHOP}# {base}\n")).await;
    }
    let page: History = running.get("/api/v1/revisions?limit=4").await.json();
    assert_eq!(page.revisions.iter().map(|info| info.number).collect::<Vec<_>>(), [6, 5, 4, 3]);
    let page: History =
        running.get(&format!("/api/v1/revisions?limit=4&before={}", page.next.unwrap())).await.json();
    assert_eq!(page.revisions.iter().map(|info| info.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(page.next, None);
    let detail: RevisionDetail = running.get("/api/v1/revisions/3").await.json();
    assert_eq!(detail.sources.0["shop.yaml"], format!("{SHOP}# 2\n"));
    assert!(detail.diff.ends_with("-# 1\n+# 2\n"), "{}", detail.diff);
    for (path, status) in [
        ("/api/v1/revisions/7", StatusCode::NOT_FOUND),
        ("/api/v1/revisions/x", StatusCode::NOT_FOUND),
        ("/api/v1/revisions?limit=x", StatusCode::BAD_REQUEST),
    ] {
        let answer = running.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        answer.problem();
    }
    running.stop().await;
}

#[tokio::test]
async fn whole_resources_are_replaced_or_added() {
    let running = Running::sample().await;
    let resources = format!("{SHOP}---\n{}", SHOP.replace("shop", "store"));
    let request = PostRevision { base: 1, author: None, edits: vec![], resources: Some(resources) };
    let answer = running.post("/api/v1/revisions", &request).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let export = running.get("/api/v1/export?kind=ServiceEntry&name=store").await;
    assert_eq!(export.text().trim_end(), SHOP.replace("shop", "store").trim_end());
    let resources = SHOP.replace("version: v2", "version: v9");
    let request = PostRevision { base: 2, author: None, edits: vec![], resources: Some(resources.clone()) };
    assert_eq!(running.post("/api/v1/revisions", &request).await.status, StatusCode::CREATED);
    let export = running.get("/api/v1/export?kind=ServiceEntry&namespace=default&name=shop").await;
    assert_eq!(export.text().trim_end(), resources.trim_end());
    running.stop().await;
}

#[tokio::test]
async fn an_edit_that_does_not_fit_is_refused_in_words() {
    let running = Running::sample().await;
    let key = ResourceKey::new(Kind::Gateway, "default", "nowhere");
    let answer = running.edit(1, vec![Edit::RemoveResource { key }]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.problem().kind, "/problems/edit");
    running.stop().await;
}

#[tokio::test]
async fn the_export_is_what_the_revision_has() {
    let running = Running::sample().await;
    let sources = running.get("/api/v1/mesh").await.json::<Snapshot>().sources;
    let yaml = running.get("/api/v1/export").await;
    assert_eq!(yaml.headers[header::CONTENT_TYPE], "application/yaml");
    assert_eq!(yaml.headers[header::CONTENT_DISPOSITION], "attachment; filename=\"bookinfo-1.yaml\"");
    assert_eq!(yaml.text(), meshwright::export::one_file(&sources));
    for text in sources.0.values() {
        assert!(yaml.text().contains(text.as_str()));
    }
    let zip = running.get("/api/v1/export?format=zip&revision=1").await;
    assert_eq!(zip.headers[header::CONTENT_TYPE], "application/zip");
    assert_eq!(zip.body, meshwright::export::zip(&sources).unwrap());
    for path in ["/api/v1/export?revision=5", "/api/v1/export?kind=Gateway&name=nowhere"] {
        assert_eq!(running.get(path).await.problem().status, 404, "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn bodies_that_are_not_understood_are_problems() {
    let running = Running::sample().await;
    let post = |kind: Option<&str>, body: &str| {
        let mut request = running.request(Method::POST, "/api/v1/revisions");
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        running.send(request.body(Full::from(body.to_owned())).unwrap())
    };
    let json = Some("application/json");
    for (kind, body, status) in [
        (None, "{}", 415),
        (Some("text/plain"), "{}", 415),
        (json, "{", 400),
        (json, r#"{"base": -1}"#, 400),
        (json, r#"{"base": 1, "edits": [{"type": "no_such_edit"}]}"#, 400),
    ] {
        let answer = post(kind, body).await;
        assert_eq!(answer.problem().status, status, "{kind:?} {body}");
    }
    let large = format!(r#"{{"base": 1, "resources": "{}"}}"#, "x".repeat(17 << 20));
    assert_eq!(post(json, &large).await.problem().status, 413);
    let body = PostAccept { base: 1, author: None };
    assert_eq!(running.post("/api/v1/proposal/accept", &body).await.problem().status, 404);
    assert_eq!(running.get("/api/v1/nothing").await.problem().status, 404);
    assert_eq!(running.post("/api/v1/nothing", &json!({})).await.problem().status, 404);
    assert_eq!(running.post("/api/v1/mesh", &json!({})).await.problem().status, 405);
    for (rate, status) in [(-1.0, 400), (5001.0, 400)] {
        let answer = running.json(Method::PUT, "/api/v1/load", &json!({"rate": rate})).await;
        assert_eq!(answer.problem().status, status, "{rate}");
    }
    running.stop().await;
}
