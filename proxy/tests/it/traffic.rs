//! What Istio's own tests ask of a mesh from without, beyond `traffic.json`: whole resources, and requests through real sockets.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh::plan::compile;
use mesh::settings::OutboundPolicy;
use mesh::{Mesh, Plan, Registry, Settings, Severity, Source, Sources};
use proxy::Config;
use tokio::net::TcpStream;

use crate::support::tls::Authority;
use crate::support::{AnyBody, Connection, Rig, Server, get, reply, request};

/// Says its name, what it was asked, and in which version of HTTP.
async fn service(name: &'static str) -> Server {
    Server::start(move |request: Request<Incoming>| async move {
        let host = request.uri().authority().map(|it| format!("host: {it}\n")).unwrap_or_default();
        let path = request.uri().path_and_query().unwrap();
        let mut text = format!("{name} {:?}\n{} {path}\n{host}", request.version(), request.method());
        for (key, value) in request.headers() {
            text += &format!("{key}: {}\n", value.to_str().unwrap());
        }
        let mut answer = reply(200, text);
        for header in ["x-own=1", "set-cookie=a=1", "set-cookie=b=2"] {
            let (name, value) = header.split_once('=').unwrap();
            answer.headers_mut().append(name, value.parse().unwrap());
        }
        answer
    })
    .await
}

/// Services `a`, `b` and `c` of the mesh; each listens for HTTP on ports 80 and 8080, for HTTP/2 on 85, and for whatever comes on 18080.
struct World {
    servers: Vec<Server>,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

impl World {
    async fn new() -> Self {
        let servers = futures::future::join_all(NAMES.map(service)).await;
        Self { servers }
    }

    fn yaml(&self) -> String {
        let mut yaml = String::new();
        for (name, server) in NAMES.iter().zip(&self.servers) {
            let port = server.address().port();
            yaml += &format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\nspec:\n  selector: {{app: {name}}}\n  ports:\n  \
                 - {{name: http, port: 80, targetPort: {port}}}\n  - {{name: http-alt, port: 8080, targetPort: {port}}}\n  \
                 - {{name: http2, port: 85, targetPort: {port}}}\n  - {{name: auto, port: 18080, targetPort: {port}}}\n  - {{name: https, port: 443, targetPort: {port}}}\n---\n\
                 apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {name}-v1}}\nspec: {{address: 127.0.0.1, labels: {{app: {name}, version: v1}}}}\n---\n"
            );
        }
        yaml
    }

    /// The plan for a workload's or a gateway's traffic, of resources that validation has no word against.
    fn plan(&self, config: &str, source: &Source) -> Arc<Plan> {
        let sources = Sources::single("mesh.yaml", self.yaml() + config);
        let parsed = Mesh::parse(&sources);
        let settings = Settings { outbound_policy: OutboundPolicy::RegistryOnly, ..Settings::default() };
        let registry = Registry::of(&parsed.mesh, &mesh::Inventory::default(), &settings);
        let said = mesh::validate::validate(&parsed.mesh, &registry, &settings);
        let errors: Vec<_> = said.iter().filter(|it| it.severity == Severity::Error).collect();
        assert!(
            parsed.diagnostics.is_empty() && errors.is_empty(),
            "{:?} {errors:?}\n{config}",
            parsed.diagnostics
        );
        Arc::new(compile(&parsed.mesh, &registry, &settings, source, 1))
    }

    async fn rig(&self, config: &str, via: Via) -> Rig {
        let (source, port) = via.source();
        Rig::at(Config { threads: 1, ..Config::default() }, self.plan(config, &source), port).await
    }
}

/// What a request goes through.
#[derive(Clone, Copy)]
enum Via {
    /// The only listener of workload `a`.
    Outbound,
    /// The listener of one of its ports.
    Port(u16),
    /// A port of the gateway `gateway`.
    Gateway(u16),
}

impl Via {
    fn source(self) -> (Source, Option<u16>) {
        let namespace = "default".to_owned();
        match self {
            Self::Outbound => (Source::Workload { namespace, name: "a-v1".to_owned() }, None),
            Self::Port(port) => (Source::Workload { namespace, name: "a-v1".to_owned() }, Some(port)),
            Self::Gateway(port) => (Source::Gateway { namespace, name: "gateway".to_owned() }, Some(port)),
        }
    }
}

/// Method, host, path with headers after it (`/x name=value`), the status, and what must be in the answer (or not, after a `!`).
type Call<'a> = (&'a str, &'a str, &'a str, u16, &'a [&'a str]);

