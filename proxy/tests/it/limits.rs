//! Timeouts and retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use mesh::plan::Route;
use proxy::Config;

use crate::plans::{Draft, cluster, cluster_at, retries, to_first};
use crate::support::{Connection, Rig, Server, get, is_envoy, reply, request, streamed};

/// Never answers.
async fn silent() -> Server {
    Server::start(|_| std::future::pending()).await
}

/// Answers 503 to the first `failures` requests, and then what it was sent.
async fn recovering(failures: usize) -> Server {
    let count = Arc::new(AtomicUsize::new(0));
    Server::start(move |request: Request<Incoming>| {
        let at = count.fetch_add(1, Ordering::SeqCst);
        async move {
            let attempt = request.headers()["x-envoy-attempt-count"].to_str().unwrap().to_owned();
            assert_eq!(attempt, (at + 1).to_string());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            if at < failures { reply(503, "not yet") } else { reply(200, body) }
        }
    })
    .await
}

fn retrying(attempts: u32, on: &str) -> Route {
    to_first(|forward| forward.retries = Some(retries(attempts, on)))
}

#[tokio::test]
async fn a_route_has_its_time() {
    let server = silent().await;
    let route = to_first(|forward| forward.timeout = Some(Duration::from_millis(60)));
    for (header, status, body) in [
        (("a", "b"), 504, "upstream request timeout"),
        (("x-envoy-upstream-rq-timeout-alt-response", "1"), 204, ""),
        (("x-envoy-upstream-rq-timeout-ms", "20"), 504, "upstream request timeout"),
    ] {
        let draft = Draft::new(vec![cluster("v1", &[&server])], vec![route.clone()]);
        let mut rig = Rig::start(draft.plan()).await;
        let began = Instant::now();
        let answer = get(rig.address, "/", &[header]).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, body));
        let least = if header.1 == "20" { 20 } else { 60 };
        // Envoy measures from when its loop last looked at the clock, which may be a little earlier.
        let least = if is_envoy() { least / 2 } else { least };
        assert!(began.elapsed() >= Duration::from_millis(least));
        assert_eq!(rig.observed(1).await.outcome(), format!("{status} UT"));
    }
}

#[tokio::test]
async fn a_response_that_stalls_is_cut() {
    let server = Server::start(|_| async {
        let (mut sender, response) = streamed(200);
        sender.send("begun").await;
        tokio::spawn(async move {
            // As long as it is there, the body does not end.
            let _sender = sender;
            std::future::pending::<()>().await;
        });
        response
    })
    .await;
    let route = to_first(|forward| forward.timeout = Some(Duration::from_millis(60)));
    let mut rig = Rig::start(Draft::new(vec![cluster("v1", &[&server])], vec![route]).plan()).await;
    let mut connection = Connection::open(rig.address).await;
    let response = connection.send(request("GET", "/", &[], "")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(rig.observed(1).await.outcome(), "200 UT");
}

#[tokio::test]
async fn a_slow_client_does_not_use_up_the_time() {
    let server = Server::echo().await;
    let route = to_first(|forward| forward.timeout = Some(Duration::from_millis(80)));
    let rig = Rig::start(Draft::new(vec![cluster("v1", &[&server])], vec![route]).plan()).await;
    let mut connection = Connection::open(rig.address).await;
    let (mut sender, body) = streamed(200);
    let (parts, ()) = request("POST", "/", &[], "").map(|_| ()).into_parts();
    let slow = async move {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            sender.send("x").await;
        }
    };
    let request = Request::from_parts(parts, body.into_body());
    let (answer, ()) = tokio::join!(connection.fetch(request), slow);
    assert!(answer.unwrap().body.ends_with("\nxxxx"));
}

