//! What a client sees of Istio's rules: resources as they are written, and requests through real sockets.
//! `docs/semantics.md` says for each rule which test shows it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Request;
use hyper::body::Incoming;
use mesh::plan::compile;
use mesh::{Mesh, Registry, Settings, Source, Sources};
use proxy::Config;

use crate::support::{Connection, Rig, Server, get, reply, request};

/// Says its name and what it was asked; `/silent` it does not answer, and a path that is a number it answers with that.
pub(crate) async fn service(name: &'static str) -> Server {
    Server::start(move |request: Request<Incoming>| async move {
        let path = request.uri().path();
        if path == "/silent" {
            return std::future::pending().await;
        }
        let status = path[1..].parse().unwrap_or(200);
        let mut text = format!("{name}\n{} {}\n", request.method(), request.uri());
        for (key, value) in request.headers() {
            text += &format!("{key}: {}\n", value.to_str().unwrap());
        }
        reply(status, text)
    })
    .await
}

/// A rig of workload `a` whose requests to `a` these rules govern.
async fn rig(services: [&Server; 2], rules: &str) -> Rig {
    rig_in(services, rules, &Settings::sample()).await
}

/// The same in a mesh with these settings.
pub(crate) async fn rig_in(services: [&Server; 2], rules: &str, settings: &Settings) -> Rig {
    let mut yaml = testkit::service("a", &[services[0].address().port()])
        + &testkit::service("b", &[services[1].address().port()]);
    if !rules.is_empty() {
        yaml += &format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\nspec:\n  hosts: [a]\n  http: [{rules}]\n"
        );
    }
    let mesh = Mesh::parse(&Sources::single("mesh.yaml", yaml)).mesh;
    let registry = Registry::of(&mesh, &mesh::Inventory::default(), settings);
    let source = Source::Workload { namespace: "default".to_owned(), name: "a-v1".to_owned() };
    let plan = Arc::new(compile(&mesh, &registry, settings, &source, 1));
    Rig::at(Config { threads: 1, ..Config::default() }, plan, Some(80)).await
}

pub(crate) const TO_A: &str = "route: [{destination: {host: a}}]";
pub(crate) const TO_B: &str = "route: [{destination: {host: b}}]";
const ABORT: &str = "fault: {abort: {percentage: {value: 100}, httpStatus: 418}}";

