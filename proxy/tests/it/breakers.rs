//! Limits of clusters.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use mesh::plan::{Bounds, Cluster, RetryBudget};
use proxy::{Config, Limit, Notice};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::plans::{
    Draft, cluster, cluster_at, connections, plan_of, retries, tcp_listener, to_first, workload,
};
use crate::support::{Connection, Raw, Rig, Server, get, reply, request};

fn bounded(mut cluster: Cluster, bounds: Bounds) -> Cluster {
    cluster.policy.bounds = bounds;
    cluster
}

async fn rig(cluster: Cluster) -> Rig {
    Rig::start(Draft::new(vec![cluster], vec![to_first(|_| {})]).plan()).await
}

fn breaker(limit: Limit, open: bool) -> impl Fn(&Notice) -> Option<()> {
    move |notice| match notice {
        Notice::Breaker { cluster, limit: seen, open: is, .. } => {
            assert_eq!(cluster.subset.as_deref(), Some("v1"));
            (*seen == limit && *is == open).then_some(())
        }
        _ => None,
    }
}

const OVERFLOW: &str = "upstream connect error or disconnect/reset before headers. reset reason: overflow";

#[tokio::test]
async fn requests_beyond_the_limit_are_refused() {
    for (http2, threads) in [(false, 1), (true, 1), (false, 2)] {
        let (server, gate) = Server::gated("v1").await;
        let bounds = Bounds { requests: Some(1), ..Bounds::default() };
        let mut cluster = bounded(cluster("v1", &[&server]), bounds);
        cluster.policy.http2 = http2;
        let draft = Draft::new(vec![cluster], vec![to_first(|_| {})]);
        let mut rig = Rig::with(Config { threads, ..Config::default() }, draft.plan()).await;
        let address = rig.address;
        let held = tokio::spawn(async move { get(address, "/held", &[]).await });
        gate.holds().await;
        // Whichever thread they come to.
        for _ in 0..8 {
            let answer = get(address, "/", &[]).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (503, OVERFLOW));
            assert_eq!(answer.headers["x-envoy-overloaded"], "true");
        }
        rig.told(breaker(Limit::Requests, true)).await;
        gate.open(1);
        assert_eq!(held.await.unwrap().body, "v1");
        rig.told(breaker(Limit::Requests, false)).await;
        assert_eq!(get(address, "/", &[]).await.body, "v1");
        let observed = rig.observed(10).await;
        assert_eq!(observed.sum(|stats| stats.flags.get("UO").copied().unwrap_or(0)), 8);
        assert_eq!(server.requests(), 2, "what is refused does not reach the upstream");
    }
}

#[tokio::test]
async fn requests_wait_for_a_connection_as_far_as_they_may() {
    let (server, gate) = Server::gated("v1").await;
    let bounds = Bounds { connections: Some(1), pending: Some(1), ..Bounds::default() };
    let mut rig = rig(bounded(cluster("v1", &[&server]), bounds)).await;
    let address = rig.address;
    let held = tokio::spawn(async move { get(address, "/held", &[]).await });
    gate.holds().await;
    // One waits, the other is one too many.
    let (first, second) = (get(address, "/", &[]), get(address, "/", &[]));
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    let (refused, waits) = tokio::select! {
        refused = &mut first => (refused, second),
        refused = &mut second => (refused, first),
    };
    assert_eq!((refused.status.as_u16(), refused.body.as_str()), (503, OVERFLOW));
    rig.told(breaker(Limit::Connections, true)).await;
    gate.open(1);
    assert_eq!(held.await.unwrap().body, "v1");
    assert_eq!(waits.await.body, "v1");
    assert_eq!(server.connections(), 1);
    // The connection stays, and nobody waits for another.
    rig.told_here(breaker(Limit::Connections, false)).await;
}

