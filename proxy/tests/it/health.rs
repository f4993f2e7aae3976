//! Active health checks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use mesh::plan::{Cluster, HealthCheck, Outlier, Probe, TlsClient};
use mesh::resource::traffic_policy::{ClientTls, ClientTlsMode};
use proxy::{Config, Notice};
use tokio::net::TcpListener;

use crate::outlier::strict;
use crate::plans::{Draft, cluster, cluster_at, to_first};
use crate::support::tls::Authority;
use crate::support::{AnyBody, Rig, Server, assert_drawn, get, reply};

fn check(probe: Probe) -> HealthCheck {
    HealthCheck {
        probe,
        port: None,
        interval: Duration::from_millis(10),
        jitter: Duration::from_millis(5),
        timeout: Duration::from_millis(500),
        unhealthy_threshold: 3,
        healthy_threshold: 2,
    }
}

fn http() -> Probe {
    Probe::Http { path: "/healthz".to_owned(), host: None, expected: vec![200], retriable: vec![429] }
}

fn checked(mut cluster: Cluster, check: HealthCheck) -> Draft {
    cluster.policy.health = Some(check);
    Draft::new(vec![cluster], vec![to_first(|_| {})])
}

/// A server whose health may be changed; everything else it answers.
async fn patient(name: &'static str) -> (Server, Arc<AtomicU16>) {
    let health = Arc::new(AtomicU16::new(200));
    let now = Arc::clone(&health);
    let server = Server::start(move |request: Request<Incoming>| {
        let status = if request.uri().path() == "/healthz" { now.load(Ordering::SeqCst) } else { 200 };
        async move { reply(status, name) }
    })
    .await;
    (server, health)
}

fn well(port: u16) -> impl Fn(&Notice) -> Option<()> {
    move |notice| matches!(notice, Notice::Healthy { port: of, .. } if *of == port).then_some(())
}

fn ill(port: u16) -> impl Fn(&Notice) -> Option<String> {
    move |notice| match notice {
        Notice::Unhealthy { port: of, why, host, .. } if *of == port => {
            assert_eq!(host, "reviews.default.svc.cluster.local");
            Some(why.clone())
        }
        _ => None,
    }
}

#[tokio::test]
async fn a_check_that_fails_takes_an_instance_out_and_one_that_passes_brings_it_back() {
    let ((one, health), (two, _)) = (patient("one").await, patient("two").await);
    let draft = checked(cluster("v1", &[&one, &two]), check(http()));
    let config = Config { threads: 2, ..Config::default() };
    let mut rig = Rig::with(config, draft.plan()).await;
    let port = one.address().port();
    rig.told(well(port)).await;
    health.store(503, Ordering::SeqCst);
    let why = rig.told(ill(port)).await;
    assert!(rig.is_envoy() || why == "it answered 503", "{why}");
    for _ in 0..10 {
        assert_eq!(get(rig.address, "/", &[]).await.body, "two");
    }
    health.store(200, Ordering::SeqCst);
    rig.told(well(port)).await;
    let mut bodies: Vec<String> = Vec::new();
    for _ in 0..20 {
        bodies.push(get(rig.address, "/", &[]).await.body);
    }
    assert!(bodies.iter().any(|body| body == "one"), "{bodies:?}");
}

#[tokio::test]
async fn a_degraded_instance_is_used_when_the_others_are_gone() {
    let (well, health) = patient("well").await;
    let tired = Server::start(|_| async {
        let mut response = reply(200, "tired");
        response.headers_mut().insert("x-envoy-degraded", http::HeaderValue::from_static("1"));
        response
    })
    .await;
    let (more, _) = patient("well").await;
    let draft = checked(cluster("v1", &[&well, &tired, &more]), check(http()));
    let (mut ready, mut rig) = (0, Rig::start(draft.plan()).await);
    while ready < 3 {
        rig.told(|notice| matches!(notice, Notice::Healthy { .. }).then_some(())).await;
        ready += 1;
    }
    // Of three, two that are well carry 93 %; what is degraded has the rest.
    let mut bodies = Vec::new();
    for _ in 0..100 {
        bodies.push(get(rig.address, "/", &[]).await.body);
    }
    let tired = bodies.iter().filter(|body| *body == "tired").count() as u64;
    assert_drawn(&[100 - tired, tired], &[14, 1]);
    drop(more);
    health.store(503, Ordering::SeqCst);
    rig.told(ill(well.address().port())).await;
    let again = async { while get(rig.address, "/", &[]).await.body != "tired" {} };
    tokio::time::timeout(Duration::from_secs(5), again).await.expect("nobody is left but the degraded one");
}

