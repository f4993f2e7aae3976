//! Ejecting endpoints that keep failing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use mesh::plan::{Cluster, Outlier};
use proxy::{Config, EjectedFor, Notice};
use tokio::io::AsyncReadExt;

use crate::plans::{Draft, cluster, cluster_at, connections, plan_of, tcp_listener, to_first, workload};
use crate::support::{Rig, Server, get, is_envoy, reply};

/// Three errors eject for an hour; any number may be out.
pub(crate) fn strict() -> Outlier {
    Outlier {
        errors: Some(3),
        gateway_errors: None,
        local_failures: None,
        codes: Vec::new(),
        interval: Duration::from_millis(20),
        base_ejection: Duration::from_secs(3600),
        max_ejected: 100,
        min_healthy: 0,
    }
}

fn watched(mut cluster: Cluster, outlier: Outlier) -> Draft {
    cluster.policy.outlier = Some(outlier);
    Draft::new(vec![cluster], vec![to_first(|_| {})])
}

/// A server with a status that may be changed.
async fn moody(status: u16) -> (Server, Arc<AtomicU16>) {
    let mood = Arc::new(AtomicU16::new(status));
    let now = Arc::clone(&mood);
    let server = Server::start(move |_| {
        let status = now.load(Ordering::SeqCst);
        async move { reply(status, "moody") }
    })
    .await;
    (server, mood)
}

fn ejected(notice: &Notice) -> Option<(u16, EjectedFor, u32)> {
    match notice {
        Notice::Ejected { port, why, times, .. } => Some((*port, *why, *times)),
        _ => None,
    }
}

