//! Where requests go, what becomes of them on the way, and what is answered here.

use std::collections::BTreeMap;

use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use mesh::Source;
use mesh::plan::ClusterId;
use mesh::plan::{
    Action, Cors, Destination, HeaderOps, HeaderValue, Match, Matcher, Mirror, Ops, Redirect, Rewrite, Route,
    UnknownHost,
};
use proxy::{Config, Notice};

use crate::plans::{Draft, cluster, cluster_at, direct, redirect, route, to, to_first};
use crate::support::{Connection, Rig, Server, assert_drawn, get, reply, request};

#[tokio::test]
async fn requests_are_forwarded_and_observed() {
    let server = Server::echo().await;
    let mut rig =
        Rig::start(Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]).plan()).await;
    let mut connection = Connection::open(rig.address).await;
    let answer = connection.fetch(request("POST", "/x?y=1", &[("a", "b")], "hello")).await.unwrap();
    assert_eq!(answer.status, 200);
    let lines: Vec<_> = answer.body.lines().collect();
    assert_eq!(lines[0], "POST /x?y=1");
    for line in ["host: reviews", "a: b", "content-length: 5", "x-envoy-attempt-count: 1", "hello"] {
        assert!(lines.contains(&line), "{line} is missing in {lines:?}");
    }
    assert!(lines.contains(&"x-envoy-expected-rq-timeout-ms: 15000"), "{lines:?}");
    let id = lines.iter().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
    assert_eq!((id.len(), &id[14..15]), (36, "4"));

    let observed = rig.observed(1).await;
    let (key, stats) = observed.only();
    assert_eq!(&*key.host, "reviews.default.svc.cluster.local");
    assert_eq!((key.subset.as_deref(), key.version.as_str(), key.revision), (Some("v1"), "v1", 1));
    assert_eq!(key.route.as_ref().unwrap().index, 0);
    assert_eq!((stats.bytes_sent, stats.bytes_received), (5, answer.body.len() as u64));
    assert_eq!((stats.codes[&200], stats.flags.len(), stats.retries), (1, 0, 0));
    rig.told_here(|notice| matches!(notice, Notice::FirstRequest { revision: 1, .. }).then_some(())).await;
}

#[tokio::test]
async fn weights_are_honoured() {
    let (one, two) = (Server::named("v1").await, Server::named("v2").await);
    let clusters = vec![cluster("v1", &[&one]), cluster("v2", &[&two])];
    let split = route(Action::Forward(Box::new(to(&[(0, 75), (1, 25)]))));
    let mut rig = Rig::start(Draft::new(clusters, vec![split]).plan()).await;
    let mut connection = Connection::open(rig.address).await;
    let mut bodies = BTreeMap::<String, u64>::new();
    for _ in 0..2000 {
        *bodies.entry(connection.fetch(request("GET", "/", &[], "")).await.unwrap().body).or_default() += 1;
    }
    assert_drawn(&[bodies["v1"], bodies["v2"]], &[75, 25]);
    let observed = rig.observed(2000).await;
    let observed: BTreeMap<_, _> =
        observed.versions().into_iter().map(|(version, count)| (version.to_owned(), count)).collect();
    assert_eq!(observed, bodies);
    assert_eq!((one.connections(), two.connections()), (1, 1), "connections are used again");
}

#[tokio::test]
async fn endpoints_take_turns() {
    let (one, two) = (Server::named("a").await, Server::named("b").await);
    let rig = Rig::start(Draft::new(vec![cluster("v1", &[&one, &two])], vec![to_first(|_| {})]).plan()).await;
    for _ in 0..10 {
        get(rig.address, "/", &[]).await;
    }
    assert_eq!((one.requests(), two.requests()), (5, 5));
}

