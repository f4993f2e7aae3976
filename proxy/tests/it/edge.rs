//! What clients may claim and ask: at a gateway nothing, unless the operator has named them; from a workload what steers its
//! own requests. Asked from an address that is not loopback, in a network namespace of its own, of the built-in proxy and,
//! where there is one, of an Envoy with the same plan.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Request};
use http_body_util::{BodyExt, Full};
use mesh::Source;
use mesh::plan::{HeaderMatcher, Match, Matcher, Plan, Route, Subnet};
use proxy::Config;
use tokio::net::TcpSocket;

use crate::plans::{Draft, cluster, cluster_at, direct, to_first, workload};
use crate::support::{Connection, Rig, Server, reply, skipped};

/// Set in the namespace.
const INSIDE: &str = "MESHWRIGHT_IN_NAMESPACE";
/// Where clients come from.
const CLIENT: &str = "10.9.8.77";
const LINKS: &str = "ip link set lo up && ip addr add 10.9.8.77/24 dev lo";

/// Runs a test of this module again in a namespace with these links. True in there.
fn inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let ready = Command::new("unshare").args(["-rn", "sh", "-c", LINKS]).output();
    if !ready.is_ok_and(|output| output.status.success()) {
        skipped("no network namespaces here");
        return false;
    }
    let inside = format!("{LINKS} && exec \"$0\" --exact edge::{name} --nocapture");
    let output = Command::new("unshare")
        .args(["-rn", "sh", "-c", &inside])
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

/// The planes that are there.
fn planes() -> Vec<bool> {
    if std::env::var_os("MESHWRIGHT_ENVOY").is_some() {
        return vec![false, true];
    }
    skipped("no Envoy (MESHWRIGHT_ENVOY names one): the built-in proxy alone is asked");
    vec![false]
}

async fn on(plan: Arc<Plan>, envoy: bool) -> Rig {
    Rig::of(Config { threads: 1, ..Config::default() }, plan, Some(80), envoy).await
}

fn gateway() -> Source {
    Source::Gateway { namespace: "default".to_owned(), name: "gate".to_owned() }
}

