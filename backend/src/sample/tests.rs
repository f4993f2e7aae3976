//! The sample over real sockets, with a forwarder by `Host` in the proxy's place.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;

/// What went through the forwarder: caller, host, and headers.
type Calls = Arc<Mutex<Vec<(String, String, HeaderMap)>>>;

/// A running sample whose every hop crosses a forwarder.
struct Bench {
    running: Running,
    calls: Calls,
    client: Client<HttpConnector, Empty<Bytes>>,
}

/// Starts the sample on free ports; `hosts` says which instance a host leads to, and a host that it does not name gets 503.
async fn bench(hosts: &[(&'static str, &'static str)]) -> Bench {
    let calls = Calls::default();
    let ports = Arc::new(OnceLock::<BTreeMap<String, u16>>::new());
    let mut addresses = BTreeMap::new();
    for (workload, _, _) in INSTANCES {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.insert(workload, listener.local_addr().unwrap());
        let routes: BTreeMap<_, _> = hosts.iter().copied().collect();
        tokio::spawn(forward(listener, workload, routes, ports.clone(), calls.clone()));
    }
    let wanted = super::ports().into_keys().map(|name| (name, 0)).collect();
    let running = start(move |workload| addresses.get(workload).copied(), &wanted).await.unwrap();
    ports.set(running.ports.clone()).unwrap();
    Bench { running, calls, client: Client::builder(TokioExecutor::new()).build_http() }
}

