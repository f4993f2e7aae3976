//! Instances that are not used and limits that are reached, from the traffic to the event stream.

use std::sync::atomic::Ordering;

use api::{Alert, AlertKind, Delta, Snapshot};
use http::StatusCode;
use mesh::Source;
use testkit::{Instance, get, service};

use super::support::{Events, Running};

fn shop(instance: &Instance, annotation: &str, policy: &str) -> String {
    let rule = format!(
        "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: shop
  annotations: {{{annotation}}}
spec:
  host: shop
  trafficPolicy: {policy}
"
    );
    service("shop", &[instance.port]) + &rule
}

/// What alerts there are once this holds of them.
async fn alerts(events: &mut Events, wanted: impl Fn(&[Alert]) -> bool) -> Vec<Alert> {
    events
        .find(|event| match event.delta {
            Delta::Alerts(alerts) => wanted(&alerts).then_some(alerts),
            _ => None,
        })
        .await
}

async fn ask(running: &Running, path: &str) -> StatusCode {
    let caller = Source::Workload { namespace: "default".to_owned(), name: "shop-v1".to_owned() };
    // A revision is answered once it is stored; its listeners come with the plan that is applied after that.
    let mut events = running.events(None).await;
    let listener = events.find(|event| {
        let listeners = match event.delta {
            Delta::Snapshot(snapshot) => snapshot.listeners,
            Delta::Listeners(listeners) => listeners,
            _ => return None,
        };
        listeners.into_iter().find(|listener| listener.source == caller)
    });
    let address = listener.await.address.parse().unwrap();
    get(address, path, &[("host", "shop.default.svc.cluster.local")]).await.status
}

#[tokio::test]
async fn an_instance_that_fails_is_told_of_until_it_returns() {
    let instance = Instance::start().await;
    let running = Running::sample().await;
    let policy = "{outlierDetection: {consecutive5xxErrors: 2, maxEjectionPercent: 100, interval: 100ms, baseEjectionTime: 300ms}}";
    running.set(1, "shop.yaml", &shop(&instance, "", policy)).await;
    let mut events = running.events(None).await;
    instance.mood.store(500, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(ask(&running, "/").await, 500);
    }
    let [ejected] = &alerts(&mut events, |list| !list.is_empty()).await[..] else { panic!("one is out") };
    assert_eq!((ejected.kind, ejected.why.as_str()), (AlertKind::Ejected, "errors in a row"));
    assert_eq!(ejected.instance.as_deref(), Some(format!("127.0.0.1:{}", instance.port).as_str()));
    assert_eq!((ejected.host.as_str(), ejected.port), ("shop.default.svc.cluster.local", Some(80)));
    assert_eq!(ejected.until, Some(ejected.at + 300));
    alerts(&mut events, <[Alert]>::is_empty).await;
    instance.mood.store(200, Ordering::SeqCst);
    assert_eq!(ask(&running, "/").await, 200);
    running.stop().await;
}

#[tokio::test]
async fn health_and_limits_are_told_of_and_snapshots_have_them() {
    let instance = Instance::start().await;
    let running = Running::sample().await;
    let check = "meshwright.io/health-check: '{http: {path: /healthz}, interval: 50ms, jitter: 10ms}'";
    let policy = "{connectionPool: {http: {http2MaxRequests: 1}}}";
    running.set(1, "shop.yaml", &shop(&instance, check, policy)).await;
    let mut events = running.events(None).await;

    instance.health.store(503, Ordering::SeqCst);
    let [ill] = &alerts(&mut events, |list| !list.is_empty()).await[..] else { panic!("one is ill") };
    assert_eq!((ill.kind, ill.why.as_str()), (AlertKind::Unhealthy, "it answered 503"));
    assert_eq!((ill.source.as_ref(), ill.port), (None, None));
    let snapshot: Snapshot = running.get("/api/v1/mesh").await.json();
    assert_eq!(&snapshot.alerts[..], std::slice::from_ref(ill));
    assert_eq!(ask(&running, "/").await, 503);
    instance.health.store(200, Ordering::SeqCst);
    alerts(&mut events, <[Alert]>::is_empty).await;

    let (held, over) = tokio::join!(ask(&running, "/held"), async {
        instance.gate.holds().await;
        let refused = ask(&running, "/").await;
        let over = alerts(&mut events, |list| !list.is_empty()).await;
        instance.gate.open(1);
        (refused, over)
    });
    assert_eq!((held, over.0), (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!((over.1[0].kind, over.1[0].why.as_str()), (AlertKind::Overflow, "http2MaxRequests"));
    assert_eq!(over.1[0].instance, None);
    alerts(&mut events, <[Alert]>::is_empty).await;

    // What is checked no more is no alert.
    instance.health.store(503, Ordering::SeqCst);
    alerts(&mut events, |list| !list.is_empty()).await;
    running.set(2, "shop.yaml", &shop(&instance, "", policy)).await;
    alerts(&mut events, <[Alert]>::is_empty).await;
    assert_eq!(ask(&running, "/").await, 200);
    running.stop().await;
}