#[tokio::test]
async fn a_status_that_asks_for_patience_counts_to_the_threshold() {
    let (server, health) = patient("one").await;
    let mut rig = Rig::start(checked(cluster("v1", &[&server]), check(http())).plan()).await;
    let port = server.address().port();
    rig.told(well(port)).await;
    let before = server.requests();
    health.store(429, Ordering::SeqCst);
    let why = rig.told(ill(port)).await;
    assert!(rig.is_envoy() || why == "it answered 429", "{why}");
    assert!(server.requests() >= before + 3);
    let mut answer = get(rig.address, "/", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (503, "no healthy upstream"));
    health.store(200, Ordering::SeqCst);
    rig.told(well(port)).await;
    answer = get(rig.address, "/", &[]).await;
    assert_eq!(answer.body, "one");
}

#[tokio::test]
async fn a_port_that_closes_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut rig = Rig::start(checked(cluster_at("v1", &[address.port()]), check(Probe::Tcp)).plan()).await;
    rig.told(well(address.port())).await;
    drop(listener);
    let why = rig.told(ill(address.port())).await;
    assert!(rig.is_envoy() || why.starts_with("connection refused"), "{why}");
    let _listener = TcpListener::bind(address).await.unwrap();
    rig.told(well(address.port())).await;
}

/// What a gRPC server says of its health.
fn grpc(serving: u8) -> Response<AnyBody> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let frame = Bytes::from(vec![0, 0, 0, 0, 2, 8, serving]);
    let body = Full::new(frame).with_trailers(async move { Some(Ok(trailers)) });
    Response::builder()
        .header("content-type", "application/grpc")
        .body(body.map_err(|never| match never {}).boxed_unsync())
        .unwrap()
}