async fn check(world: &World, config: &str, via: Via, calls: &[Call<'_>]) {
    let rig = world.rig(config, via).await;
    let mut connection = Connection::open(rig.address).await;
    for (method, host, asked, status, wanted) in calls {
        let mut words = asked.split(' ');
        let path = words.next().unwrap();
        let mut headers: Vec<_> = words.map(|word| word.split_once('=').unwrap()).collect();
        headers.push(("host", *host));
        let answer = connection.fetch(request(method, path, &headers, "")).await.unwrap();
        let mut said = format!("{}\n", answer.body);
        for (name, value) in &answer.headers {
            said += &format!("> {name}: {}\n", value.to_str().unwrap());
        }
        let what = format!("{config}\n{method} {host}{asked}: {}\n{said}", answer.status);
        assert_eq!(answer.status, *status, "{what}");
        for wanted in *wanted {
            let (wanted, expected) = wanted.strip_prefix('!').map_or((*wanted, true), |it| (it, false));
            assert_eq!(said.contains(wanted), expected, "{wanted} of {what}");
        }
    }
}

/// A VirtualService for `b`.
fn rules(http: &str) -> String {
    bound("b", "mesh", http)
}

fn bound(host: &str, gateway: &str, http: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: default}}\nspec: {{hosts: ['{host}'], gateways: [{gateway}], http: [{http}]}}\n"
    )
}

fn gateway(servers: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: gateway}}\nspec: {{selector: {{istio: ingressgateway}}, servers: [{servers}]}}\n"
    )
}

fn policy(host: &str, policy: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {}}}\nspec: {{host: {host}, trafficPolicy: {policy}}}\n",
        host.replace('.', "-")
    )
}

const TO_B: &str = "route: [{destination: {host: b}}]";

#[tokio::test]
async fn heads() {
    let world = World::new().await;
    let with = |headers: &str| rules(&format!("{{{TO_B}, headers: {{{headers}}}}}"));
    let two = |first: &str, second: &str, whole: &str| {
        rules(&format!(
            "{{route: [{{destination: {{host: b}}, weight: 50{first}}}, {{destination: {{host: c}}, weight: 50{second}}}]{whole}}}"
        ))
    };
    let own = ", headers: {request: {set: {Host: own.com}}}";
    let route = ", headers: {request: {set: {':authority': route.com}}}";
    for (config, asked, wanted) in [
        (with("request: {add: {own: new}}"), "/ own=old", &["own: old\nown: new\n"][..]),
        (with("request: {set: {own: new}}"), "/ own=old", &["own: new\n", "!old"]),
        (with("request: {set: {':authority': other.com}}"), "/", &["host: other.com\n"]),
        (with("request: {remove: [own]}"), "/ own=old", &["!own: old"]),
        (two(own, "", route), "/", &["host: route.com\n"]),
        (two(own, own, ""), "/", &["host: own.com\n"]),
        (with("response: {remove: [x-own]}"), "/", &["!x-own", "> set-cookie: a=1\n> set-cookie: b=2\n"]),
        (
            with("response: {remove: [set-cookie], add: {Set-Cookie: c=3}}"),
            "/",
            &["> set-cookie: c=3\n", "!a=1"],
        ),
        (with("response: {set: {X-Own: '2'}}"), "/", &["> x-own: 2\n", "!x-own: 1"]),
        (
            with("request: {set: {own: 100%%}}, response: {set: {x-own: '%%%%'}}"),
            "/",
            &["own: 100%\n", "> x-own: %%\n"],
        ),
    ] {
        check(&world, &config, Via::Outbound, &[("GET", "b", asked, 200, wanted)]).await;
    }
}

