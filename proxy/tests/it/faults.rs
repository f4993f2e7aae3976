//! Injected delays and aborts.

use std::time::{Duration, Instant};

use mesh::plan::{AbortWith, Fault};

use crate::plans::{Draft, cluster, cluster_at, faulty, retries, to_first};
use crate::support::{Connection, Rig, Server, assert_drawn, get, is_envoy, request};

#[tokio::test]
async fn aborts_answer_at_once() {
    let (plain, call) = (&[][..], &[("content-type", "application/grpc")][..]);
    for (with, headers, status, body) in [
        (AbortWith::Http(418), plain, 418, "fault filter abort"),
        (AbortWith::Grpc(14), call, 200, ""),
        // Who makes no call of gRPC would not understand its status.
        (AbortWith::Grpc(14), plain, 200, "fault filter abort"),
    ] {
        let fault = Fault { delay: None, abort: Some((1_000_000, with)) };
        let mut rig = Rig::start(Draft::new(vec![cluster_at("v1", &[])], vec![faulty(fault)]).plan()).await;
        let answer = get(rig.address, "/", headers).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, body));
        let told = answer.headers.get("grpc-status").map(|status| status.to_str().unwrap());
        assert_eq!(told, (headers == call).then_some("14"));
        let observed = rig.observed(1).await;
        assert_eq!(observed.outcome(), format!("{status} FI"));
        assert_eq!(observed.only().0.version, "v1", "the subset stands in for the instance");
    }
}

#[tokio::test]
async fn delays_come_before_aborts_and_do_not_count_as_time_of_the_route() {
    let server = Server::named("v1").await;
    let delay = Some((1_000_000, Duration::from_millis(150)));
    for (abort, status, outcome) in
        [(None, 200, "200 DI"), (Some((1_000_000, AbortWith::Http(503))), 503, "503 DI,FI")]
    {
        let mut route = faulty(Fault { delay, abort });
        if let mesh::plan::Action::Forward(forward) = &mut route.action {
            forward.timeout = Some(Duration::from_millis(100));
        }
        let mut rig = Rig::start(Draft::new(vec![cluster("v1", &[&server])], vec![route]).plan()).await;
        let began = Instant::now();
        assert_eq!(get(rig.address, "/", &[]).await.status, status);
        // Envoy measures from when its loop last looked at the clock, which may be a little earlier.
        let least = if is_envoy() { 110 } else { 150 };
        assert!(began.elapsed() >= Duration::from_millis(least), "longer than the route may take");
        assert_eq!(rig.observed(1).await.outcome(), outcome);
    }
}

#[tokio::test]
async fn shares_are_drawn_independently() {
    let server = Server::named("v1").await;
    let fault =
        Fault { delay: Some((250_000, Duration::ZERO)), abort: Some((500_000, AbortWith::Http(500))) };
    let mut rig = Rig::start(Draft::new(vec![cluster("v1", &[&server])], vec![faulty(fault)]).plan()).await;
    let mut connection = Connection::open(rig.address).await;
    for _ in 0..2000 {
        connection.fetch(request("GET", "/", &[], "")).await.unwrap();
    }
    let observed = rig.observed(2000).await;
    let (_, stats) = observed.only();
    let (delayed, aborted) = (stats.flags["DI"], stats.flags["FI"]);
    assert_drawn(&[delayed, 2000 - delayed], &[1, 3]);
    assert_drawn(&[aborted, 2000 - aborted], &[1, 1]);
    assert_eq!(stats.codes[&500], aborted);
    if !rig.is_envoy() {
        let answers = [(500, "DI,FI"), (200, "DI"), (500, "FI"), (200, "-")];
        let counts = answers.map(|(code, flags)| stats.answers.clone().entry(code, flags).requests);
        assert_drawn(&counts, &[1, 1, 3, 3]);
    }
}

#[tokio::test]
async fn headers_of_requests_inject_nothing() {
    let server = Server::named("v1").await;
    let rig = Rig::start(Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]).plan()).await;
    let asked = [("x-envoy-fault-abort-request", "503"), ("x-envoy-fault-delay-request", "5000")];
    assert_eq!(get(rig.address, "/", &asked).await.status, 200);
}

#[tokio::test]
async fn aborts_are_not_retried() {
    let fault = Fault { delay: None, abort: Some((1_000_000, AbortWith::Http(503))) };
    let mut route = faulty(fault);
    if let mesh::plan::Action::Forward(forward) = &mut route.action {
        forward.retries = Some(retries(3, "5xx"));
    }
    let mut rig = Rig::start(Draft::new(vec![cluster_at("v1", &[])], vec![route]).plan()).await;
    assert_eq!(get(rig.address, "/", &[]).await.status, 503);
    assert_eq!(rig.observed(1).await.only().1.retries, 0);
}
