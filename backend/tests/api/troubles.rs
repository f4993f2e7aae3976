//! Instances that are not used and limits that are reached, from the traffic to the event stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use api::{Delta, Snapshot, Trouble, TroubleKind};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mesh::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;

use super::support::{Events, Running};

/// An instance: `/healthz` answers with its health, `/held` when it is let, and anything else with its mood.
struct Instance {
    port: u16,
    health: AtomicU16,
    mood: AtomicU16,
    held: Notify,
    go: Semaphore,
}

impl Instance {
    async fn start() -> (Arc<Self>, AbortHandle) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let instance = Arc::new(Self {
            port: listener.local_addr().unwrap().port(),
            health: AtomicU16::new(200),
            mood: AtomicU16::new(200),
            held: Notify::new(),
            go: Semaphore::new(0),
        });
        let own = Arc::clone(&instance);
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let instance = Arc::clone(&own);
                tokio::spawn(async move {
                    let mut read = [0; 4096];
                    let length = stream.read(&mut read).await.unwrap_or(0);
                    let request = String::from_utf8_lossy(&read[..length]).into_owned();
                    let mood =
                        if request.starts_with("GET /healthz ") { &instance.health } else { &instance.mood };
                    if request.starts_with("GET /held ") {
                        instance.held.notify_one();
                        instance.go.acquire().await.unwrap().forget();
                    }
                    let status = mood.load(Ordering::SeqCst);
                    let answer =
                        format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        (instance, task.abort_handle())
    }
}

fn shop(port: u16, annotation: &str, policy: &str) -> String {
    format!(
        "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: shop}}
spec:
  hosts: [shop.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 127.0.0.1, ports: {{http: {port}}}, labels: {{app: shop}}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: shop
  annotations: {{{annotation}}}
spec:
  host: shop
  trafficPolicy: {policy}
"
    )
}

/// What troubles there are once this holds of them.
async fn troubles(events: &mut Events, wanted: impl Fn(&[Trouble]) -> bool) -> Vec<Trouble> {
    events
        .find(|event| match event.delta {
            Delta::Troubles(troubles) => wanted(&troubles).then_some(troubles),
            _ => None,
        })
        .await
}

async fn ask(running: &Running, path: &str) -> StatusCode {
    let snapshot: Snapshot = running.get("/api/v1/mesh").await.json();
    let caller = Source::Workload { namespace: "default".to_owned(), name: "shop".to_owned() };
    let listener = snapshot.listeners.iter().find(|listener| listener.source == caller).unwrap();
    let request = Request::builder()
        .method(Method::GET)
        .uri(format!("http://{}{path}", listener.address))
        .header(header::HOST, "shop.default.svc.cluster.local")
        .body(Full::<bytes::Bytes>::default())
        .unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.unwrap();
    let status = answer.status();
    answer.into_body().collect().await.unwrap();
    status
}

#[tokio::test]
async fn an_instance_that_fails_is_told_of_until_it_returns() {
    let (instance, task) = Instance::start().await;
    let running = Running::sample().await;
    let policy = "{outlierDetection: {consecutive5xxErrors: 2, maxEjectionPercent: 100, interval: 100ms, baseEjectionTime: 300ms}}";
    running.set(1, "shop.yaml", &shop(instance.port, "", policy)).await;
    let mut events = running.events(None).await;
    instance.mood.store(500, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(ask(&running, "/").await, 500);
    }
    let [ejected] = &troubles(&mut events, |list| !list.is_empty()).await[..] else { panic!("one is out") };
    assert_eq!((ejected.kind, ejected.why.as_str()), (TroubleKind::Ejected, "errors in a row"));
    assert_eq!(ejected.instance.as_deref(), Some(format!("127.0.0.1:{}", instance.port).as_str()));
    assert_eq!((ejected.host.as_str(), ejected.port), ("shop.default.svc.cluster.local", Some(80)));
    assert_eq!(ejected.until, Some(ejected.at + 300));
    troubles(&mut events, <[Trouble]>::is_empty).await;
    instance.mood.store(200, Ordering::SeqCst);
    assert_eq!(ask(&running, "/").await, 200);
    running.stop().await;
    task.abort();
}

#[tokio::test]
async fn health_and_limits_are_told_of_and_snapshots_have_them() {
    let (instance, task) = Instance::start().await;
    let running = Running::sample().await;
    let check = "meshwright.io/health-check: '{http: {path: /healthz}, interval: 50ms, jitter: 10ms}'";
    let policy = "{connectionPool: {http: {http2MaxRequests: 1}}}";
    running.set(1, "shop.yaml", &shop(instance.port, check, policy)).await;
    let mut events = running.events(None).await;

    instance.health.store(503, Ordering::SeqCst);
    let [ill] = &troubles(&mut events, |list| !list.is_empty()).await[..] else { panic!("one is ill") };
    assert_eq!((ill.kind, ill.why.as_str()), (TroubleKind::Unhealthy, "it answered 503"));
    assert_eq!((ill.source.as_ref(), ill.port), (None, None));
    let snapshot: Snapshot = running.get("/api/v1/mesh").await.json();
    assert_eq!(&snapshot.troubles[..], std::slice::from_ref(ill));
    assert_eq!(ask(&running, "/").await, 503);
    instance.health.store(200, Ordering::SeqCst);
    troubles(&mut events, <[Trouble]>::is_empty).await;

    let (held, over) = tokio::join!(ask(&running, "/held"), async {
        instance.held.notified().await;
        let refused = ask(&running, "/").await;
        let over = troubles(&mut events, |list| !list.is_empty()).await;
        instance.go.add_permits(1);
        (refused, over)
    });
    assert_eq!((held, over.0), (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!((over.1[0].kind, over.1[0].why.as_str()), (TroubleKind::Overflow, "http2MaxRequests"));
    assert_eq!(over.1[0].instance, None);
    troubles(&mut events, <[Trouble]>::is_empty).await;

    // What is checked no more is no trouble.
    instance.health.store(503, Ordering::SeqCst);
    troubles(&mut events, |list| !list.is_empty()).await;
    running.set(2, "shop.yaml", &shop(instance.port, "", policy)).await;
    troubles(&mut events, <[Trouble]>::is_empty).await;
    assert_eq!(ask(&running, "/").await, 200);
    running.stop().await;
    task.abort();
}