#[tokio::test]
async fn redirects() {
    let world = World::new().await;
    let moved =
        |redirect: &str| rules(&format!("{{match: [{{uri: {{prefix: /foo}}}}], redirect: {{{redirect}}}}}"));
    let as_asked = moved("derivePort: FROM_REQUEST_PORT");
    for (config, via, host, path, location) in [
        (
            moved("derivePort: FROM_REQUEST_PORT, scheme: https"),
            Via::Outbound,
            "b",
            "/foo",
            "https://b:80/foo",
        ),
        (as_asked.clone(), Via::Outbound, "b", "/foo", "http://b/foo"),
        (as_asked.clone(), Via::Outbound, "b:80", "/foo", "http://b:80/foo"),
        (as_asked.clone(), Via::Outbound, "b:85", "/foo", "http://b:85/foo"),
        (as_asked.clone(), Via::Port(85), "b", "/foo", "http://b:85/foo"),
        (as_asked, Via::Port(85), "b:85", "/foo", "http://b:85/foo"),
        (moved("prefixRewrite: /new"), Via::Outbound, "b", "/foo/x?q=1", "http://b/new/x?q=1"),
        (moved("uri: '%PREFIX()%/new'"), Via::Outbound, "b", "/foo/x", "http://b/new/x"),
        (
            moved("uri: /n, authority: o.com, port: 8443, scheme: https"),
            Via::Outbound,
            "b",
            "/foo",
            "https://o.com:8443/n",
        ),
        (moved("authority: o.com"), Via::Outbound, "b:80", "/foo?q", "http://o.com/foo?q"),
        (moved("port: 80"), Via::Outbound, "b", "/foo", "http://b/foo"),
    ] {
        let location = format!("> location: {location}\n");
        check(&world, &config, via, &[("GET", host, path, 301, &[&location])]).await;
    }
}

#[tokio::test]
async fn conditions_and_paths() {
    let world = World::new().await;
    let only = |condition: &str| rules(&format!("{{match: [{condition}], {TO_B}}}"));
    let absurd = "a!#$%&'*+-.^_`|~z";
    let named = only(&format!("{{headers: {{\"{absurd}\": {{exact: why}}}}}}"));
    let with = format!("/ {absurd}=why");
    check(&world, &named, Via::Outbound, &[("GET", "b", "/", 404, &[]), ("GET", "b", &with, 200, &[])]).await;
    let only_get = only("{headers: {':method': {exact: GET}}}");
    check(&world, &only_get, Via::Outbound, &[("POST", "b", "/", 404, &[]), ("GET", "b", "/", 200, &[])])
        .await;
    let without = |condition: &str| {
        rules(&format!(
            "{{match: [{{withoutHeaders: {{end-user: {condition}}}}}], {TO_B}, fault: {{abort: {{percentage: {{value: 100}}, httpStatus: 403}}}}}}, {{{TO_B}}}"
        ))
    };
    for (condition, jason, other, empty, none) in [
        ("{exact: jason}", 200, 403, 403, 403),
        ("{regex: '*'}", 200, 200, 200, 403),
        ("{regex: .*}", 200, 200, 200, 200),
        ("{prefix: ja}", 200, 403, 403, 403),
    ] {
        let calls = [
            ("GET", "b", "/ end-user=jason", jason, &[][..]),
            ("GET", "b", "/ end-user=not-jason", other, &[]),
            ("GET", "b", "/ end-user=", empty, &[]),
            ("GET", "b", "/", none, &[]),
        ];
        check(&world, &without(condition), Via::Outbound, &calls).await;
    }
    let changed = |uri: &str, rewrite: &str| {
        rules(&format!("{{match: [{{uri: {uri}}}], rewrite: {{{rewrite}}}, {TO_B}}}"))
    };
    for (config, path, wanted) in [
        (changed("{exact: /foo}", "uri: /new/path"), "/foo?key=value", "GET /new/path?key=value\n"),
        (changed("{exact: /foo}", "authority: new-authority"), "/foo", "host: new-authority\n"),
        (changed("{prefix: /foo/}", "uri: /"), "/foo/bar", "GET /bar\n"),
        (changed("{prefix: /foo}", "uri: /"), "/foo/bar", "GET //bar\n"),
        (changed("{regex: '/f.*'}", "uri: /all"), "/foo/bar?q", "GET /all?q\n"),
        (
            changed("{prefix: /}", "uriRegexRewrite: {match: '/([^/]+)/([^/]+)', rewrite: '/\\2/\\1'}"),
            "/x/y",
            "GET /y/x\n",
        ),
    ] {
        check(&world, &config, Via::Outbound, &[("GET", "b", path, 200, &[wanted])]).await;
    }
    // A fragment that a client sends all the same is no part of the path.
    let rewritten = changed("{exact: /foo}", "uri: /new/path");
    let rig = world.rig(&rewritten, Via::Outbound).await;
    let said =
        crate::protocol::exchange(&rig, "GET /foo?key=value#hash HTTP/1.1\r\nhost: b\r\n\r\n", "key=value")
            .await;
    assert!(said.contains("GET /new/path?key=value"), "{said}");
}