#[tokio::test]
async fn grpc_has_a_protocol_for_it() {
    let serving = Arc::new(AtomicU16::new(1));
    let now = Arc::clone(&serving);
    let server = Server::start(move |request: Request<Incoming>| {
        let serving = u8::try_from(now.load(Ordering::SeqCst)).unwrap();
        async move {
            assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
            assert_eq!(request.headers()["content-type"], "application/grpc");
            let asked = request.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(asked, &[0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b'][..]);
            grpc(serving)
        }
    })
    .await;
    let probe = Probe::Grpc { service: "ab".to_owned() };
    let mut rig = Rig::start(checked(cluster("v1", &[&server]), check(probe)).plan()).await;
    let port = server.address().port();
    rig.told(well(port)).await;
    serving.store(2, Ordering::SeqCst);
    let why = rig.told(ill(port)).await;
    assert!(rig.is_envoy() || why == "it says that it does not serve", "{why}");
    serving.store(1, Ordering::SeqCst);
    rig.told(well(port)).await;
}

#[tokio::test]
async fn checks_are_within_tls_where_requests_are() {
    let authority = Authority::new();
    let server = authority.web(&["api.example.com"], None, false).await;
    for (sni, expected) in [("api.example.com", true), ("other.example.com", false)] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
        let settings = ClientTls {
            mode: Some(ClientTlsMode::Simple),
            ca_certificates: Some("ca.pem".to_owned()),
            sni: Some(sni.to_owned()),
            ..ClientTls::default()
        };
        let mut cluster = cluster_at("v1", &[server.port]);
        cluster.policy.tls = Some(Box::new(TlsClient { settings, secret: None, names: Vec::new() }));
        let config = Config { threads: 1, folder: folder.path().to_owned(), ..Config::default() };
        let mut rig = Rig::with(config, checked(cluster, check(http())).plan()).await;
        if expected {
            rig.told(well(server.port)).await;
        } else {
            rig.told(ill(server.port)).await;
        }
    }
}

#[tokio::test]
async fn an_instance_may_say_itself_that_it_wants_no_more() {
    let server = Server::start(|request: Request<Incoming>| async move {
        let mut response = reply(200, "last");
        if request.uri().path() == "/last" {
            response.headers_mut().insert("x-envoy-immediate-health-check-fail", "true".parse().unwrap());
        }
        response
    })
    .await;
    // Only the first check comes while the test runs.
    let seldom = HealthCheck { interval: Duration::from_secs(3600), ..check(http()) };
    let mut rig = Rig::start(checked(cluster("v1", &[&server]), seldom).plan()).await;
    let port = server.address().port();
    rig.told(well(port)).await;
    assert_eq!(get(rig.address, "/last", &[]).await.body, "last");
    let why = rig.told(ill(port)).await;
    assert!(rig.is_envoy() || why == "it says so in a response", "{why}");
    assert_eq!(get(rig.address, "/", &[]).await.body, "no healthy upstream");
}

#[tokio::test]
async fn what_a_check_has_found_holds_when_the_check_is_changed() {
    let (server, health) = patient("one").await;
    let draft = checked(cluster("v1", &[&server]), check(http()));
    let mut rig = Rig::start(draft.clone().plan()).await;
    let port = server.address().port();
    rig.told(well(port)).await;
    health.store(503, Ordering::SeqCst);
    rig.told(ill(port)).await;
    // The new check is never asked: it is the old one's answer that keeps requests away.
    let mut next = Draft { revision: 2, ..draft };
    let jitter = Duration::from_secs(3600);
    next.clusters[0].policy.health = Some(HealthCheck { jitter, ..check(http()) });
    rig.swap(next.plan()).await;
    for _ in 0..5 {
        assert_eq!(get(rig.address, "/", &[]).await.body, "no healthy upstream");
    }
}

#[tokio::test]
async fn a_check_that_passes_ends_an_ejection() {
    let server = Server::start(|request: Request<Incoming>| async move {
        reply(if request.uri().path() == "/healthz" { 200 } else { 500 }, "moody")
    })
    .await;
    let mut draft = checked(cluster("v1", &[&server]), check(http()));
    draft.clusters[0].policy.outlier = Some(Outlier { errors: Some(1), ..strict() });
    let mut rig = Rig::start(draft.plan()).await;
    rig.told(well(server.address().port())).await;
    assert_eq!(get(rig.address, "/", &[]).await.status, 500);
    rig.told(|notice| matches!(notice, Notice::Ejected { .. }).then_some(())).await;
    rig.told(|notice| matches!(notice, Notice::Returned { .. }).then_some(())).await;
    assert_eq!(get(rig.address, "/", &[]).await.body, "moody");
}

#[tokio::test]
async fn instances_come_and_go_with_the_plans() {
    let ((one, health), (two, _)) = (patient("one").await, patient("two").await);
    health.store(503, Ordering::SeqCst);
    let both = checked(cluster("v1", &[&one, &two]), check(http()));
    let mut only = both.clone();
    only.clusters[0].endpoints.remove(0);
    let mut rig = Rig::start(only.plan()).await;
    rig.told(well(two.address().port())).await;
    // One that is new is not used before a check passes, as long as there are others.
    rig.swap(Draft { revision: 2, ..both }.plan()).await;
    for _ in 0..10 {
        assert_eq!(get(rig.address, "/", &[]).await.body, "two");
    }
    rig.told(ill(one.address().port())).await;
    health.store(200, Ordering::SeqCst);
    rig.told(well(one.address().port())).await;
}
