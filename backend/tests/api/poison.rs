//! Logs with a revision that cannot be run, as an older version may have stored it.

use api::request::RevisionDetail;
use api::revision::Edits;
use api::{RevisionInfo, Snapshot};
use mesh::Sources;
use meshwright::server::{Config, ServeError, Server};
use meshwright::store::{Revision, Store};
use tempfile::TempDir;

use super::limits::plans;
use super::support::{Running, SHOP};

fn log(texts: &[&str]) -> TempDir {
    let data = TempDir::new().unwrap();
    let store = Store::open(data.path()).unwrap();
    for (number, text) in (1..).zip(texts) {
        let info = RevisionInfo {
            number,
            author: "ada".to_owned(),
            at: 0,
            summary: String::new(),
            edits: Edits::default(),
            reverts: None,
        };
        let sources = Sources::single("shop.yaml", *text);
        store.append(&Revision { info, inverse: Vec::new(), sources: sources.into() }).unwrap();
    }
    data
}

#[tokio::test]
async fn a_revision_that_cannot_be_run_is_set_aside_and_said() {
    let poison = plans(2000);
    let good = SHOP.replace("shop", "store");
    let data = log(&[SHOP, &good, &poison]);
    let running = Running::start_in(data, Config::default()).await;
    let said =
        "revision 3 cannot be run and is set aside (the plans of a mesh may have 1073741824 bytes at most";
    let ready = running.get("/readyz").await;
    assert_eq!(ready.status, 200);
    assert!(ready.text().starts_with("ready; ") && ready.text().contains(said), "{}", ready.text());
    let state: Snapshot = running.get("/api/v1/mesh").await.json();
    assert_eq!((state.revision.number, state.revision.reverts), (4, Some(3)));
    assert_eq!(state.sources, Sources::single("shop.yaml", &good));
    let aside = state.set_aside.unwrap();
    assert_eq!((aside.revision, aside.runs), (3, 2));
    assert!(state.revision.summary.contains(said), "{}", state.revision.summary);
    // It is still there to be looked at, and changes go on from what runs.
    let kept: RevisionDetail = running.get("/api/v1/revisions/3").await.json();
    assert_eq!(kept.sources.0["shop.yaml"], poison);
    running.set(4, "shop.yaml", SHOP).await;
    let data = running.stop().await;
    let running = Running::start_in(data, Config::default()).await;
    assert_eq!(running.get("/readyz").await.text(), "ready");
    assert_eq!(running.get("/api/v1/mesh").await.json::<Snapshot>().set_aside, None);
    running.stop().await;
}

#[tokio::test]
async fn a_log_of_which_nothing_can_be_run_is_an_error_in_words() {
    let data = log(&[&plans(2000)]);
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let config = Config { listen, data: Some(data.path().to_owned()), ..Config::default() };
    let error = Server::start(config).await.unwrap_err();
    assert!(matches!(error, ServeError::NoneRuns(_)), "{error}");
    assert!(error.to_string().contains("the newest is 1, and the plans of a mesh"), "{error}");
}