#[tokio::test]
async fn names_below_a_headless_service() {
    let world = World::new().await;
    let headless = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: h}}\nspec:\n  clusterIP: None\n  selector: {{app: b}}\n  ports: [{{name: auto-http, port: 80, targetPort: {}}}]\n",
        world.servers[1].address().port()
    );
    let long = "h.default.svc.cluster.local";
    let mut hosts = Vec::new();
    for name in [
        long,
        "h.default.svc",
        "h",
        "some-instances.h.default.svc.cluster.local",
        "some-instances.h.default.svc",
        "some-instances.h",
    ] {
        hosts.extend([name.to_owned(), format!("{name}:80"), format!("{name}:12345")]);
    }
    let calls: Vec<Call<'_>> =
        hosts.iter().map(|host| ("GET", host.as_str(), "/", 200, &["b HTTP/1.1\n"][..])).collect();
    check(&world, &headless, Via::Port(80), &calls).await;
}

#[tokio::test]
async fn services_may_share_workloads_and_have_other_names() {
    let world = World::new().await;
    let port = world.servers[1].address().port();
    let config = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: alt}}\nspec: {{selector: {{app: b}}, ports: [{{name: http, port: 80, targetPort: {port}}}, {{name: http-more, port: 12345, targetPort: {port}}}]}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: bare}}\nspec: {{type: ExternalName, externalName: b.default.svc.cluster.local}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: ported}}\nspec: {{type: ExternalName, externalName: b.default.svc.cluster.local, ports: [{{name: http, port: 80, targetPort: 80}}]}}\n"
    ) + &bound(
        "c",
        "mesh",
        "{route: [{destination: {host: ported.default.svc.cluster.local, port: {number: 80}}}]}",
    );
    let to_b: &[&str] = &["b HTTP/1.1\n"];
    check(
        &world,
        &config,
        Via::Outbound,
        &[
            ("GET", "alt", "/", 200, to_b),
            ("GET", "alt:12345", "/", 200, to_b),
            ("GET", "bare", "/", 200, to_b),
            ("GET", "ported", "/", 200, to_b),
            ("GET", "c", "/", 200, to_b),
        ],
    )
    .await;
}

#[tokio::test]
async fn gateways() {
    let world = World::new().await;
    let http = |hosts: &str, more: &str| {
        format!("{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['{hosts}']{more}}}")
    };
    let to_https = ", tls: {httpsRedirect: true}";
    let long = "b.default.svc.cluster.local";
    let all = "{route: [{destination: {host: b.default.svc.cluster.local, port: {number: 80}}}]}";
    let secure = "{route: [{destination: {host: b.default.svc.cluster.local, port: {number: 443}}}]}";
    let scheme = "{match: [{scheme: {exact: http}}], route: [{destination: {host: b, port: {number: 80}}}], headers: {request: {add: {own: 'yes'}}}}";
    let by_b: &[&str] = &["b HTTP/1.1\n"];
    let moved: &[&str] = &["> location: https://b.default.svc.cluster.local/x?y\n"];
    for (config, calls) in [
        (gateway(&http("*", "")), &[("GET", "foo.bar", "/", 404, &[][..])][..]),
        (gateway(&http("*", to_https)), &[("GET", long, "/x?y", 301, moved)]),
        (
            gateway(&http("*", to_https)) + &bound(long, "gateway", secure),
            &[("GET", long, "/x?y", 301, moved)],
        ),
        (
            gateway(&http("*", "")) + &bound(long, "gateway", all),
            &[("GET", long, "/", 200, by_b), ("GET", "c", "/", 404, &[])],
        ),
        (
            gateway(&http("*", "")) + &bound(long, "gateway", scheme),
            &[("GET", long, "/", 200, &["own: yes\n"])],
        ),
        (
            gateway(&http("*.example.com", "")) + &bound("*.example.com", "gateway", all),
            &[
                ("GET", "foo.example.com", "/", 200, by_b),
                ("GET", "foo.example.com:80", "/", 200, by_b),
                ("GET", "foo.example.com:12345", "/", 200, by_b),
                ("GET", "example.com", "/", 404, &[]),
            ],
        ),
        // Two servers on one port: each has hosts of its own.
        (
            gateway(&format!("{}, {}", http("one.com", ""), http("two.com", to_https)))
                + &bound("*", "gateway", all),
            &[
                ("GET", "one.com", "/", 200, by_b),
                ("GET", "two.com", "/", 301, &["> location: https://two.com/\n"]),
                ("GET", "three.com", "/", 404, &[]),
            ],
        ),
    ] {
        check(&world, &config, Via::Gateway(80), calls).await;
    }
}

