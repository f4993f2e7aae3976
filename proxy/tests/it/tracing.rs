//! Traces: what the next hop is told, with tracing and without.

use proxy::{Config, Tracing};

use crate::plans::{Draft, cluster, to_first};
use crate::support::{Rig, Server, get};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What an upstream is told, a line for each header.
async fn told(tracing: Option<Tracing>, headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let server = Server::echo().await;
    let plan = Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| ())]).plan();
    let rig = Rig::with(Config { threads: 1, tracing, ..Config::default() }, plan).await;
    let body = get(rig.address, "/", headers).await.body;
    let lines = body.lines().filter_map(|line| line.split_once(": "));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn value<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn without_tracing_headers_pass_unchanged() {
    let sent = [
        ("traceparent", PARENT),
        ("tracestate", "vendor=1,other=2"),
        ("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1"),
        ("x-b3-traceid", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("x-b3-spanid", "00f067aa0ba902b7"),
        ("x-b3-parentspanid", "05e3ac9a4f6e3b90"),
        ("x-b3-sampled", "1"),
        ("x-b3-flags", "1"),
    ];
    let headers = told(None, &sent).await;
    for (name, sent) in sent {
        assert_eq!(value(&headers, name), Some(sent), "{name}");
    }
    assert_eq!(value(&told(None, &[]).await, "traceparent"), None, "none is made up");
}

#[tokio::test]
async fn with_tracing_the_next_hop_is_a_child() {
    let all = Some(Tracing::percent(100.0));
    let headers = told(all, &[("traceparent", PARENT), ("tracestate", "vendor=1")]).await;
    let own = value(&headers, "traceparent").unwrap();
    assert!(own.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && own.ends_with("-01"), "{own}");
    assert_ne!(own, PARENT, "the proxy has a span of its own");
    assert_eq!(value(&headers, "tracestate"), Some("vendor=1"));

    let headers = told(all, &[("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0")]).await;
    assert_eq!(
        value(&headers, "b3"),
        Some("4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"),
        "not wanted"
    );

    let b3 =
        [("x-b3-traceid", "a3ce929d0e0e4736"), ("x-b3-spanid", "00f067aa0ba902b7"), ("x-b3-sampled", "1")];
    let headers = told(all, &b3).await;
    assert_eq!(value(&headers, "x-b3-traceid"), Some("0000000000000000a3ce929d0e0e4736"));
    assert_eq!(value(&headers, "x-b3-parentspanid"), Some("00f067aa0ba902b7"));

    let headers = told(all, &[]).await;
    assert!(value(&headers, "traceparent").unwrap().ends_with("-01"), "a trace begins here");
    let headers = told(Some(Tracing::percent(0.0)), &[]).await;
    assert!(value(&headers, "traceparent").unwrap().ends_with("-00"), "the next hop need not draw again");
}