#[tokio::test]
async fn those_who_wait_are_served_in_turn() {
    let (server, gate) = Server::gated("v1").await;
    let bounds = Bounds { connections: Some(2), ..Bounds::default() };
    let rig = rig(bounded(cluster("v1", &[&server]), bounds)).await;
    let address = rig.address;
    let held: Vec<_> =
        (0..2).map(|_| tokio::spawn(async move { get(address, "/held", &[]).await })).collect();
    gate.holds().await;
    let burst: Vec<_> = (0..20).map(|_| tokio::spawn(async move { get(address, "/", &[]).await })).collect();
    gate.open(2);
    for answer in futures::future::join_all(held.into_iter().chain(burst)).await {
        assert_eq!(answer.unwrap().body, "v1");
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn who_waits_for_a_connection_that_breaks_gets_another() {
    let came = Arc::new(Notify::new());
    let go = Arc::new(Notify::new());
    let (told, wait) = (Arc::clone(&came), Arc::clone(&go));
    // It never answers the first, and closes the connection.
    let first = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let server = Raw::start(move |mut stream| {
        let (told, wait) = (Arc::clone(&told), Arc::clone(&wait));
        let first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            if first {
                told.notify_one();
                wait.notified().await;
            } else {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    let bounds = Bounds { connections: Some(1), pending: Some(1), ..Bounds::default() };
    let mut rig = rig(bounded(cluster_at("v1", &[server.port]), bounds)).await;
    let address = rig.address;
    let broken = tokio::spawn(async move { get(address, "/", &[]).await });
    came.notified().await;
    let waits = tokio::spawn(async move { get(address, "/", &[]).await });
    rig.told(breaker(Limit::Connections, true)).await;
    go.notify_one();
    assert_eq!(broken.await.unwrap().status, 503);
    assert_eq!(waits.await.unwrap().body, "ok");
}

#[tokio::test]
async fn connections_of_other_protocols_are_refused_beyond_the_limit() {
    let server = Raw::start(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await;
    let bounds = Bounds { connections: Some(1), ..Bounds::default() };
    let cluster = bounded(cluster_at("v1", &[server.port]), bounds);
    let plan = plan_of(workload(), tcp_listener(vec![connections(&[], &[(0, 1)])]), vec![cluster]);
    let mut rig = Rig::on(plan, 9000).await;
    let mut first = TcpStream::connect(rig.address).await.unwrap();
    first.write_all(b"a").await.unwrap();
    assert_eq!(first.read(&mut [0; 8]).await.unwrap(), 1);
    let mut second = TcpStream::connect(rig.address).await.unwrap();
    assert!(matches!(second.read(&mut [0; 8]).await, Ok(0) | Err(_)));
    rig.told(breaker(Limit::Connections, true)).await;
    // Its room is free once it has gone.
    drop(first);
    let seen = rig.closed(2).await;
    assert_eq!(seen.only().1.flags.get("UO"), Some(&1));
    let mut third = TcpStream::connect(rig.address).await.unwrap();
    third.write_all(b"a").await.unwrap();
    assert_eq!(third.read(&mut [0; 8]).await.unwrap(), 1);
}

#[tokio::test]
async fn each_endpoint_may_have_a_connection() {
    let ((one, first), (two, second)) = (Server::gated("one").await, Server::gated("two").await);
    let bounds = Bounds { connections: Some(1), ..Bounds::default() };
    let rig = rig(bounded(cluster("v1", &[&one, &two]), bounds)).await;
    let address = rig.address;
    let both: Vec<_> =
        (0..2).map(|_| tokio::spawn(async move { get(address, "/held", &[]).await })).collect();
    first.holds().await;
    second.holds().await;
    first.open(1);
    second.open(1);
    for answer in futures::future::join_all(both).await {
        assert_eq!(answer.unwrap().status, 200);
    }
}

#[tokio::test]
async fn connections_carry_so_many_requests() {
    for (most, http2, connections) in [(1, false, 6), (2, false, 3), (4, false, 2), (2, true, 3)] {
        let server = Server::named("v1").await;
        let bounds = Bounds { requests_per_connection: Some(most), ..Bounds::default() };
        let mut cluster = bounded(cluster("v1", &[&server]), bounds);
        cluster.policy.http2 = http2;
        let rig = rig(cluster).await;
        let mut connection = Connection::open(rig.address).await;
        for _ in 0..6 {
            assert_eq!(connection.fetch(request("GET", "/", &[], "")).await.unwrap().body, "v1");
        }
        assert_eq!(server.connections(), connections, "{most} {http2}");
    }
}

/// Waits until so many requests have come.
async fn came(server: &Server, requests: usize) {
    let all = async {
        while server.requests() < requests {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), all).await.unwrap();
}

#[tokio::test]
async fn connections_of_http2_carry_so_many_requests_at_once() {
    for (most, connections) in [(None, 3), (Some(1), 1)] {
        let (server, gate) = Server::gated("v1").await;
        let bounds = Bounds { streams_per_connection: Some(2), connections: most, ..Bounds::default() };
        let mut cluster = bounded(cluster("v1", &[&server]), bounds);
        cluster.policy.http2 = true;
        let rig = rig(cluster).await;
        let address = rig.address;
        let held: Vec<_> =
            (0..5).map(|_| tokio::spawn(async move { get(address, "/held", &[]).await.body })).collect();
        came(&server, if most.is_some() { 2 } else { 5 }).await;
        // Where no more connections may be opened, the others wait for an end.
        gate.open(5);
        for one in held {
            assert_eq!(one.await.unwrap(), "v1");
        }
        assert_eq!((server.requests(), server.connections()), (5, connections));
    }
}

#[tokio::test]
async fn old_connections_carry_no_further_request() {
    let ages = [(Duration::from_nanos(1), 3), (Duration::from_secs(3600), 1)];
    for ((age, connections), http2) in ages.into_iter().flat_map(|age| [(age, false), (age, true)]) {
        let server = Server::named("v1").await;
        let bounds = Bounds { connection_duration: Some(age), ..Bounds::default() };
        let mut cluster = bounded(cluster("v1", &[&server]), bounds);
        cluster.policy.http2 = http2;
        let rig = rig(cluster).await;
        let mut connection = Connection::open(rig.address).await;
        for _ in 0..3 {
            assert_eq!(connection.fetch(request("GET", "/", &[], "")).await.unwrap().body, "v1");
            if rig.is_envoy() {
                // It counts milliseconds, and the next request may come within the same.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        assert_eq!(server.connections(), connections, "{age:?} {http2}");
    }
}

#[tokio::test]
async fn old_connections_of_bytes_are_closed() {
    let server = Raw::start(|mut stream| async move {
        let mut heard = [0; 1];
        let _ = stream.read(&mut heard).await;
    })
    .await;
    let bounds = Bounds { connection_duration: Some(Duration::from_millis(50)), ..Bounds::default() };
    let listener = tcp_listener(vec![connections(&[], &[(0, 1)])]);
    let plan = plan_of(workload(), listener, vec![bounded(cluster_at("v1", &[server.port]), bounds)]);
    let rig = Rig::on(plan, 9000).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0; 1])).await;
    assert_eq!(ended.expect("it stays open").unwrap(), 0, "closed in order");
}

#[tokio::test]
async fn nothing_is_counted_that_has_gone() {
    for http2 in [false, true] {
        let (server, gate) = Server::gated("v1").await;
        let bounds = Bounds {
            connections: Some(2),
            pending: Some(2),
            requests: Some(2),
            retries: Some(1),
            requests_per_connection: Some(3),
            ..Bounds::default()
        };
        let mut cluster = bounded(cluster("v1", &[&server]), bounds);
        cluster.policy.http2 = http2;
        let route = to_first(|forward| {
            forward.timeout = Some(Duration::from_millis(30));
            forward.retries = Some(retries(1, "5xx,reset"));
        });
        let draft = Draft::new(vec![cluster], vec![route]);
        let rig = Rig::with(Config { threads: 2, ..Config::default() }, draft.clone().plan()).await;
        let address = rig.address;
        // Clients that go away, time-outs, refusals, and plans that come and go, all at once.
        for revision in 2..8 {
            let burst = (0..20_u64).map(|client| async move {
                let path = if client % 3 == 0 { "/" } else { "/held" };
                let timeout = Duration::from_millis(1 + client * 3);
                drop(tokio::time::timeout(timeout, get(address, path, &[])).await);
            });
            let (_, _) = tokio::join!(
                futures::future::join_all(burst),
                rig.swap(Draft { revision, ..draft.clone() }.plan())
            );
        }
        gate.open(1000);
        let patient = Draft { revision: 9, routes: vec![to_first(|_| {})], ..draft };
        rig.swap(patient.plan()).await;
        // What is still active ends within its time; then there is room for two at once, as there was at first.
        let calm = async {
            loop {
                let (one, two) = tokio::join!(get(address, "/held", &[]), get(address, "/held", &[]));
                if one.status == 200 && two.status == 200 {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(5), calm).await.expect("something is still counted");
        for _ in 0..20 {
            let (one, two) = tokio::join!(get(address, "/", &[]), get(address, "/", &[]));
            assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200), "{http2}");
        }
    }
}

#[tokio::test]
async fn retries_beyond_the_limit_are_not_made() {
    let budget = RetryBudget { parts_per_million: 0, at_least: 1 };
    for bounds in [
        Bounds { retries: Some(1), ..Bounds::default() },
        Bounds { retry_budget: Some(budget), ..Bounds::default() },
    ] {
        let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (told, wait) = (Arc::clone(&came), Arc::clone(&go));
        let server = Server::start(move |request: Request<Incoming>| {
            let (told, wait) = (Arc::clone(&told), Arc::clone(&wait));
            async move {
                if request.headers()["x-envoy-attempt-count"] == "1" {
                    return reply(503, "not yet");
                }
                told.notify_one();
                wait.notified().await;
                reply(200, "retried")
            }
        })
        .await;
        let route = to_first(|forward| forward.retries = Some(retries(2, "5xx")));
        let draft = Draft::new(vec![bounded(cluster("v1", &[&server]), bounds)], vec![route]);
        let mut rig = Rig::start(draft.plan()).await;
        let address = rig.address;
        let first = tokio::spawn(async move { get(address, "/", &[]).await });
        came.notified().await;
        // Another retry would be one too many, so this is what the client gets.
        let second = get(address, "/", &[]).await;
        assert_eq!((second.status.as_u16(), second.body.as_str()), (503, "not yet"));
        assert_eq!(rig.observed(1).await.outcome(), "503 UO");
        rig.told_here(breaker(Limit::Retries, true)).await;
        go.notify_one();
        assert_eq!(first.await.unwrap().body, "retried");
        rig.told_here(breaker(Limit::Retries, false)).await;
    }
}

#[tokio::test]
async fn an_overload_further_on_is_retried_as_any_failure() {
    let server = Server::start(|_| async {
        let mut response = reply(503, "full");
        response.headers_mut().insert("x-envoy-overloaded", "true".parse().unwrap());
        response
    })
    .await;
    let route = to_first(|forward| forward.retries = Some(retries(2, "5xx")));
    let rig = Rig::start(Draft::new(vec![cluster("v1", &[&server])], vec![route]).plan()).await;
    assert_eq!(get(rig.address, "/", &[]).await.body, "full");
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn idle_connections_are_closed_after_the_clusters_time() {
    for http2 in [false, true] {
        let closed = Arc::new(Notify::new());
        let told = Arc::clone(&closed);
        let inner = Server::named("v1").await;
        // A server that tells when its client has closed: all passes through it.
        let port = inner.address().port();
        let outer = Raw::start(move |mut client| {
            let told = Arc::clone(&told);
            async move {
                let mut server = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                told.notify_one();
            }
        })
        .await;
        let bounds = Bounds { idle_timeout: Some(Duration::from_millis(50)), ..Bounds::default() };
        let mut cluster = bounded(cluster_at("v1", &[outer.port]), bounds);
        cluster.policy.http2 = http2;
        let config =
            Config { threads: 1, header_read_timeout: Duration::from_millis(500), ..Config::default() };
        let rig = Rig::with(config, Draft::new(vec![cluster], vec![to_first(|_| {})]).plan()).await;
        assert_eq!(get(rig.address, "/", &[]).await.body, "v1");
        tokio::time::timeout(Duration::from_secs(5), closed.notified()).await.expect("it stays open");
    }
}