#[tokio::test]
async fn gateways_within_tls() {
    let world = World::new().await;
    let authority = Authority::new();
    let pair = authority.issue(&["b.default.svc.cluster.local"]);
    let indented = |pem: &str| pem.lines().map(|line| format!("\n    {line}")).collect::<String>();
    let secret = format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: cred}}\nstringData:\n  tls.crt: |{}\n  tls.key: |{}\n  ca.crt: |{}\n",
        indented(&pair.certificate),
        indented(&pair.key),
        indented(&authority.pem)
    );
    let name = "b.default.svc.cluster.local";
    let server = |tls: &str| {
        gateway(&format!(
            "{{port: {{number: 443, name: https, protocol: HTTPS}}, hosts: ['{name}'], tls: {{credentialName: cred, {tls}}}}}"
        ))
    };
    // All that Istio knows, and one that nobody does.
    let ciphers = "mode: SIMPLE, cipherSuites: [ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-RSA-AES128-GCM-SHA256, \
        ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES256-GCM-SHA384, ECDHE-ECDSA-CHACHA20-POLY1305, \
        ECDHE-RSA-CHACHA20-POLY1305, ECDHE-ECDSA-AES128-SHA, ECDHE-RSA-AES128-SHA, ECDHE-ECDSA-AES256-SHA, \
        ECDHE-RSA-AES256-SHA, AES128-GCM-SHA256, AES256-GCM-SHA384, AES128-SHA, AES256-SHA, DES-CBC3-SHA, fake]";
    let web = authority.web(&[name], None, false).await;
    let again = format!(
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: again}}\nspec:\n  hosts: [again.com]\n  location: MESH_INTERNAL\n  resolution: STATIC\n  ports: [{{number: 443, name: https, protocol: HTTPS}}]\n  endpoints: [{{address: 127.0.0.1, ports: {{https: {}}}}}]\n",
        web.port
    ) + &policy("again.com", "{tls: {mode: SIMPLE, insecureSkipVerify: true}}");
    let scheme = "{match: [{scheme: {exact: https}}], route: [{destination: {host: b, port: {number: 80}}}], headers: {request: {add: {own: 'yes'}}}}";
    let to_b = "{route: [{destination: {host: b, port: {number: 80}}}]}";
    let onward = "{route: [{destination: {host: again.com, port: {number: 443}}}]}";
    for (config, wanted) in [
        (server(ciphers) + &bound(name, "gateway", to_b), "b HTTP/1.1\n"),
        (server("mode: OPTIONAL_MUTUAL") + &bound(name, "gateway", to_b), "b HTTP/1.1\n"),
        (server("mode: SIMPLE") + &bound(name, "gateway", scheme), "own: yes\n"),
        (server("mode: SIMPLE") + &bound(name, "gateway", onward) + &again, "HTTP/1.1"),
    ] {
        let rig = world.rig(&(config.clone() + &secret), Via::Gateway(443)).await;
        let stream = authority.client().connect(rig.address, name).await.unwrap();
        let mut connection = Connection::on(stream).await;
        let answer = connection.fetch(request("GET", "/", &[("host", name)], "")).await.unwrap();
        assert!(answer.status == 200 && answer.body.contains(wanted), "{config}: {answer:?}");
    }
}

