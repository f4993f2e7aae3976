//! The edge of HTTP: requests that are odd, and get the answer that they get at Istio's gateways.

use http::Request;
use http_body_util::BodyExt;

use crate::plans::{Draft, cluster, direct, to_first};
use crate::protocol::{exchange, h2, rig};
use crate::support::{AnyBody, Connection, Rig, Server, get, request};

#[tokio::test]
async fn odd_requests_are_refused() {
    let server = Server::echo().await;
    let rig = rig(&server).await;
    let mut taken = 0;
    for (line, host, status) in [
        ("GET / HTTP/1.1", "reviews", 200),
        ("PURGE / HTTP/1.1", "reviews", 200),
        ("MKCALENDAR / HTTP/1.1", "reviews", 200),
        ("FOO / HTTP/1.1", "reviews", 400),
        ("M-SEARCH / HTTP/1.1", "reviews", 400),
        ("get / HTTP/1.1", "reviews", 400),
        ("OPTIONS / HTTP/1.1", "reviews", 200),
        ("OPTIONS * HTTP/1.1", "reviews", 404),
        ("GET * HTTP/1.1", "reviews", 400),
        ("GET reviews HTTP/1.1", "reviews", 400),
        ("GET http://reviews/a HTTP/1.1", "other", 200),
        ("GET http://reviews?a HTTP/1.1", "other", 404),
        ("OPTIONS http://reviews HTTP/1.1", "other", 200),
        // A scheme that a client writes itself proves nothing.
        ("GET https://reviews/a HTTP/1.1", "reviews", 200),
        ("GET ftp://reviews/a HTTP/1.1", "reviews", 400),
        ("GET / HTTP/1.1", "REVIEWS:80", 200),
        ("GET / HTTP/1.1", "re views", 400),
        ("GET / HTTP/1.1", "reviews#", 400),
        ("GET / HTTP/1.1", "<reviews>", 400),
        ("GET / HTTP/1.1", "reviews/a", 400),
        ("GET / HTTP/1.1", "re\"views", 400),
        ("GET / HTTP/1.1", "reviews?a", 400),
        ("GET / HTTP/1.1", "a@b", 404),
        ("GET / HTTP/1.1", "a..b", 404),
    ] {
        let answer =
            exchange(&rig, &format!("{line}\r\nhost: {host}\r\nconnection: close\r\n\r\n"), "").await;
        assert_eq!(answer.get(9..12), Some(status.to_string().as_str()), "{line} {host}: {answer}");
        taken += usize::from(status == 200);
        assert_eq!(server.requests(), taken, "{line} {host}");
    }
    // HTTP/2 has room for other methods.
    let mut sender = h2(&rig).await;
    for (method, status) in [("FOO", 200), ("get", 200)] {
        let request =
            Request::builder().method(method).uri("http://reviews/").body(AnyBody::default()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), status, "{method}");
    }
}

#[tokio::test]
async fn direct_responses_say_where_they_are() {
    for (status, location) in [
        (200, None),
        (201, Some("http://reviews:80/a?b=c")),
        (302, Some("http://reviews:80/a?b=c")),
        (304, Some("http://reviews:80/a?b=c")),
        (404, None),
    ] {
        let rig = Rig::start(Draft::new(vec![], vec![direct(status, "")]).plan()).await;
        let answer = get(rig.address, "/a?b=c", &[("host", "reviews:80")]).await;
        let said = answer.headers.get("location").map(|it| it.to_str().unwrap());
        assert_eq!((answer.status.as_u16(), said), (status, location));
    }
}

/// The lines of a header that an upstream was sent.
fn lines<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
}

#[tokio::test]
async fn headers_of_several_lines() {
    let server = Server::echo().await;
    let draft = Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]);
    let rig = Rig::start(draft.plan()).await;
    let several = [
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("accept", "a"),
        ("accept", "b"),
        ("user-agent", "a"),
        ("user-agent", "b"),
        ("via", "a"),
        ("via", "b"),
        ("x-own", "a"),
        ("x-own", "b"),
        ("te", "gzip"),
        ("te", "trailers"),
    ];
    let answer = Connection::open(rig.address).await.fetch(request("GET", "/", &several, "")).await.unwrap();
    // The pieces of a cookie are put together where they came apart, which is in HTTP/2.
    assert_eq!(lines(&answer.body, "cookie"), ["a=1", "b=2"]);
    let mut over_h2 = Request::get("http://reviews/");
    for (name, value) in several.into_iter().filter(|(name, _)| *name != "te") {
        over_h2 = over_h2.header(name, value);
    }
    let response = h2(&rig).await.send_request(over_h2.body(AnyBody::default()).unwrap()).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert_eq!(lines(&text, "cookie"), ["a=1; b=2"]);
    assert_eq!(lines(&answer.body, "te"), ["trailers"]);
    for said in [&answer.body, &text] {
        for name in ["accept", "user-agent", "via"] {
            assert_eq!(lines(said, name), ["a,b"], "{name}");
        }
        assert_eq!(lines(said, "x-own"), ["a", "b"]);
    }
}

/// Which headers are joined is said once, in `mesh`; conditions and what goes on must see the same.
#[tokio::test]
async fn the_headers_that_are_joined_are_envoys() {
    let server = Server::echo().await;
    let draft = Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]);
    let rig = Rig::start(draft.plan()).await;
    let mut different = Vec::new();
    for name in [
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "authorization",
        "baggage",
        "cache-control",
        "cdn-loop",
        "content-language",
        "content-type",
        "early-data",
        "forwarded",
        "from",
        "grpc-accept-encoding",
        "if-match",
        "if-none-match",
        "max-forwards",
        "origin",
        "pragma",
        "proxy-status",
        "range",
        "referer",
        "tracestate",
        "traceparent",
        "user-agent",
        "via",
        "x-b3-traceid",
        "x-client-trace-id",
        "x-envoy-of-nobody",
        "x-envoy-decorator-operation",
        "x-envoy-downstream-service-cluster",
        "x-envoy-downstream-service-node",
        "x-envoy-external-address",
        "x-envoy-force-trace",
        "x-envoy-ip-tags",
        "x-envoy-is-timeout-retry",
        "x-envoy-original-host",
        "x-envoy-original-method",
        "x-envoy-original-path",
        "x-envoy-original-url",
        "x-envoy-peer-metadata",
        "x-envoy-fault-abort-request",
        "x-envoy-fault-delay-request",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-request-start",
    ] {
        let answer = get(rig.address, "/", &[("host", "reviews"), (name, "a"), (name, "b")]).await;
        let expected: &[&str] = if mesh::route::is_joined(name) { &["a,b"] } else { &["a", "b"] };
        let seen = lines(&answer.body, name);
        if seen != expected {
            different.push(format!("{name}: {seen:?}"));
        }
    }
    assert!(different.is_empty(), "{different:?}");
}
