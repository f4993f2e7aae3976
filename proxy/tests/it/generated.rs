//! Meshes that nobody wrote: each is given to the built-in proxy and to an Envoy, both are asked the same, and what differs is
//! made as small as it gets and shown.
//!
//! Without more words they are the same each time, as many as a build has time for: what one build shows another can show again.
//! `MESHWRIGHT_MESHES` asks for so many new ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use mesh::plan::compile;
use mesh::{Mesh, Plan, Registry, Settings, Source, Sources};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config as Cases, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use proxy::Config;

use crate::support::{Connection, Rig, Server, reply, request, skipped};

/// How many meshes a build has time for.
const MESHES: u32 = 100;
/// Requests to each mesh, to each of its sources.
const REQUESTS: usize = 4;

/// A mesh, and what is asked of it.
#[derive(Debug, Clone)]
struct Case {
    rules: Vec<String>,
    policies: [String; 2],
    requests: Vec<Asked>,
}

#[derive(Debug, Clone)]
struct Asked {
    method: &'static str,
    host: &'static str,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
}

/// One of several texts.
fn one(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(of).prop_map(str::to_owned)
}

/// A text, or none.
fn maybe(of: impl Strategy<Value = String>, share: f64) -> impl Strategy<Value = String> {
    prop::option::weighted(share, of).prop_map(Option::unwrap_or_default)
}

/// Fields that may be there, between braces.
fn fields(of: Vec<BoxedStrategy<String>>) -> impl Strategy<Value = String> {
    of.prop_map(|fields| {
        let fields: Vec<String> = fields.into_iter().filter(|field| !field.is_empty()).collect();
        format!("{{{}}}", fields.join(", "))
    })
}

const VALUES: [&str; 7] = [
    "{exact: x}",
    "{prefix: x}",
    "{regex: 'x+'}",
    "{}",
    "{regex: '.*'}",
    "{regex: '[0-9]|x.'}",
    "{exact: ''}",
];

fn condition() -> impl Strategy<Value = String> {
    let uri = one(&[
        "{exact: /a}",
        "{exact: /A/b}",
        "{prefix: /a}",
        "{prefix: /}",
        "{prefix: /A/}",
        "{regex: '/a.*'}",
        "{regex: '/(a|b)/?'}",
        "{regex: '/[^?]*x'}",
        "{prefix: a}",
    ]);
    let name = select(&["h", "x-b", ":method", ":path", "H"][..]);
    let header = (name, select(&VALUES[..])).prop_map(|(name, value)| format!("'{name}': {value}"));
    let without =
        (select(&["h", "x-b"][..]), select(&VALUES[..])).prop_map(|(name, value)| format!("{name}: {value}"));
    let query =
        (select(&["q", "r"][..]), select(&VALUES[..])).prop_map(|(name, value)| format!("{name}: {value}"));
    fields(vec![
        maybe(uri.prop_map(|it| format!("uri: {it}")), 0.7).boxed(),
        maybe(Just("ignoreUriCase: true".to_owned()), 0.2).boxed(),
        maybe(header.prop_map(|it| format!("headers: {{{it}}}")), 0.4).boxed(),
        maybe(without.prop_map(|it| format!("withoutHeaders: {{{it}}}")), 0.2).boxed(),
        maybe(query.prop_map(|it| format!("queryParams: {{{it}}}")), 0.2).boxed(),
        maybe(one(&["method: {exact: GET}", "method: {prefix: P}", "method: {regex: 'GET|POST'}"]), 0.2)
            .boxed(),
        maybe(one(&["authority: {exact: a}", "authority: {prefix: a.}", "scheme: {exact: http}"]), 0.1)
            .boxed(),
        maybe(one(&["port: 80", "port: 81", "sourceLabels: {app: a}", "sourceLabels: {app: z}"]), 0.1)
            .boxed(),
    ])
}