fn returned(notice: &Notice) -> Option<u16> {
    match notice {
        Notice::Returned { port, .. } => Some(*port),
        _ => None,
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_is_out_for_a_while_and_longer_the_next_time() {
    let (bad, mood) = moody(500).await;
    let good = Server::named("good").await;
    let outlier = Outlier { base_ejection: Duration::from_millis(40), ..strict() };
    let mut rig = Rig::start(watched(cluster("v1", &[&bad, &good]), outlier).plan()).await;
    let port = bad.address().port();
    for _ in 0..6 {
        get(rig.address, "/", &[]).await;
    }
    assert_eq!(rig.told(ejected).await, (port, EjectedFor::Errors, 1));
    assert_eq!(rig.told(returned).await, port);
    for _ in 0..6 {
        get(rig.address, "/", &[]).await;
    }
    let (again, _, times) = rig.told(ejected).await;
    // Each interval that it is well takes one off, and some may have passed.
    assert!(again == port && (1..=2).contains(&times), "{times}");
    mood.store(200, Ordering::SeqCst);
    assert_eq!(rig.told(returned).await, port);
    let before = bad.requests();
    for _ in 0..6 {
        assert_eq!(get(rig.address, "/", &[]).await.status, 200);
    }
    assert_eq!(bad.requests(), before + 3);
}

#[tokio::test]
async fn what_is_out_stays_out_under_the_next_plan_and_for_all_threads() {
    let (bad, _) = moody(503).await;
    let good = Server::named("good").await;
    let outlier = Outlier { errors: None, gateway_errors: Some(4), ..strict() };
    let draft = watched(cluster("v1", &[&bad, &good]), outlier);
    let config = Config { threads: 2, ..Config::default() };
    let mut rig = Rig::with(config, draft.clone().plan()).await;
    // Each comes on a connection of its own, and so to either thread; their turns are their own.
    let mut failed = 0;
    while failed < 4 {
        failed += usize::from(get(rig.address, "/", &[]).await.status == 503);
    }
    assert_eq!(rig.told(ejected).await.1, EjectedFor::GatewayErrors);
    rig.swap(Draft { revision: 2, ..draft }.plan()).await;
    for _ in 0..12 {
        assert_eq!(get(rig.address, "/", &[]).await.body, "good");
    }
    assert_eq!(bad.requests(), 4);
}

#[tokio::test]
async fn without_a_policy_all_return() {
    let (bad, _) = moody(500).await;
    let draft = watched(cluster("v1", &[&bad]), Outlier { errors: Some(1), ..strict() });
    let mut rig = Rig::start(draft.clone().plan()).await;
    assert_eq!(get(rig.address, "/", &[]).await.status, 500);
    rig.told(ejected).await;
    assert_eq!(get(rig.address, "/", &[]).await.body, "no healthy upstream");
    let mut next = Draft { revision: 2, ..draft };
    next.clusters[0].policy.outlier = None;
    rig.swap(next.plan()).await;
    assert_eq!(get(rig.address, "/", &[]).await.body, "moody");
    let port = bad.address().port();
    rig.told_here(|notice| returned(notice).filter(|back| *back == port)).await;
}

#[tokio::test]
async fn with_all_out_requests_fail_or_panic() {
    for (min_healthy, status, flags) in [(0, 503, "503 UH"), (50, 500, "500")] {
        let (bad, _) = moody(500).await;
        let outlier = Outlier { errors: Some(1), min_healthy, ..strict() };
        let mut rig = Rig::start(watched(cluster("v1", &[&bad]), outlier).plan()).await;
        assert_eq!(get(rig.address, "/", &[]).await.status, 500);
        rig.told(ejected).await;
        rig.observed(1).await;
        assert_eq!(get(rig.address, "/", &[]).await.status, status);
        assert_eq!(rig.observed(1).await.outcome(), flags);
    }
}

#[tokio::test]
async fn no_more_are_ejected_than_may_be() {
    let ((one, _), (two, _)) = (moody(500).await, moody(500).await);
    let outlier = Outlier { errors: Some(1), max_ejected: 50, ..strict() };
    let mut rig = Rig::start(watched(cluster("v1", &[&one, &two]), outlier).plan()).await;
    for _ in 0..10 {
        assert_eq!(get(rig.address, "/", &[]).await.body, "moody");
    }
    rig.told(ejected).await;
    let fewest = one.requests().min(two.requests());
    assert_eq!(fewest, 1, "the first that fails is out, the other stays");
}

#[tokio::test]
async fn connections_of_other_protocols_count() {
    let mut cluster = cluster_at("v1", &[1]);
    cluster.policy.outlier = Some(strict());
    let plan = plan_of(workload(), tcp_listener(vec![connections(&[], &[(0, 1)])]), vec![cluster]);
    let mut rig = Rig::on(plan, 9000).await;
    for flag in ["UF", "UF", "UF", "UH"] {
        let spent = flag == "UF";
        let mut stream = tokio::net::TcpStream::connect(rig.address).await.unwrap();
        assert!(matches!(stream.read(&mut [0; 8]).await, Ok(0) | Err(_)));
        let seen = rig.closed(1).await;
        let flags = &seen.only().1.flags;
        assert!(flags.contains_key(flag) && flags.contains_key("URX") == spent, "{flags:?}");
    }
    assert_eq!(rig.told(ejected).await, (1, EjectedFor::Errors, 1));
}

#[tokio::test]
async fn failures_without_a_response_count() {
    let silent = Server::start(|_| std::future::pending()).await;
    let silent = silent.address().port();
    for (port, local, expected) in [
        (1, None, EjectedFor::Errors),
        (1, Some(2), EjectedFor::LocalFailures),
        (silent, None, EjectedFor::Errors),
        (silent, Some(3), EjectedFor::LocalFailures),
    ] {
        // To Envoy each connection that is there ends a row of failures.
        if is_envoy() && local == Some(3) {
            continue;
        }
        let outlier = Outlier { local_failures: local, ..strict() };
        let mut draft = watched(cluster_at("v1", &[port]), outlier);
        draft.routes = vec![to_first(|forward| forward.timeout = Some(Duration::from_millis(40)))];
        let mut rig = Rig::start(draft.plan()).await;
        for _ in 0..local.unwrap_or(3) {
            assert!(get(rig.address, "/", &[]).await.status.is_server_error());
        }
        assert_eq!(rig.told(ejected).await.1, expected);
        assert_eq!(get(rig.address, "/", &[]).await.body, "no healthy upstream");
    }
}
