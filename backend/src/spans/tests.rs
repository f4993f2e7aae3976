//! Spans, from a proxy's requests to a collector over real sockets.

use std::collections::HashMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use mesh::plan::compile;
use mesh::{Mesh, Registry, Settings, Sources};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use prost::Message;
use proxy::{Config, Entry, Proxy, Tracing};
use testkit::{Server, get, reply, service};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

/// A collector, and what it gets.
async fn collector() -> (String, mpsc::UnboundedReceiver<ExportTraceServiceRequest>) {
    let (sender, received) = mpsc::unbounded_channel();
    let take = async |State(sender): State<mpsc::UnboundedSender<_>>, body: Bytes| {
        sender.send(ExportTraceServiceRequest::decode(body).unwrap()).unwrap();
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route(PATH, post(take)).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), received)
}

fn texts(attributes: &[KeyValue]) -> HashMap<String, String> {
    let text = |value: &KeyValue| match value.value.clone().and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|one| (one.key.clone(), text(one))).collect()
}

const RULES: &str = "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - match: [{uri: {prefix: /fails}}]
    fault: {abort: {percentage: {value: 100}, httpStatus: 503}}
    route: [{destination: {host: reviews, subset: v1}}]
  - route: [{destination: {host: reviews, subset: v1}}]
";

#[tokio::test]
async fn spans_reach_a_collector() {
    let upstream = Server::start(|request: http::Request<hyper::body::Incoming>| async move {
        reply(200, request.headers()["traceparent"].as_bytes().to_vec())
    })
    .await;
    let settings = Settings::default();
    let text = service("reviews", &[upstream.address().port()]) + RULES;
    let mesh = Mesh::parse(&Sources::single("mesh.yaml", text)).mesh;
    let source = Source::Workload { namespace: "shop".to_owned(), name: "productpage-v1".to_owned() };
    let plan =
        compile(&mesh, &Registry::of(&mesh, &mesh::Inventory::default(), &settings), &settings, &source, 1);
    let config = Config { threads: 1, tracing: Some(Tracing::percent(0.0)), ..Config::default() };
    let (proxy, mut events) = Proxy::start(config).unwrap();
    proxy.swap(vec![Arc::new(plan)]).await;
    let any = ["127.0.0.1:0".parse().unwrap()];
    let address = proxy.bind(Entry { source, port: Some(80) }, &any).await.unwrap();
    let (endpoint, mut received) = collector().await;
    let exporter = tokio::spawn(Exporter::new(&endpoint).unwrap().run(events.spans.take().unwrap()));

    let ask = async |path: &str, sampled: &str| {
        let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{sampled}");
        let host = "reviews.default.svc.cluster.local";
        get(address, path, &[("host", host), ("traceparent", &parent), ("user-agent", "curl")]).await.body
    };
    let unsampled = ask("/", "00").await;
    assert_eq!(unsampled, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
    let passed_on = ask("/", "01").await;
    ask("/fails", "01").await;
    // What is recorded is sent before the end.
    proxy.shutdown(Duration::from_secs(5)).await;
    exporter.await.unwrap();

    received.close();
    let mut spans = Vec::new();
    while let Some(request) = received.recv().await {
        for group in request.resource_spans {
            let resource = texts(&group.resource.unwrap().attributes);
            assert_eq!(resource["service.name"], "productpage.shop");
            spans.extend(group.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    assert_eq!(spans.len(), 2, "one was not sampled: {spans:?}");
    let fails = |span: &&opentelemetry_proto::tonic::trace::v1::Span| {
        texts(&span.attributes)["http.status_code"] == "503"
    };
    let failed = spans.iter().find(fails).unwrap();
    let well = spans.iter().find(|span| !fails(span)).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        passed_on,
        format!("00-{}-{}-01", hex(&well.trace_id), hex(&well.span_id)),
        "the upstream knows whose child it is"
    );
    assert_eq!(hex(&well.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&well.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(well.kind, 3, "a client");
    assert_eq!(well.name, "reviews.default.svc.cluster.local:80/*");
    assert!(well.end_time_unix_nano >= well.start_time_unix_nano);
    let said = texts(&well.attributes);
    for (name, value) in [
        ("http.method", "GET"),
        ("http.url", "http://reviews.default.svc.cluster.local/"),
        ("http.protocol", "HTTP/1.1"),
        ("http.status_code", "200"),
        ("upstream_cluster", "outbound|80|v1|reviews.default.svc.cluster.local"),
        ("response_flags", "-"),
        ("user_agent", "curl"),
        ("peer.address", "127.0.0.1"),
        ("upstream_address", upstream.address().to_string().as_str()),
        ("response_size", passed_on.len().to_string().as_str()),
    ] {
        assert_eq!(said[name], value, "{name}");
    }
    assert!(said["guid:x-request-id"].len() == 36 && !said.contains_key("error"));
    let said = texts(&failed.attributes);
    assert_eq!((said["response_flags"].as_str(), said["error"].as_str()), ("FI", "true"));
    assert!(!said.contains_key("upstream_address"), "it went nowhere");
}

#[test]
fn addresses_of_collectors() {
    for (given, expected) in [
        ("http://localhost:4318", Some("http://localhost:4318/v1/traces")),
        ("http://localhost:4318/", Some("http://localhost:4318/v1/traces")),
        ("https://collector/own/v1/traces", Some("https://collector/own/v1/traces")),
        ("localhost:4318", None),
        ("unix:///x", None),
        ("", None),
    ] {
        let found = Exporter::new(given).ok().map(|exporter| exporter.endpoint.to_string());
        assert_eq!(found.as_deref(), expected, "{given}");
    }
}