#[tokio::test]
async fn what_the_proxy_answers_itself() {
    let matched = |path: &str| Match { uri: Some(Matcher::Exact(path.to_owned())), ..Match::default() };
    let missing = || {
        let mut missing = cluster_at("v9", &[]);
        missing.known = false;
        vec![missing]
    };
    let only = |path: &str| Route { matches: vec![matched(path)], ..to_first(|_| {}) };
    let moved = Redirect { uri: Some("/new".to_owned()), status: 301, ..Redirect::default() };
    for (clusters, routes, host, path, status, body, outcome) in [
        (vec![], vec![only("/other")], "reviews", "/", 404, "", "404 NR"),
        (vec![], vec![], "unknown", "/", 404, "", "404 NR"),
        (vec![], vec![], "reviews:81", "/", 404, "", "404 NR"),
        (missing(), vec![to_first(|_| {})], "reviews", "/", 503, "", "503 NC"),
        (
            vec![cluster_at("v1", &[])],
            vec![to_first(|_| {})],
            "reviews",
            "/",
            503,
            "no healthy upstream",
            "503 UH",
        ),
        (
            // Nothing can listen on port 1 without privileges, and nothing does in a test's sandbox.
            vec![cluster_at("v1", &[1])],
            vec![to_first(|_| {})],
            "reviews",
            "/",
            503,
            "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
            "503 UF",
        ),
        (vec![], vec![direct(418, "teapot")], "reviews", "/", 418, "teapot", "418"),
        (vec![], vec![redirect(moved)], "reviews", "/old?a=b", 301, "", "301"),
    ] {
        let mut rig = Rig::start(Draft::new(clusters, routes).plan()).await;
        let answer = get(rig.address, path, &[("host", host)]).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, body), "{outcome}");
        if status == 301 {
            assert_eq!(answer.headers["location"], "http://reviews/new?a=b");
        }
        assert_eq!(rig.observed(1).await.outcome(), outcome);
    }
}

#[tokio::test]
async fn hosts_outside_the_mesh() {
    let stranger = Server::named("stranger").await;
    let host = stranger.address().to_string();
    for (unknown_host, status, body, outcome) in [
        (UnknownHost::Passthrough, 200, "stranger", "200"),
        (UnknownHost::BadGateway, 502, "", "502"),
        (UnknownHost::NotFound, 404, "", "404 NR"),
    ] {
        let draft = Draft { unknown_host, ..Draft::new(vec![], vec![]) };
        let mut rig = Rig::start(draft.plan()).await;
        let answer = get(rig.address, "/", &[("host", &host)]).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, body));
        let observed = rig.observed(1).await;
        assert_eq!(observed.outcome(), outcome);
        assert_eq!(*observed.only().0.host, *host);
    }
}

#[tokio::test]
async fn a_request_does_not_run_in_circles() {
    let draft = Draft { unknown_host: UnknownHost::Passthrough, ..Draft::new(vec![], vec![]) };
    let rig = Rig::start(draft.plan()).await;
    let answer = get(rig.address, "/", &[("host", &rig.address.to_string())]).await;
    assert_eq!(answer.status, 508);
}