async fn forward(
    listener: TcpListener,
    workload: &'static str,
    routes: BTreeMap<&'static str, &'static str>,
    ports: Arc<OnceLock<BTreeMap<String, u16>>>,
    calls: Calls,
) {
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    while let Ok((stream, _)) = listener.accept().await {
        let (routes, ports, calls, client) = (routes.clone(), ports.clone(), calls.clone(), client.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let host = request.headers()["host"].to_str().unwrap().to_owned();
            calls.lock().unwrap().push((workload.to_owned(), host.clone(), request.headers().clone()));
            let port = routes.get(host.as_str()).map(|instance| ports.get().unwrap()[*instance]);
            let client = client.clone();
            async move {
                let Some(port) = port else {
                    let mut response = Response::new(Full::default());
                    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                    return Ok::<_, Infallible>(response);
                };
                let uri = format!("http://127.0.0.1:{port}{}", request.uri().path());
                let mut onward = Request::get(uri);
                *onward.headers_mut().unwrap() = request.headers().clone();
                let (parts, body) =
                    client.request(onward.body(Empty::new()).unwrap()).await.unwrap().into_parts();
                Ok(Response::from_parts(parts, Full::new(body.collect().await.unwrap().to_bytes())))
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

impl Bench {
    async fn get(&self, instance: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
        let mut request = Request::get(format!("http://127.0.0.1:{}{path}", self.running.ports[instance]));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.client.request(request.body(Empty::new()).unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

const ALL: [(&str, &str); 4] = [
    ("details:9080", "details-v1"),
    ("reviews:9080", "reviews-v2"),
    ("ratings:9080", "ratings-v1"),
    ("books.example.com", "books"),
];

#[tokio::test]
async fn the_page_shows_what_three_services_say() {
    let bench = bench(&ALL).await;
    let (status, html) = bench.get("productpage-v1", "/productpage", &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("5 of 5 stars, black"), "{html}");
    assert!(html.contains("reviews by <code>reviews-v2</code>"));
    assert!(html.contains("Meshwright Press"));
    assert!(html.contains("served by <code>productpage-v1</code>"));
    assert!(!html.contains("role=\"alert\""));
}

#[tokio::test]
async fn every_hop_goes_through_its_own_outbound_listener_with_the_headers_of_the_request() {
    let bench = bench(&ALL).await;
    let sent = [("x-request-id", "r-1"), ("traceparent", "00-a-b-01"), ("b3", "0"), ("x-other", "stays")];
    bench.get("productpage-v1-b", "/productpage?user=jason", &sent).await;
    let calls = bench.calls.lock().unwrap();
    let mut hops: Vec<_> = calls
        .iter()
        .map(|(caller, host, _)| (caller.as_str(), host.as_str()))
        .filter(|(_, host)| *host != "books.example.com")
        .collect();
    hops.sort_unstable();
    let expected = [
        ("productpage-v1-b", "details:9080"),
        ("productpage-v1-b", "reviews:9080"),
        ("reviews-v2", "ratings:9080"),
    ];
    assert_eq!(hops, expected);
    for (_, host, headers) in calls.iter() {
        assert_eq!(headers["x-request-id"], "r-1", "{host}");
        assert_eq!(headers["traceparent"], "00-a-b-01", "{host}");
        assert_eq!(headers["b3"], "0", "{host}");
        assert_eq!(headers["end-user"], "jason", "{host}");
        assert!(!headers.contains_key("x-other"), "{host}");
    }
}

#[tokio::test]
async fn failures_are_told_of_and_the_rest_of_the_page_is_shown() {
    let without = |host: &str| ALL.into_iter().filter(|(name, _)| *name != host).collect::<Vec<_>>();
    for (missing, expected) in [
        ("ratings:9080", "Ratings are not available"),
        ("reviews:9080", "cannot show the reviews just now: the service answered 503"),
        ("details:9080", "cannot show the details just now: the service answered 503"),
    ] {
        let bench = bench(&without(missing)).await;
        let (status, html) = bench.get("productpage-v1", "/productpage", &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert!(html.contains(expected), "without {missing}: {html}");
        let reviews =
            bench.calls.lock().unwrap().iter().filter(|(_, host, _)| host == "reviews:9080").count();
        assert_eq!(reviews, if missing == "reviews:9080" { 2 } else { 1 }, "without {missing}: one retry");
    }
}

#[tokio::test]
async fn versions_differ_in_their_stars() {
    for (instance, color) in
        [("reviews-v1", None), ("reviews-v2", Some("black")), ("reviews-v3", Some("red"))]
    {
        let bench = bench(&ALL).await;
        let (_, body) = bench.get(instance, "/reviews/0", &[]).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["podname"], instance);
        assert_eq!(body["reviews"][0]["rating"]["color"].as_str(), color, "{instance}");
        assert_eq!(bench.calls.lock().unwrap().len(), usize::from(color.is_some()), "{instance}");
    }
}

#[tokio::test]
async fn the_json_api_answers_and_passes_failures_on() {
    let bench = bench(&ALL[..2]).await;
    let check = async |path: &str, status: u16, part: &str| {
        let (actual, body) = bench.get("productpage-v1", path, &[]).await;
        assert_eq!(actual.as_u16(), status, "{path}: {body}");
        assert!(body.contains(part), "{path}: {body}");
    };
    check("/api/v1/products", 200, "Comedy").await;
    check("/api/v1/products/0", 200, "isbn").await;
    check("/api/v1/products/0/reviews", 200, "reviews-v2").await;
    check("/api/v1/products/0/ratings", 503, "answered 503").await;
    check("/api/v1/products/7", 404, "error").await;
    check("/nothing", 404, "error").await;
    check("/health", 200, "productpage-v1 is healthy").await;
}

#[tokio::test]
async fn without_an_outbound_listener_nobody_is_there() {
    let running = start(|_| None, &BTreeMap::from([("productpage-v1".to_owned(), 0)])).await.unwrap();
    assert_eq!(running.ports.len(), 1, "only what was asked for");
    let bench = Bench {
        running,
        calls: Calls::default(),
        client: Client::builder(TokioExecutor::new()).build_http(),
    };
    let (status, html) = bench.get("productpage-v1", "/productpage", &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("could not be reached"));
}

#[tokio::test]
async fn a_taken_port_is_replaced() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let running = start(|_| None, &BTreeMap::from([("ratings-v1".to_owned(), port)])).await.unwrap();
    let actual = running.ports["ratings-v1"];
    assert_ne!(actual, port);
    assert_eq!(running.actual_port(port), actual);
    assert_eq!(running.actual_port(1), 1);
}

#[tokio::test]
async fn stopping_frees_the_ports() {
    let running = start(|_| None, &BTreeMap::from([("ratings-v1".to_owned(), 0)])).await.unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], running.ports["ratings-v1"]));
    tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), running.stop()).await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[test]
fn the_files_give_every_instance_its_port() {
    let text: String = mesh().0.into_values().collect();
    for (name, port, _) in INSTANCES {
        assert!(text.contains(&format!("name: {name}\n")), "{name}");
        assert!(text.contains(&format!("http: {port}\n")), "{name} on {port}");
    }
}