/// A request with these headers from the client's address: its status, and what the upstream was sent.
async fn ask(rig: &Rig, headers: &[(&str, &str)]) -> (u16, BTreeMap<String, String>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{CLIENT}:0").parse().unwrap()).unwrap();
    let mut connection = Connection::on(socket.connect(rig.address).await.unwrap()).await;
    let mut request = Request::post("/").header("host", "reviews");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::from("hello")).map_err(|never| match never {}).boxed_unsync();
    let answer = connection.fetch(request.body(body).unwrap()).await.unwrap();
    let fields = answer.body.lines().filter_map(|line| line.split_once(": "));
    (answer.status.as_u16(), fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Every header of Envoy's own in a request that it listens to, sets or strips, with something that it could mean.
const ALL: [(&str, &str); 34] = [
    ("x-envoy-attempt-count", "7"),
    ("x-envoy-cluster", "7"),
    ("x-envoy-decorator-operation", "claimed"),
    ("x-envoy-degraded", "claimed"),
    ("x-envoy-downstream-service-cluster", "claimed"),
    ("x-envoy-downstream-service-node", "claimed"),
    ("x-envoy-expected-rq-timeout-ms", "7"),
    ("x-envoy-external-address", "1.2.3.4"),
    ("x-envoy-fault-abort-request", "418"),
    ("x-envoy-fault-abort-request-percentage", "100"),
    ("x-envoy-fault-delay-request", "1"),
    ("x-envoy-force-trace", "1"),
    ("x-envoy-hedge-on-per-try-timeout", "false"),
    ("x-envoy-internal", "claimed"),
    ("x-envoy-ip-tags", "claimed"),
    ("x-envoy-is-timeout-retry", "true"),
    ("x-envoy-max-retries", "1"),
    ("x-envoy-original-dst-host", "127.0.0.1:1"),
    ("x-envoy-original-host", "claimed"),
    ("x-envoy-original-method", "PUT"),
    ("x-envoy-original-path", "/claimed"),
    ("x-envoy-original-url", "/claimed"),
    ("x-envoy-peer-metadata-id", "claimed"),
    ("x-envoy-retriable-header-names", "x-a"),
    ("x-envoy-retriable-status-codes", "503"),
    ("x-envoy-retry-grpc-on", "unavailable"),
    ("x-envoy-retry-on", "reset"),
    ("x-envoy-upstream-alt-stat-name", "claimed"),
    ("x-envoy-upstream-rq-per-try-timeout-ms", "700"),
    ("x-envoy-upstream-rq-timeout-alt-response", "1"),
    ("x-envoy-upstream-rq-timeout-ms", "7000"),
    ("x-envoy-upstream-service-time", "7"),
    ("x-envoy-upstream-stream-duration-ms", "7000"),
    ("x-forwarded-proto", "https"),
];

#[test]
fn claims_are_heard_from_those_who_may_make_them() {
    if inside("claims_are_heard_from_those_who_may_make_them") {
        run(async {
            let server = Server::echo().await;
            let named = vec![Subnet::parse("10.9.8.0/24").unwrap()];
            for (source, internal) in [
                (gateway(), vec![]),
                (gateway(), vec![Subnet::parse("10.9.7.0/24").unwrap()]),
                (gateway(), named),
                (workload(), vec![]),
            ] {
                let stranger =
                    source == gateway() && !internal.iter().any(|it| it.contains(CLIENT.parse().unwrap()));
                let draft = Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]);
                let plan = Draft { source, internal, ..draft }.plan();
                let mut seen = Vec::new();
                for envoy in planes() {
                    let rig = on(Arc::clone(&plan), envoy).await;
                    let (status, mut fields) = ask(&rig, &ALL).await;
                    assert_eq!(status, 200);
                    // Who claims to speak for others is from outside, whoever he is; to Envoy at a workload, too.
                    let (_, forwarded) =
                        ask(&rig, &[("x-forwarded-for", "10.9.8.5"), ("x-envoy-ip-tags", "a")]).await;
                    let gate = plan.source == gateway();
                    if gate || !envoy {
                        assert_eq!(forwarded.contains_key("x-envoy-ip-tags"), !gate, "{forwarded:?}");
                    }
                    let address = stranger.then_some(CLIENT);
                    assert_eq!(
                        fields.get("x-envoy-external-address").map(String::as_str),
                        address.or(Some("1.2.3.4"))
                    );
                    if gate {
                        assert_eq!(fields["x-forwarded-for"], CLIENT);
                        assert_eq!(fields["x-forwarded-proto"], "http");
                        assert_eq!(
                            fields.get("x-envoy-internal").map(String::as_str),
                            (!stranger).then_some("true")
                        );
                    }
                    // A workload's Envoy calls its client internal; the built-in proxy leaves what it says.
                    if !gate {
                        fields.remove("x-envoy-internal");
                    }
                    fields.retain(|name, _| name.starts_with("x-envoy-") || name.starts_with("x-forwarded-"));
                    seen.push(fields);
                }
                if let [own, envoys] = seen.as_slice() {
                    assert_eq!(own, envoys, "{:?}", plan.source);
                }
            }
        });
    }
}

/// A route that answers with a status where a header has a value.
fn where_header(name: &str, value: Option<&str>, status: u16) -> Route {
    let value = value.map(|value| Matcher::Exact(value.to_owned()));
    let condition = (name.to_owned(), HeaderMatcher { value, invert: false });
    Route { matches: vec![Match { headers: vec![condition], ..Match::default() }], ..direct(status, "") }
}

#[test]
fn rules_see_no_claims() {
    if inside("rules_see_no_claims") {
        run(async {
            let server = Server::echo().await;
            let routes = vec![
                where_header("x-envoy-internal", None, 450),
                where_header("x-envoy-original-path", None, 451),
                where_header("x-envoy-force-trace", None, 452),
                where_header("x-envoy-decorator-operation", None, 453),
                where_header("x-envoy-retry-on", None, 454),
                where_header("x-envoy-external-address", Some("1.2.3.4"), 455),
                where_header("x-forwarded-proto", Some("https"), 456),
                where_header("x-forwarded-client-cert", None, 457),
                where_header("x-request-id", Some("claimed"), 458),
                where_header("x-forwarded-for", Some("1.2.3.4"), 459),
                // What is true of it they see.
                where_header("x-envoy-external-address", Some(CLIENT), 461),
                to_first(|_| {}),
            ];
            let draft = Draft::new(vec![cluster("v1", &[&server])], routes);
            let plan = Draft { source: gateway(), ..draft }.plan();
            for envoy in planes() {
                let rig = on(Arc::clone(&plan), envoy).await;
                let claims = [
                    ("x-envoy-internal", "true"),
                    ("x-envoy-original-path", "/"),
                    ("x-envoy-force-trace", "1"),
                    ("x-envoy-decorator-operation", "a"),
                    ("x-envoy-retry-on", "5xx"),
                    ("x-envoy-external-address", "1.2.3.4"),
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-client-cert", "Hash=a"),
                    ("x-request-id", "claimed"),
                    ("x-forwarded-for", "1.2.3.4"),
                ];
                for claim in claims {
                    assert_eq!(ask(&rig, &[claim]).await.0, 461, "{claim:?}, Envoy: {envoy}");
                }
                assert_eq!(ask(&rig, &claims).await.0, 461, "Envoy: {envoy}");
            }
        });
    }
}