#[tokio::test]
async fn heads_are_edited_in_order() {
    let server = Server::echo().await;
    let pair = |name: &str, value: &str| (name.to_owned(), HeaderValue::new(value));
    let mut forward = to(&[(0, 1)]);
    forward.rewrite = Some(Rewrite {
        uri: Some("/new".to_owned()),
        authority: Some("elsewhere".to_owned()),
        ..Rewrite::default()
    });
    forward.destinations = vec![Destination {
        cluster: ClusterId(0),
        weight: 1,
        headers: HeaderOps {
            request: Ops { set: vec![pair("who", "destination")], ..Ops::default() },
            response: Ops { add: vec![pair("seen", "destination")], ..Ops::default() },
            authority: None,
        },
    }];
    let edited = Route {
        matches: vec![Match { uri: Some(Matcher::Prefix("/old".to_owned())), ..Match::default() }],
        headers: HeaderOps {
            request: Ops {
                remove: vec!["secret".to_owned()],
                set: vec![pair("who", "route")],
                add: vec![pair("a", "2")],
            },
            response: Ops { add: vec![pair("seen", "route")], ..Ops::default() },
            authority: None,
        },
        ..route(Action::Forward(Box::new(forward)))
    };
    let rig = Rig::start(Draft::new(vec![cluster("v1", &[&server])], vec![edited]).plan()).await;
    let sent = [("a", "1"), ("secret", "x"), ("connection", "own"), ("own", "x"), ("x-request-id", "mine")];
    let answer = get(rig.address, "/old/x?q", &sent).await;
    let lines: Vec<_> = answer.body.lines().collect();
    assert_eq!(lines[0], "GET /new/x?q");
    for line in [
        "host: elsewhere",
        "x-envoy-original-host: reviews",
        "x-envoy-original-path: /old/x?q",
        "a: 1",
        "a: 2",
        "who: route",
        "x-request-id: mine",
    ] {
        assert!(lines.contains(&line), "{line} is missing in {lines:?}");
    }
    for name in ["secret", "own", "connection", "x-forwarded-for"] {
        assert!(!lines.iter().any(|line| line.starts_with(name)), "{name} is in {lines:?}");
    }
    let seen: Vec<_> = answer.headers.get_all("seen").iter().collect();
    assert_eq!(seen, ["destination", "route"]);
}

#[tokio::test]
async fn gateways_vouch_for_their_clients() {
    let server = Server::echo().await;
    let source = Source::Gateway { namespace: "default".to_owned(), name: "bookinfo".to_owned() };
    let draft = Draft { source, ..Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]) };
    let rig = Rig::start(draft.plan()).await;
    let answer = get(rig.address, "/", &[("x-forwarded-for", "10.0.0.1")]).await;
    // Of a client on its own machine Envoy tells the machine's address.
    let client = if rig.is_envoy() { "" } else { "127.0.0.1\n" };
    assert!(answer.body.contains(&format!("x-forwarded-for: 10.0.0.1,{client}")), "{}", answer.body);
    assert!(answer.body.contains("x-forwarded-proto: http\n"), "{}", answer.body);
}