fn operations() -> impl Strategy<Value = String> {
    let side = fields(vec![
        maybe(one(&["set: {h: set}", "set: {x-new: '1', Host: set.com}", "set: {x-b: ''}"]), 0.5).boxed(),
        maybe(one(&["add: {h: added}", "add: {x-new: '2'}", "add: {':authority': add.com}"]), 0.5).boxed(),
        maybe(one(&["remove: [x-b]", "remove: [h, x-new]"]), 0.3).boxed(),
    ]);
    let answer = one(&["{set: {x-said: route}}", "{add: {x-own: more}}", "{remove: [x-own]}", "{}"]);
    (side, answer).prop_map(|(asked, said)| format!("headers: {{request: {asked}, response: {said}}}"))
}

fn destination() -> impl Strategy<Value = String> {
    let host = one(&["host: a", "host: b", "host: b.default.svc.cluster.local", "host: nobody"]);
    let subset = maybe(one(&["subset: v1", "subset: v2", "subset: v9"]), 0.4);
    let port = maybe(Just("port: {number: 80}".to_owned()), 0.2);
    let to = fields(vec![host.boxed(), subset.boxed(), port.boxed()]);
    (to, maybe(operations(), 0.2)).prop_map(|(to, operations)| {
        format!("{{destination: {to}{}{operations}}}", if operations.is_empty() { "" } else { ", " })
    })
}

fn action() -> impl Strategy<Value = String> {
    // One destination, or one that gets all: what is drawn is not the same twice.
    let alone = destination().prop_map(|it| format!("route: [{it}]"));
    let weighted = (destination(), destination()).prop_map(|(all, none)| {
        let weighted =
            |it: &str, weight: u32| format!("{}, weight: {weight}}}", it.strip_suffix('}').unwrap_or(it));
        format!("route: [{}, {}]", weighted(&all, 3), weighted(&none, 0))
    });
    let rewrite = one(&[
        "rewrite: {uri: /new}",
        "rewrite: {uri: /}",
        "rewrite: {authority: other.com}",
        "rewrite: {uri: /n/, authority: other.com}",
        "rewrite: {uriRegexRewrite: {match: '/(a|b)', rewrite: '/x\\1'}}",
        "rewrite: {uriRegexRewrite: {match: '^/[^/]*', rewrite: '/\\0\\0'}}",
    ]);
    let more = (maybe(rewrite, 0.3), maybe(one(&["timeout: 0s", "timeout: 3s", "timeout: 250ms"]), 0.2));
    let tries = maybe(
        one(&[
            "retries: {attempts: 0}",
            "retries: {attempts: 2, retryOn: '5xx', backoff: 1ms}",
            "retries: {attempts: 1, retryOn: '503,gateway-error', perTryTimeout: 1s, backoff: 1ms}",
            "retries: {attempts: 1, retryOn: 'retriable-4xx', backoff: 1ms}",
        ]),
        0.3,
    );
    let forward = (prop_oneof![3 => alone, 1 => weighted], more, tries);
    let forward =
        forward.prop_map(|(route, (rewrite, timeout), tries)| joined(&[&route, &rewrite, &timeout, &tries]));
    let redirect = fields(vec![
        maybe(one(&["uri: /new", "uri: /", "authority: other.com"]), 0.8).boxed(),
        maybe(
            one(&[
                "scheme: https",
                "port: 8080",
                "derivePort: FROM_PROTOCOL_DEFAULT",
                "derivePort: FROM_REQUEST_PORT",
            ]),
            0.3,
        )
        .boxed(),
        maybe(
            one(&["redirectCode: 302", "redirectCode: 307", "redirectCode: 308", "redirectCode: 304"]),
            0.4,
        )
        .boxed(),
    ]);
    let direct =
        one(&["{status: 200, body: {string: own}}", "{status: 418}", "{status: 503, body: {string: down}}"]);
    prop_oneof![
        6 => forward,
        1 => redirect.prop_map(|it| format!("redirect: {it}")),
        1 => direct.prop_map(|it| format!("directResponse: {it}")),
    ]
}

fn joined(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(", ")
}