/// Rules, a request, and its outcome with what must be in the answer (or not, after a `!`).
pub(crate) type Case<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a [&'a str]);

pub(crate) async fn check(cases: &[Case<'_>]) {
    let (a, b) = (service("a").await, service("b").await);
    for (rules, method, path, headers, outcome, wanted) in cases {
        let what = format!("{rules}: {method} {path} {headers:?}");
        let mut rig = rig([&a, &b], rules).await;
        let mut headers = headers.to_vec();
        if !headers.iter().any(|(name, _)| *name == "host") {
            headers.push(("host", "a"));
        }
        let mut connection = Connection::open(rig.address).await;
        let answer = connection.fetch(request(method, path, &headers, "")).await.unwrap();
        let mut said = format!("{}\n", answer.body);
        for (name, value) in &answer.headers {
            said += &format!("> {name}: {}\n", value.to_str().unwrap());
        }
        for wanted in *wanted {
            let (wanted, expected) = wanted.strip_prefix('!').map_or((*wanted, true), |it| (it, false));
            assert_eq!(said.contains(wanted), expected, "{what}: {wanted}\n{said}");
        }
        assert_eq!(rig.observed(1).await.outcome(), *outcome, "{what}");
    }
}

#[tokio::test]
async fn names_of_a_service() {
    let hosts = ["a", "A", "a:80", "a:8080", "a.default", "a.default.svc", "a.default.svc.cluster.local"];
    for host in hosts.into_iter().chain(["A.Default.svc.cluster.LOCAL", "a.default.svc.cluster.local."]) {
        check(&[("", "GET", "/", &[("host", host)], "200", &["a\nGET /"])]).await;
    }
}

#[tokio::test]
async fn conditions() {
    let rule = |condition: &str| format!("{{match: [{condition}], {TO_B}}}, {{{TO_A}}}");
    for (condition, path, headers, by) in [
        ("{queryParams: {q: {prefix: ab}}}", "/?q=abc", &[][..], "b"),
        ("{queryParams: {q: {prefix: ab}}}", "/?q=xab", &[], "a"),
        ("{queryParams: {q: {regex: 'x+'}}}", "/?q=xx", &[], "b"),
        ("{queryParams: {q: {regex: 'x+'}}}", "/?q=xxy", &[], "a"),
        ("{queryParams: {q: {}}}", "/?q", &[], "b"),
        ("{queryParams: {q: {regex: '*'}}}", "/?q=1", &[], "b"),
        ("{headers: {h: {regex: '*'}}}", "/", &[("h", "1")], "b"),
        ("{headers: {h: {regex: '*'}}}", "/", &[], "a"),
        ("{headers: {h: {regex: '[0-9]'}}}", "/", &[("h", "12")], "a"),
        ("{headers: {h: {exact: V}}}", "/", &[("H", "V")], "b"),
        ("{headers: {h: {exact: ''}}}", "/", &[("h", "")], "b"),
        ("{headers: {h: {exact: V}}}", "/", &[("h", "v")], "a"),
        ("{withoutHeaders: {h: {}}}", "/", &[], "b"),
        ("{withoutHeaders: {h: {exact: x}}}", "/", &[], "b"),
        ("{withoutHeaders: {h: {regex: '.*'}}}", "/", &[], "a"),
        ("{headers: {':method': {exact: GET}}}", "/", &[], "b"),
        ("{method: {exact: POST}}", "/", &[], "a"),
        ("{uri: {prefix: /foo}}", "/foobar", &[], "b"),
        ("{uri: {exact: /foo}}", "/foo?a=b", &[], "b"),
        ("{uri: {regex: '/f.'}}", "/foo", &[], "a"),
        ("{uri: {exact: /Foo}, ignoreUriCase: true}", "/fOO", &[], "b"),
        ("{uri: {prefix: /foo}, headers: {h: {exact: x}}}", "/foo", &[], "a"),
        ("{uri: {prefix: /foo}}, {headers: {h: {exact: x}}}", "/", &[("h", "x")], "b"),
        ("{port: 80}", "/", &[], "b"),
        ("{port: 81}", "/", &[], "a"),
        ("{sourceLabels: {app: a}}", "/", &[], "b"),
        ("{sourceLabels: {app: x}}", "/", &[], "a"),
        ("{sourceNamespace: default}", "/", &[], "b"),
        ("{sourceNamespace: other}", "/", &[], "a"),
        // For a gateway alone; and for gateways and the mesh, where labels do not matter.
        ("{gateways: [gate]}", "/", &[], "a"),
        ("{gateways: [mesh], sourceLabels: {app: x}}", "/", &[], "b"),
    ] {
        let by = format!("{by}\nGET");
        check(&[(&rule(condition), "GET", path, headers, "200", &[&by])]).await;
    }
    check(&[(&format!("{{match: [{{uri: {{exact: /x}}}}], {TO_B}}}"), "GET", "/", &[], "404 NR", &["!a\n"])])
        .await;
}

#[tokio::test]
async fn destinations_and_heads() {
    let with = |more: &str| format!("{{{TO_B}, {more}}}");
    let old = |more: &str| format!("{{match: [{{uri: {{prefix: /old}}}}], {TO_B}, {more}}}");
    let zero = "{route: [{destination: {host: b}, weight: 0}]}";
    let some = "{route: [{destination: {host: b}, weight: 0}, {destination: {host: a}, weight: 3}]}";
    let subset = "{route: [{destination: {host: b, subset: v9}}]}";
    let own = "{headers: {request: {set: {Host: route.com}, add: {x: route}}}, \
        route: [{destination: {host: b}, headers: {request: {set: {Host: own.com}, add: {x: own}, remove: [gone]}}}]}";
    let regex = "rewrite: {uriRegexRewrite: {match: '^/old/([a-z]+)', rewrite: '/\\1/new'}}";
    check(&[
        (zero, "GET", "/", &[], "200", &["b\nGET"]),
        (some, "GET", "/", &[], "200", &["a\nGET"]),
        (subset, "GET", "/", &[], "503 NC", &["!GET"]),
        (
            own,
            "GET",
            "/",
            &[("gone", "1")],
            "200",
            &["host: route.com", "x: route\nx: own", "!gone", "!:method"],
        ),
        (
            &with("headers: {request: {set: {Host: set.com}, add: {':authority': add.com}}}"),
            "GET",
            "/",
            &[],
            "200",
            &["host: set.com"],
        ),
        (
            &old("rewrite: {uri: /new}"),
            "GET",
            "/old/x?q",
            &[],
            "200",
            &["GET /new/x?q\n", "x-envoy-original-path: /old/x?q"],
        ),
        (&old(regex), "GET", "/old/x?q=/old/", &[], "200", &["GET /x/new?q=/old/\n"]),
        (&with("rewrite: {authority: other.com}"), "GET", "/", &[], "200", &["host: other.com"]),
    ])
    .await;
}

#[tokio::test]
async fn answers_of_the_proxys_own() {
    let redirect = |more: &str| format!("{{redirect: {{{more}}}}}");
    for code in [301, 302, 303, 307, 308] {
        let rule = redirect(&format!("uri: /new, redirectCode: {code}"));
        check(&[(&rule, "GET", "/old?q", &[], &code.to_string(), &["> location: http://a/new?q\n"])]).await;
    }
    let other = format!("{{redirect: {{uri: /new, redirectCode: 304}}}}, {{{TO_A}}}");
    let direct = "{directResponse: {status: 206, body: {string: own}}}";
    let both = "{redirect: {uri: /new}, directResponse: {status: 206}, route: [{destination: {host: b}}]}";
    let port = redirect("scheme: https, derivePort: FROM_PROTOCOL_DEFAULT");
    check(&[
        (&other, "GET", "/", &[], "200", &["a\nGET"]),
        (direct, "GET", "/", &[], "206", &["own"]),
        (both, "GET", "/", &[], "301", &["> location: http://a/new\n"]),
        (&port, "GET", "/x", &[], "301", &["> location: https://a/x\n"]),
        (&redirect("uri: /new"), "GET", "/", &[("host", "a:80")], "301", &["> location: http://a:80/new\n"]),
    ])
    .await;
}

#[tokio::test]
async fn faults_come_first() {
    let preflight: &[(&str, &str)] = &[("origin", "http://x.com"), ("access-control-request-method", "GET")];
    let cors =
        |more: &str| format!("{TO_A}, corsPolicy: {{allowOrigins: [{{exact: 'http://x.com'}}]{more}}}");
    let stranger: &[(&str, &str)] = &[("origin", "http://y.com"), ("access-control-request-method", "GET")];
    let never = "fault: {abort: {percentage: {value: 0}, httpStatus: 418}}";
    let body = "fault filter abort";
    check(&[
        (&format!("{{directResponse: {{status: 200}}, {ABORT}}}"), "GET", "/", &[], "418 FI", &[body]),
        (&format!("{{redirect: {{uri: /x}}, {ABORT}}}"), "GET", "/", &[], "418 FI", &[body, "!location"]),
        (&format!("{{{}, {ABORT}}}", cors("")), "OPTIONS", "/", preflight, "418 FI", &[body]),
        (
            &format!("{{{}}}", cors("")),
            "OPTIONS",
            "/",
            preflight,
            "200",
            &["!OPTIONS", "> access-control-allow-origin: http://x.com"],
        ),
        (&format!("{{{}}}", cors("")), "OPTIONS", "/", stranger, "200", &["OPTIONS /", "!allow-origin"]),
        (
            &format!("{{{}}}", cors(", unmatchedPreflights: IGNORE")),
            "OPTIONS",
            "/",
            stranger,
            "200",
            &["!OPTIONS", "!allow-origin"],
        ),
        // No share is none, and who is spared keeps the timeout and the retries of the route.
        (&format!("{{{TO_A}, fault: {{abort: {{httpStatus: 418}}}}}}"), "GET", "/", &[], "200", &["a\nGET"]),
        (
            &format!("{{{TO_A}, {never}, timeout: 0.05s}}"),
            "GET",
            "/silent",
            &[],
            "504 UT",
            &["upstream request timeout"],
        ),
        (
            &format!("{{{TO_A}, {never}, retries: {{attempts: 1, retryOn: 5xx}}}}"),
            "GET",
            "/503",
            &[],
            "503 URX",
            &["x-envoy-attempt-count: 2"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn time_and_tries() {
    let asked: &[(&str, &str)] = &[
        ("x-envoy-upstream-rq-timeout-ms", "3000"),
        ("x-envoy-max-retries", "1"),
        ("x-envoy-retry-on", "5xx"),
    ];
    let once: &[(&str, &str)] = &[("x-envoy-retry-on", "5xx")];
    let more: &[(&str, &str)] = &[("x-envoy-max-retries", "3")];
    let none: &[(&str, &str)] = &[("x-envoy-max-retries", "0")];
    let retries = |policy: &str| format!("{{{TO_A}, retries: {{{policy}}}}}");
    let tries = |count: u32| format!("x-envoy-attempt-count: {count}\n");
    check(&[
        ("", "GET", "/", &[], "200", &["x-envoy-expected-rq-timeout-ms: 15000"]),
        (&format!("{{{TO_A}, timeout: 0s}}"), "GET", "/", &[], "200", &["!x-envoy-expected-rq-timeout-ms"]),
        (
            "",
            "GET",
            "/",
            asked,
            "200",
            &["x-envoy-expected-rq-timeout-ms: 3000", "!upstream-rq", "!max-retries", "!retry-on"],
        ),
        // The default does not retry a response of 503, of which nobody knows what it did.
        ("", "GET", "/503", &[], "503", &[&tries(1)]),
        ("", "GET", "/503", once, "503 URX", &[&tries(3)]),
        (&retries("attempts: 0"), "GET", "/503", once, "503 URX", &[&tries(2)]),
        (&retries("attempts: 0"), "GET", "/503", &[], "503", &[&tries(1)]),
        (
            &retries("attempts: 2, retryOn: '503', backoff: 0.001s"),
            "GET",
            "/503",
            &[],
            "503 URX",
            &[&tries(3)],
        ),
        (
            &retries("attempts: 2, retryOn: '503', backoff: 0.001s"),
            "GET",
            "/503",
            more,
            "503 URX",
            &[&tries(4)],
        ),
        (&retries("attempts: 2, retryOn: '503'"), "GET", "/503", none, "503 URX", &[&tries(1)]),
        (&retries("attempts: 2, retryOn: gateway-error"), "GET", "/500", &[], "500", &[&tries(1)]),
        (&retries("attempts: 1, retryOn: retriable-4xx"), "GET", "/409", &[], "409 URX", &[&tries(2)]),
    ])
    .await;
    // The time is for all tries together.
    let (a, b) = (service("a").await, service("b").await);
    let tries =
        format!("{{{TO_A}, timeout: 0.2s, retries: {{attempts: 50, perTryTimeout: 0.04s, retryOn: reset}}}}");
    let mut rig = rig([&a, &b], &tries).await;
    let began = Instant::now();
    assert_eq!(get(rig.address, "/silent", &[("host", "a")]).await.status, 504);
    assert!(began.elapsed() < Duration::from_secs(2) && a.requests() > 1, "{} tries", a.requests());
    assert_eq!(rig.observed(1).await.outcome(), "504 UT");
    assert_eq!(Config::default().connect_timeout, Duration::from_secs(10));
}

#[tokio::test]
async fn copies_are_for_the_same_host() {
    let (seen, mut hosts) = tokio::sync::mpsc::unbounded_channel();
    let copy = Server::start(move |request: Request<Incoming>| {
        seen.send(request.headers()["host"].to_str().unwrap().to_owned()).unwrap();
        async { reply(200, "") }
    })
    .await;
    let a = service("a").await;
    let rig = rig([&a, &copy], &format!("{{{TO_A}, mirror: {{host: b}}}}")).await;
    assert_eq!(get(rig.address, "/", &[("host", "a")]).await.status, 200);
    let host = tokio::time::timeout(Duration::from_secs(5), hosts.recv()).await.unwrap();
    assert_eq!(host.as_deref(), Some("a"));
}

#[test]
fn every_test_that_the_tables_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (table, least) in [("docs/semantics.md", 50), ("docs/envoy.md", 25)] {
        let table = std::fs::read_to_string(root.join(table)).unwrap();
        let named: Vec<_> = table.split('`').filter_map(|word| word.split_once(".rs::")).collect();
        assert!(named.len() > least, "{} are named", named.len());
        for (file, test) in named {
            let text = std::fs::read_to_string(root.join(format!("{file}.rs"))).unwrap_or_default();
            assert!(text.contains(&format!("fn {test}(")), "there is no {file}.rs::{test}");
        }
    }
}
