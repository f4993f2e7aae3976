//! The access log: what is written of requests, whatever way they end.

use std::time::Duration;

use mesh::plan::{AbortWith, Fault};
use proxy::{AccessLog, Config, Format};

use crate::plans::{Draft, cluster, faulty, to_first};
use crate::support::{Rig, Server, get};

/// The log of one request by a plan, written to its end.
async fn logged(format: Format, fault: Option<Fault>) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let server = Server::named("v1").await;
    let route = fault.map_or_else(|| to_first(|_| ()), faulty);
    let plan = Draft::new(vec![cluster("v1", &[&server])], vec![route]).plan();
    let log = AccessLog { path: Some(path.clone()), format };
    let rig = Rig::with(Config { threads: 1, access_log: Some(log), ..Config::default() }, plan).await;
    get(rig.address, "/a?b=c", &[("user-agent", "curl"), ("x-request-id", "one")]).await;
    rig.proxy.shutdown(Duration::from_secs(5)).await;
    (std::fs::read_to_string(path).unwrap(), server.address().to_string())
}

#[tokio::test]
async fn a_line_is_envoys() {
    let (log, upstream) = logged(Format::Envoy, None).await;
    let (time, rest) = log.trim_end().split_once("] ").unwrap();
    assert_eq!(time.len(), "[2026-01-01T00:00:00.000Z".len(), "{log}");
    assert!(rest.starts_with("\"GET /a?b=c HTTP/1.1\" 200 - 0 2 "), "{log}");
    assert!(rest.ends_with(&format!(" \"-\" \"curl\" \"one\" \"reviews\" \"{upstream}\"")), "{log}");
    assert_eq!(log.lines().count(), 1);
}

#[tokio::test]
async fn a_line_may_be_json() {
    let fault = Fault { delay: None, abort: Some((1_000_000, AbortWith::Http(418))) };
    let (log, _) = logged(Format::Json, Some(fault)).await;
    let line: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!(line["response_code"], 418);
    assert_eq!(line["response_flags"], "FI");
    assert_eq!(line["path"], "/a?b=c");
    assert_eq!(line["upstream_host"], serde_json::Value::Null, "it went nowhere");
}