/// `GET /` as HTTP/2.
async fn get_h2(rig: &Rig, host: &str) -> String {
    let stream = TcpStream::connect(rig.address).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let body: AnyBody = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
    let asked = Request::get(format!("http://{host}/")).body(body).unwrap();
    let body = sender.send_request(asked).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn the_clients_protocol_goes_on_where_it_is_asked_for() {
    let world = World::new().await;
    let same = policy("b", "{tls: {mode: DISABLE}, connectionPool: {http: {useClientProtocol: true}}}");
    let open = gateway("{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}");
    let edge = |port: u16| {
        open.clone()
            + &bound(
                "b",
                "gateway",
                &format!("{{route: [{{destination: {{host: b, port: {{number: {port}}}}}}}]}}"),
            )
    };
    for (config, via, h1, h2) in [
        (String::new(), Via::Outbound, "1.1", "1.1"),
        (same.clone(), Via::Outbound, "1.1", "2.0"),
        (edge(18080), Via::Gateway(80), "1.1", "1.1"),
        (edge(18080) + &same, Via::Gateway(80), "1.1", "2.0"),
        (edge(80) + &same, Via::Gateway(80), "1.1", "2.0"),
        (edge(85) + &same, Via::Gateway(80), "1.1", "2.0"),
        (edge(85), Via::Gateway(80), "2.0", "2.0"),
        (String::new(), Via::Port(18080), "1.1", "2.0"),
        (policy("b", "{connectionPool: {http: {idleTimeout: 100s}}}"), Via::Outbound, "1.1", "1.1"),
        (
            policy(
                "b",
                "{connectionPool: {http: {h2UpgradePolicy: UPGRADE, http2KeepAlive: {interval: 15s, timeout: 5s}}}}",
            ),
            Via::Outbound,
            "2.0",
            "2.0",
        ),
    ] {
        let rig = world.rig(&config, via).await;
        // One after the other, and again: connections of both kinds wait beside each other.
        for _ in 0..2 {
            let host = "b.default.svc.cluster.local";
            let said = get(rig.address, "/", &[("host", host)]).await.body;
            assert!(said.starts_with(&format!("b HTTP/{h1}\n")), "{config}: {said}");
            let said = get_h2(&rig, host).await;
            assert!(said.starts_with(&format!("b HTTP/{h2}\n")), "{config}: {said}");
        }
    }
}

#[tokio::test]
async fn copies_go_to_several_and_to_strangers() {
    let world = World::new().await;
    let outside = format!(
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: out}}\nspec:\n  hosts: [out.com]\n  resolution: STATIC\n  ports: [{{number: 80, name: http, protocol: HTTP}}]\n  endpoints: [{{address: 127.0.0.1, ports: {{http: {}}}}}]\n",
        world.servers[2].address().port()
    );
    let several = "{route: [{destination: {host: a}}], mirrors: [{destination: {host: b}, percentage: {value: 50}}, {destination: {host: out.com}}]}";
    let rig = world.rig(&(outside + &bound("a", "mesh", several)), Via::Outbound).await;
    let mut connection = Connection::open(rig.address).await;
    for _ in 0..2000 {
        let answer = connection.fetch(request("GET", "/", &[("host", "a")], "")).await.unwrap();
        assert!(answer.status == 200 && answer.body.starts_with("a "), "{answer:?}");
    }
    let [_, half, all] = &world.servers[..] else { unreachable!() };
    let came = async {
        while all.requests() < 2000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), came).await.unwrap();
    // Five standard deviations, and some that are still active.
    assert!(half.requests().abs_diff(1000) < 130, "{}", half.requests());
}

#[tokio::test]
async fn a_destination_may_be_chosen_by_hash() {
    // Istio's tests have services over all workloads; here one over `b` and `c`.
    let world = World::new().await;
    let [_, b, c] = &world.servers[..] else { unreachable!() };
    let all = format!(
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: all}}\nspec:\n  hosts: [all.com]\n  location: MESH_INTERNAL\n  resolution: STATIC\n  ports: [{{number: 80, name: http, protocol: HTTP}}]\n  endpoints: [{{address: 127.0.0.1, ports: {{http: {}}}}}, {{address: 127.0.0.1, ports: {{http: {}}}}}]\n",
        b.address().port(),
        c.address().port()
    );
    for (hash, consistent) in [
        (None, false),
        (Some("useSourceIp: true"), true),
        (Some("httpQueryParameterName: some-query-param"), true),
        (Some("httpHeaderName: x-some-header"), true),
        (Some("httpCookie: {name: session-cookie}"), true),
        (Some("httpCookie: {name: session-cookie, ttl: 3600s}"), true),
    ] {
        let config = all.clone()
            + &hash.map_or_else(String::new, |hash| {
                policy("all.com", &format!("{{loadBalancer: {{consistentHash: {{{hash}}}}}}}"))
            });
        let rig = world.rig(&config, Via::Outbound).await;
        let mut by = std::collections::BTreeSet::new();
        let asked = [("host", "all.com"), ("x-some-header", "baz"), ("cookie", "session-cookie=somecookie")];
        for _ in 0..30 {
            let answer = get(rig.address, "/?some-query-param=bar", &asked).await;
            by.insert(answer.body.lines().next().unwrap().to_owned());
        }
        assert_eq!(by.len() == 1, consistent, "{hash:?}: {by:?}");
    }
}