#[test]
fn nobody_steers_a_gateway() {
    if inside("nobody_steers_a_gateway") {
        run(async {
            let attack = [
                ("x-envoy-retry-on", "200,5xx,gateway-error,retriable-status-codes"),
                ("x-envoy-retriable-status-codes", "200,503"),
                ("x-envoy-max-retries", "4000000000"),
                ("x-envoy-upstream-rq-timeout-ms", "0"),
            ];
            for envoy in planes() {
                // What the attack asks to be tried again is tried once.
                for status in [200, 503] {
                    let server = Server::start(move |_| async move { reply(status, "again") }).await;
                    let route = to_first(|forward| forward.timeout = Some(Duration::from_secs(5)));
                    let draft = Draft::new(vec![cluster("v1", &[&server])], vec![route]);
                    let rig = on(Draft { source: gateway(), ..draft }.plan(), envoy).await;
                    assert_eq!(ask(&rig, &attack).await.0, status);
                    assert_eq!(server.requests(), 1, "Envoy: {envoy}");
                }
                // The route's time is the route's.
                let silent = Server::start(|_| std::future::pending()).await;
                let route = to_first(|forward| forward.timeout = Some(Duration::from_millis(60)));
                let draft = Draft::new(vec![cluster("v1", &[&silent])], vec![route]);
                let rig = on(Draft { source: gateway(), ..draft }.plan(), envoy).await;
                assert_eq!(ask(&rig, &attack).await.0, 504, "Envoy: {envoy}");
                let alternative = [("x-envoy-upstream-rq-timeout-alt-response", "1")];
                assert_eq!(ask(&rig, &alternative).await.0, 504, "Envoy: {envoy}");
            }
        });
    }
}

#[test]
fn insiders_steer_within_bounds() {
    if inside("insiders_steer_within_bounds") {
        run(async {
            let attack = [
                ("x-envoy-retry-on", "200,connect-failure,reset,retriable-status-codes"),
                ("x-envoy-retriable-status-codes", "200"),
                ("x-envoy-max-retries", "4000000000"),
                ("x-envoy-upstream-rq-timeout-ms", "0"),
            ];
            let named = || vec![Subnet::parse(CLIENT).unwrap()];
            for (source, internal) in [(workload(), vec![]), (gateway(), named())] {
                let draft = |cluster| Draft {
                    source: source.clone(),
                    internal: internal.clone(),
                    ..Draft::new(vec![cluster], vec![to_first(|_| {})])
                };
                // A success is none that is tried again.
                let server = Server::echo().await;
                let rig = on(draft(cluster("v1", &[&server])).plan(), false).await;
                assert_eq!(ask(&rig, &attack).await.0, 200);
                assert_eq!(server.requests(), 1);
                // There is a ceiling for what is.
                let mut rig = on(draft(cluster_at("v1", &[1])).plan(), false).await;
                assert_eq!(ask(&rig, &attack).await.0, 503);
                let seen = rig.observed(1).await;
                assert_eq!(seen.only().1.retries, u64::from(mesh::route::retry::MOST_RETRIES));
                // And the cluster's limit on retries is for those that are asked for, too.
                let mut limited = cluster_at("v1", &[1]);
                limited.policy.bounds.retries = Some(0);
                for envoy in planes() {
                    let rig = on(draft(limited.clone()).plan(), envoy).await;
                    let mut rig = rig;
                    assert_eq!(ask(&rig, &attack).await.0, 503);
                    assert_eq!(rig.observed(1).await.outcome(), "503 UF,UO", "Envoy: {envoy}");
                }
            }
        });
    }
}

#[test]
fn every_header_is_a_name() {
    for (name, _) in ALL {
        assert!(HeaderName::try_from(name).is_ok());
    }
    assert!(ALL.is_sorted());
}
