//! A mesh from a folder: what changes on disk is proposed, never taken by itself, and nothing is written there.

use std::fs;

use api::request::PostAccept;
use api::{Delta, Snapshot};
use http::StatusCode;
use serde_json::json;

use super::support::{Events, Running, SHOP};

async fn proposal(events: &mut Events) -> Option<api::state::Proposal> {
    events
        .find(|event| match event.delta {
            Delta::Proposal(proposal) => Some(proposal),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn what_cannot_be_read_is_said_with_its_reason_and_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop.yaml");
    fs::write(&shop, SHOP).unwrap();
    fs::write(folder.path().join("old.yaml"), b"a: \xff\n").unwrap();
    let said = |unread: &[mesh::Diagnostic]| -> Vec<(String, String)> {
        let file = |one: &mesh::Diagnostic| one.place.as_ref().unwrap().file.clone();
        unread.iter().map(|one| (file(one), one.code.to_string())).collect()
    };
    let old = ("old.yaml".to_owned(), "MW0015".to_owned());
    // It starts with what it can read.
    let running = Running::folder(folder.path()).await;
    let head: Snapshot = running.get("/api/v1/mesh").await.json();
    assert_eq!(said(&head.unread), std::slice::from_ref(&old));
    assert_eq!(head.sources.0.len(), 1);

    let mut events = running.events(None).await;
    let utf16: Vec<u8> = "\u{feff}a: 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&shop, utf16).unwrap();
    let found = events
        .find(|event| match event.delta {
            Delta::Unread(unread) => Some(unread),
            _ => None,
        })
        .await;
    assert_eq!(said(&found), [old, ("shop.yaml".to_owned(), "MW0015".to_owned())]);
    assert!(found[1].message.contains("UTF-16"), "{found:?}");
    let head: Snapshot = running.get("/api/v1/mesh").await.json();
    assert_eq!((head.proposal, head.unread), (None, found), "what cannot be read is not gone");
    running.stop().await;
}

#[tokio::test]
async fn changes_on_disk_are_proposed_and_taken_or_dismissed() {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop.yaml");
    fs::write(&shop, SHOP).unwrap();
    let running = Running::folder(folder.path()).await;
    let mut events = running.events(None).await;
    let changed = SHOP.replace("version: v2", "version: v3");
    fs::write(&shop, &changed).unwrap();
    fs::write(folder.path().join("notes.txt"), "no mesh").unwrap();
    let found = proposal(&mut events).await.unwrap();
    assert_eq!(found.files, [("shop.yaml".to_owned(), Some(changed.clone()))]);
    let head: Snapshot = running.get("/api/v1/mesh").await.json();
    assert_eq!((head.revision.number, head.proposal), (1, Some(found)), "nothing happens by itself");

    let body = PostAccept { base: 1, author: Some("bea".to_owned()) };
    let accepted = running.post("/api/v1/proposal/accept", &body).await;
    assert_eq!(accepted.status, StatusCode::CREATED, "{}", accepted.text());
    assert_eq!(proposal(&mut events).await, None);
    let head: Snapshot = running.get("/api/v1/mesh").await.json();
    assert_eq!(head.sources.0["shop.yaml"], changed);
    assert_eq!(head.revision.author, "bea");

    // What is changed in the browser stays there.
    running.set(2, "shop.yaml", SHOP).await;
    assert_eq!(fs::read_to_string(&shop).unwrap(), changed);

    fs::write(folder.path().join("more.yaml"), SHOP.replace("shop", "more")).unwrap();
    assert!(proposal(&mut events).await.is_some());
    assert_eq!(running.post("/api/v1/proposal/dismiss", &json!(null)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(proposal(&mut events).await, None);
    assert_eq!(running.post("/api/v1/proposal/dismiss", &json!(null)).await.status, StatusCode::NOT_FOUND);

    // Changed while the server was away; what was dismissed is not asked again.
    let data = running.stop().await;
    fs::write(&shop, "# new\n").unwrap();
    let config = meshwright::server::Config { mesh: Some(folder.path().to_owned()), ..Default::default() };
    let running = Running::start_in(data, config).await;
    let mut events = running.events(None).await;
    let found = events
        .find(|event| match event.delta {
            Delta::Snapshot(snapshot) => snapshot.proposal,
            Delta::Proposal(proposal) => proposal,
            _ => None,
        })
        .await;
    assert_eq!(found.files, [("shop.yaml".to_owned(), Some("# new\n".to_owned()))]);
    running.stop().await;
}

#[tokio::test]
async fn a_folder_has_istios_defaults_and_the_sample_its_own() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop.yaml"), SHOP).unwrap();
    let asked = meshwright::settings::SettingsArgs {
        request_timeout: Some(std::time::Duration::from_secs(3)),
        ..Default::default()
    };
    let of = |mesh, settings| meshwright::server::Config { mesh, settings, ..Default::default() };
    let mesh = Some(folder.path().to_owned());
    for (config, expected) in [
        (of(mesh.clone(), Default::default()), (0, "LEAST_REQUEST")),
        (of(mesh, asked), (3_000, "LEAST_REQUEST")),
        (of(None, Default::default()), (15_000, "ROUND_ROBIN")),
    ] {
        let running = Running::start(config).await;
        let settings = running.get("/api/v1/mesh").await.json::<Snapshot>().settings;
        assert_eq!((settings.request_timeout_millis, settings.load_balancer.name()), expected);
        running.stop().await;
    }
}