#[tokio::test]
async fn failures_are_retried() {
    for (failures, attempts, on, body, status, outcome, retried) in [
        (2, 2, "5xx", "", 200, "200", 2),
        (2, 2, "503", "hello", 200, "200", 2),
        (3, 2, "gateway-error", "hello", 503, "503 URX", 2),
        (1, 2, "connect-failure,refused-stream,unavailable,cancelled", "", 503, "503", 0),
        (1, 2, "504,retriable-4xx", "", 503, "503", 0),
    ] {
        let server = recovering(failures).await;
        let draft = Draft::new(vec![cluster("v1", &[&server])], vec![retrying(attempts, on)]);
        let mut rig = Rig::start(draft.plan()).await;
        let mut connection = Connection::open(rig.address).await;
        let answer = connection.fetch(request("POST", "/", &[], body)).await.unwrap();
        let expected = if status == 200 { body } else { "not yet" };
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, expected), "{on}");
        let observed = rig.observed(1).await;
        assert_eq!(observed.outcome(), outcome, "{on}");
        assert_eq!((observed.only().1.retries, server.requests()), (retried, retried as usize + 1), "{on}");
    }
}

#[tokio::test]
async fn requests_may_ask_for_retries() {
    let server = recovering(2).await;
    let draft = Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]);
    let rig = Rig::start(draft.plan()).await;
    let asked = [("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "2")];
    assert_eq!(get(rig.address, "/", &asked).await.status, 200);
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn a_body_too_long_to_keep_is_sent_once() {
    let server = recovering(1).await;
    let draft = Draft::new(vec![cluster("v1", &[&server])], vec![retrying(2, "5xx")]);
    let config = Config { threads: 1, replay_bytes: 4, ..Config::default() };
    let rig = Rig::with(config, draft.plan()).await;
    let mut connection = Connection::open(rig.address).await;
    let answer = connection.fetch(request("POST", "/", &[], "hello")).await.unwrap();
    assert_eq!((answer.status.as_u16(), server.requests()), (503, 1));
}

#[tokio::test]
async fn another_host_is_tried_when_one_cannot_be_reached() {
    let server = Server::named("alive").await;
    let both = cluster_at("v1", &[1, server.address().port()]);
    let mut rig = Rig::start(Draft::new(vec![both], vec![retrying(2, "connect-failure")]).plan()).await;
    for _ in 0..6 {
        assert_eq!(get(rig.address, "/", &[]).await.body, "alive");
    }
    assert_eq!(rig.observed(6).await.only().1.codes[&200], 6);
}

#[tokio::test]
async fn retries_of_failed_connections_end() {
    let draft = Draft::new(vec![cluster_at("v1", &[1])], vec![retrying(3, "connect-failure")]);
    let mut rig = Rig::start(draft.plan()).await;
    assert_eq!(get(rig.address, "/", &[]).await.status, 503);
    let observed = rig.observed(1).await;
    assert_eq!(observed.outcome(), "503 UF,URX");
    assert_eq!(observed.only().1.retries, 3);
}

#[tokio::test]
async fn a_try_has_its_own_time() {
    let (slow, fast) = (silent().await, Server::named("fast").await);
    for (on, status) in [("reset", 200), ("connect-failure", 504)] {
        let route = to_first(|forward| {
            let mut retry = retries(1, on);
            retry.per_try_timeout = Some(Duration::from_millis(60));
            forward.retries = Some(retry);
        });
        let draft = Draft::new(vec![cluster("v1", &[&slow, &fast])], vec![route]);
        let mut rig = Rig::start(draft.plan()).await;
        // Whoever has the first turn, the slow one has one of two.
        let mut seen: Vec<u16> = Vec::new();
        for _ in 0..2 {
            seen.push(get(rig.address, "/", &[]).await.status.as_u16());
        }
        seen.sort_unstable();
        let observed = rig.observed(2).await;
        let (retried, late) =
            (observed.sum(|it| it.retries), observed.sum(|it| it.flags.get("UT").copied().unwrap_or(0)));
        assert_eq!(seen, [200, status], "{on}");
        assert_eq!((retried > 0, late), (status == 200, u64::from(status == 504)), "{on}");
    }
}