fn rule() -> impl Strategy<Value = String> {
    let matches = prop::collection::vec(condition(), 0..3);
    let fault = one(&[
        "fault: {abort: {httpStatus: 418, percentage: {value: 100}}}",
        "fault: {abort: {httpStatus: 503, percentage: {value: 0}}}",
        "fault: {delay: {fixedDelay: 1ms, percentage: {value: 100}}}",
        "fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}",
    ]);
    let cors = one(&[
        "corsPolicy: {allowOrigins: [{exact: 'http://x.com'}], allowMethods: [GET, PUT], maxAge: 90s}",
        "corsPolicy: {allowOrigins: [{regex: 'http://.*'}], allowHeaders: [h], allowCredentials: true}",
        "corsPolicy: {allowOrigins: [{prefix: 'http://x'}], exposeHeaders: [x-own], unmatchedPreflights: IGNORE}",
    ]);
    let parts = (matches, action(), maybe(operations(), 0.3), maybe(fault, 0.15), maybe(cors, 0.2));
    parts.prop_map(|(matches, action, operations, fault, cors)| {
        let matches =
            if matches.is_empty() { String::new() } else { format!("match: [{}]", matches.join(", ")) };
        format!("{{{}}}", joined(&[&matches, &action, &operations, &fault, &cors]))
    })
}

fn policy() -> impl Strategy<Value = String> {
    fields(vec![
        maybe(
            one(&[
                "loadBalancer: {simple: RANDOM}",
                "loadBalancer: {simple: LEAST_REQUEST, warmup: {duration: 1s}}",
                "loadBalancer: {consistentHash: {httpHeaderName: h}}",
                "loadBalancer: {consistentHash: {httpHeaderName: h, maglev: {tableSize: 101}}}",
                "loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: 9}}}",
                "loadBalancer: {consistentHash: {httpQueryParameterName: q}}",
                "loadBalancer: {consistentHash: {httpCookie: {name: c, ttl: 0s}}}",
                "loadBalancer: {localityLbSetting: {failover: [{from: r1, to: r2}]}}",
                "loadBalancer: {localityLbSetting: {distribute: [{from: 'r1/*', to: {'r1/*': 80, 'r2/*': 20}}]}}",
            ]),
            0.4,
        )
        .boxed(),
        maybe(
            one(&[
                "connectionPool: {tcp: {maxConnections: 100, connectTimeout: 2s, tcpKeepalive: {time: 60s, probes: 3}}}",
                "connectionPool: {http: {http1MaxPendingRequests: 100, maxRequestsPerConnection: 1, maxRetries: 5}}",
                "connectionPool: {http: {http2MaxRequests: 50, idleTimeout: 30s, maxConcurrentStreams: 7}, tcp: {maxConnectionDuration: 60s}}",
                "connectionPool: {http: {h2UpgradePolicy: UPGRADE}}",
            ]),
            0.4,
        )
        .boxed(),
        maybe(
            one(&[
                "outlierDetection: {consecutive5xxErrors: 1000, interval: 1s, baseEjectionTime: 1s}",
                "outlierDetection: {consecutiveGatewayErrors: 1000, maxEjectionPercent: 100, minHealthPercent: 50}",
                "outlierDetection: {splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 1000}",
                "outlierDetection: {}",
            ]),
            0.3,
        )
        .boxed(),
        maybe(Just("retryBudget: {percent: 25, minRetryConcurrency: 2}".to_owned()), 0.1).boxed(),
    ])
}

fn asked() -> impl Strategy<Value = Asked> {
    let path = (
        select(&["/", "/a", "/a/", "/A/b", "/a/b/x", "/b", "/ab", "/503", "/409", "/x"][..]),
        select(&["", "?q=x", "?q=&r=xx", "?r", "?q=1&q=x"][..]),
    );
    let headers = prop::collection::vec(
        select(
            &[
                ("h", "x"),
                ("h", "xy"),
                ("h", ""),
                ("x-b", "1"),
                ("x-b", "xx"),
                ("origin", "http://x.com"),
                ("origin", "http://y.com"),
                ("access-control-request-method", "GET"),
                ("x-envoy-max-retries", "1"),
                ("x-envoy-retry-on", "5xx"),
                ("x-envoy-upstream-rq-timeout-ms", "2000"),
            ][..],
        ),
        0..4,
    );
    let method = select(&["GET", "GET", "POST", "OPTIONS", "DELETE"][..]);
    let host = select(&["a", "a", "a", "A.default", "a:80", "b", "a.default.svc.cluster.local", "a:81"][..]);
    (method, host, path, headers).prop_map(|(method, host, (path, query), mut headers)| {
        headers.sort_unstable();
        headers.dedup_by_key(|(name, _)| *name);
        Asked { method, host, path: format!("{path}{query}"), headers }
    })
}