#[tokio::test]
async fn cross_origin_requests() {
    let server = Server::named("v1").await;
    let cors = Cors {
        allow_origins: vec![Matcher::Exact("http://a.example".to_owned())],
        allow_methods: Some("GET,POST".to_owned()),
        allow_headers: Some("x-a".to_owned()),
        expose_headers: Some("x-b".to_owned()),
        max_age: Some(600),
        allow_credentials: Some(true),
        forward_not_matching: true,
    };
    let shared = Route { cors: Some(cors), ..to_first(|_| {}) };
    let rig = Rig::start(Draft::new(vec![cluster("v1", &[&server])], vec![shared]).plan()).await;
    let mut connection = Connection::open(rig.address).await;
    let asks = ("access-control-request-method", "DELETE");

    let preflight = request("OPTIONS", "/", &[("origin", "http://a.example"), asks], "");
    let answer = connection.fetch(preflight).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_str(), server.requests()), (200, "", 0));
    for (name, value) in [
        ("access-control-allow-origin", "http://a.example"),
        ("access-control-allow-methods", "GET,POST"),
        ("access-control-allow-headers", "x-a"),
        ("access-control-max-age", "600"),
        ("access-control-allow-credentials", "true"),
    ] {
        assert_eq!(answer.headers[name], value);
    }

    let answer = connection.fetch(request("GET", "/", &[("origin", "http://a.example")], "")).await.unwrap();
    assert_eq!(answer.headers["access-control-allow-origin"], "http://a.example");
    assert_eq!(answer.headers["access-control-expose-headers"], "x-b");

    let other = request("OPTIONS", "/", &[("origin", "http://b.example"), asks], "");
    let answer = connection.fetch(other).await.unwrap();
    assert_eq!((answer.body.as_str(), server.requests()), ("v1", 2));
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn copies_are_sent_and_forgotten() {
    let (live, shadow) = (Server::named("live").await, Server::echo().await);
    let (seen, mut copies) = tokio::sync::mpsc::unbounded_channel();
    let copy = Server::start(move |request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            seen.send(String::from_utf8(body.to_vec()).unwrap()).unwrap();
            reply(500, "nobody reads this")
        }
    })
    .await;
    let clusters = vec![cluster("v1", &[&live]), cluster("v2", &[&copy]), cluster("v3", &[&shadow])];
    let mirrored = to_first(|forward| {
        let mirror = |cluster, parts_per_million| Mirror { cluster: ClusterId(cluster), parts_per_million };
        forward.mirrors = vec![mirror(1, 1_000_000), mirror(2, 0)];
    });
    let mut rig = Rig::start(Draft::new(clusters, vec![mirrored]).plan()).await;
    let mut connection = Connection::open(rig.address).await;
    for body in ["hello", ""] {
        let answer = connection.fetch(request("POST", "/", &[], body)).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "live"));
        // The live server answers before it has read the body, which is copied once it is there.
        assert_eq!(copies.recv().await.unwrap(), body);
    }
    assert_eq!(shadow.requests(), 0);
    // Envoy writes no copy down.
    if rig.is_envoy() {
        assert_eq!(rig.observed(2).await.versions(), BTreeMap::from([("v1", 2)]));
        return;
    }
    let observed = rig.observed(4).await;
    assert_eq!(observed.versions(), BTreeMap::from([("v1", 2), ("v2", 2)]));
    let routes = observed.keys().filter(|key| key.version == "v2").all(|key| key.route.is_none());
    assert!(routes, "copies are of no route, so no route's shares count them");
    assert_eq!(observed.sum(|stats| stats.chosen), 2, "nor does a host's default split");
}

#[tokio::test]
async fn a_copy_that_cannot_be_sent_says_why() {
    let live = Server::named("live").await;
    let mirrored = to_first(|forward| {
        forward.mirrors = vec![Mirror { cluster: ClusterId(1), parts_per_million: 1_000_000 }];
    });
    let clusters = vec![cluster("v1", &[&live]), cluster_at("v2", &[])];
    let mut rig = Rig::start(Draft::new(clusters, vec![mirrored]).plan()).await;
    assert_eq!(get(rig.address, "/", &[]).await.status, 200);
    let observed = rig.observed(2).await;
    assert_eq!(observed.sum(|stats| stats.flags.get("UH").copied().unwrap_or(0)), 1);
}

#[tokio::test]
async fn endpoints_are_told_by_what_they_answer() {
    let (well, dead) = (Server::echo().await, unused_port().await);
    let ports = [well.address().port(), dead];
    let spread = vec![cluster_at("v1", &ports)];
    let mut rig = Rig::of(
        Config { threads: 1, ..Config::default() },
        Draft::new(spread, vec![to_first(|_| {})]).plan(),
        None,
        false,
    )
    .await;
    let observed = rig.observed(0).await;
    assert!(observed.tries().is_empty(), "nobody was asked");
    let mut connection = Connection::open(rig.address).await;
    for _ in 0..4 {
        connection.fetch(request("GET", "/", &[], "")).await.unwrap();
    }
    let observed = rig.observed(4).await;
    let counts = |port| observed.tries().get(&port).map(|tries| tries.by_class).unwrap_or_default();
    let [none, success, ..] = counts(dead);
    assert!(none > 0 && success == 0, "{observed:?}", observed = observed.tries());
    assert!(counts(ports[0])[1] > 0 && counts(ports[0])[0] == 0, "{:?}", observed.tries());
}

/// A port of the loopback address that nobody listens on.
async fn unused_port() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}