fn case() -> impl Strategy<Value = Case> {
    let parts =
        (prop::collection::vec(rule(), 0..5), [policy(), policy()], prop::collection::vec(asked(), REQUESTS));
    parts.prop_map(|(rules, policies, requests)| Case { rules, policies, requests })
}

impl Case {
    /// The resources, with these ports of the two services' versions.
    fn yaml(&self, ports: &[u16; 2]) -> String {
        let mut yaml = String::new();
        for (name, port) in ["a", "b"].iter().zip(ports) {
            let _ = write!(
                yaml,
                "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}}}\nspec:\n  hosts: [{name}.default.svc.cluster.local]\n  \
                 location: MESH_INTERNAL\n  resolution: STATIC\n  ports: [{{number: 80, name: http, protocol: HTTP}}]\n  endpoints:\n"
            );
            for version in ["v1", "v2"] {
                let _ = writeln!(
                    yaml,
                    "  - {{address: 127.0.0.1, ports: {{http: {port}}}, labels: {{app: {name}, version: {version}}}, locality: r1/z1}}"
                );
            }
            yaml += "---\n";
        }
        for (name, policy) in ["a", "b"].iter().zip(&self.policies) {
            let _ = write!(
                yaml,
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}}}\nspec:\n  host: {name}\n  trafficPolicy: {policy}\n  \
                 subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]\n---\n"
            );
        }
        yaml += "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: gate}\nspec:\n  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]\n---\n";
        if !self.rules.is_empty() {
            let _ = write!(
                yaml,
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\nspec:\n  hosts: [a, a.default.svc.cluster.local]\n  gateways: [mesh, gate]\n  http:\n"
            );
            for rule in &self.rules {
                let _ = writeln!(yaml, "  - {rule}");
            }
        }
        yaml
    }
}

fn plan(yaml: &str, source: &Source) -> Arc<Plan> {
    let mesh = Mesh::parse(&Sources::single("mesh.yaml", yaml)).mesh;
    let settings = Settings::default();
    let registry = Registry::of(&mesh, &mesh::Inventory::default(), &settings);
    Arc::new(compile(&mesh, &registry, &settings, source, 1))
}

/// The two planes with the plans of one source.
struct Pair {
    source: Source,
    own: Rig,
    envoy: Rig,
}

impl Pair {
    async fn start(source: Source, yaml: &str) -> Self {
        let config = || Config { threads: 1, ..Config::default() };
        let plan = plan(yaml, &source);
        let own = Rig::of(config(), Arc::clone(&plan), Some(80), false).await;
        let envoy = Rig::of(config(), plan, Some(80), true).await;
        Self { source, own, envoy }
    }

    /// What differs between the two under these rules.
    async fn differs(&mut self, yaml: &str, requests: &[Asked]) -> Result<(), String> {
        let plan = plan(yaml, &self.source);
        self.own.offer(Arc::clone(&plan)).await?;
        self.envoy.offer(plan).await?;
        for asked in requests {
            let own = answer(&mut self.own, asked).await;
            let envoy = answer(&mut self.envoy, asked).await;
            if own != envoy {
                return Err(format!("{asked:?} of {:?}\n--- here\n{own}\n--- Envoy\n{envoy}", self.source));
            }
        }
        Ok(())
    }
}

/// What a client and its upstream see, and what is written down.
async fn answer(rig: &mut Rig, asked: &Asked) -> String {
    let mut headers = asked.headers.clone();
    headers.push(("host", asked.host));
    let mut connection = Connection::open(rig.address).await;
    let answer = connection.fetch(request(asked.method, &asked.path, &headers, "")).await;
    let mut said = match answer {
        Ok(answer) => {
            let mut said = format!("{}\n", answer.status.as_u16());
            let mut headers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for (name, value) in &answer.headers {
                let mut value = value.to_str().unwrap().to_owned();
                if name == "set-cookie" {
                    // What is between the quotes is made up.
                    value = value.split('"').step_by(2).collect();
                }
                headers.entry(name.as_str()).or_default().push(value);
            }
            headers.retain(|name, _| !OWN.contains(name));
            // Envoy hands the cookie of a hash out once more with each try.
            headers.entry("set-cookie").or_default().dedup();
            let _ = write!(said, "{headers:?}\n{}", answer.body);
            said
        }
        Err(error) => format!("{error}\n"),
    };
    let _ = write!(said, "\n{}", rig.observed(1).await.outcomes());
    said
}

/// Headers that are each program's own.
const OWN: [&str; 10] = [
    "date",
    "server",
    "connection",
    "content-length",
    "transfer-encoding",
    "x-request-id",
    "x-envoy-upstream-service-time",
    // What Envoy says of the way that a request has come.
    "x-envoy-internal",
    "x-forwarded-for",
    "x-forwarded-proto",
];

/// Says what it is called and what it was asked; a path that ends with a number it answers with that.
async fn service(name: &'static str) -> Server {
    Server::start(move |request: Request<Incoming>| async move {
        let path = request.uri().path();
        let status = path.rsplit('/').next().and_then(|last| last.parse().ok()).unwrap_or(200);
        let mut lines: Vec<String> = Vec::new();
        // Of further tries Envoy says how much is left of the time.
        let again = request.headers().get("x-envoy-attempt-count").is_some_and(|count| count != "1");
        for (key, value) in request.headers() {
            let left = again && key == "x-envoy-expected-rq-timeout-ms";
            if !OWN.contains(&key.as_str()) && !left {
                lines.push(format!("{key}: {}", String::from_utf8_lossy(value.as_bytes())));
            }
        }
        lines.sort();
        let path = request.uri().path_and_query().map_or("", |it| it.as_str());
        let authority = request.uri().authority().map_or("", |it| it.as_str());
        let mut response =
            reply(status, format!("{name} {} {path} {authority}\n{}", request.method(), lines.join("\n")));
        response.headers_mut().insert("x-own", "upstream".parse().unwrap());
        response
    })
    .await
}

#[test]
fn random_meshes_do_the_same_on_both_planes() {
    if std::env::var_os("MESHWRIGHT_ENVOY").is_none() {
        return skipped("no Envoy (MESHWRIGHT_ENVOY names one)");
    }
    let new: Option<u32> = std::env::var("MESHWRIGHT_MESHES").ok().and_then(|it| it.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // Both versions of each are one server: without a subset either is as good.
    let servers: Vec<Server> = runtime.block_on(futures::future::join_all(["a", "b"].map(service)));
    let ports = [0, 1].map(|at: usize| servers[at].address().port());
    let empty =
        Case { rules: Vec::new(), policies: ["{}".to_owned(), "{}".to_owned()], requests: Vec::new() };
    let namespace = "default".to_owned();
    let sources = [
        Source::Workload { namespace: namespace.clone(), name: "a-v1".to_owned() },
        Source::Gateway { namespace, name: "gate".to_owned() },
    ];
    let yaml = empty.yaml(&ports);
    let pairs = runtime.block_on(futures::future::join_all(sources.map(|source| Pair::start(source, &yaml))));
    let pairs = std::cell::RefCell::new(pairs);
    let (asked, tried) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let cases = new.unwrap_or(MESHES);
    let config = Cases { cases, failure_persistence: None, max_shrink_iters: 400, ..Cases::default() };
    let mut runner = match new {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let done = runner.run(&case(), |case| {
        let yaml = case.yaml(&ports);
        tried.set(tried.get() + 1);
        for pair in pairs.borrow_mut().iter_mut() {
            asked.set(asked.get() + case.requests.len());
            let compared = runtime.block_on(pair.differs(&yaml, &case.requests));
            compared.map_err(|difference| TestCaseError::fail(format!("{yaml}\n{difference}")))?;
        }
        Ok(())
    });
    println!("{} meshes, {} requests to each plane", tried.get(), asked.get());
    if let Err(difference) = done {
        panic!("{difference}");
    }
}
