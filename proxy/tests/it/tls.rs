//! TLS that ends at a gateway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh::Source;
use mesh::plan::{Matcher, Plan, Protocol, Secret, TlsServer};
use mesh::resource::gateway::{ServerTls, ServerTlsMode, TlsVersion};
use proxy::Config;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plans::{Draft, cluster, cluster_at, connections, to_first};
use crate::support::tls::{Authority, Client, Pair};
use crate::support::{AnyBody, Connection, Raw, Rig, Server, is_envoy, request};

pub(crate) fn gateway() -> Source {
    Source::Gateway { namespace: "default".to_owned(), name: "gate".to_owned() }
}

/// A gateway's server that opens TLS with the certificate of a secret.
pub(crate) fn simple(hosts: &[&str], pair: &Pair) -> TlsServer {
    TlsServer {
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        http: true,
        settings: ServerTls { mode: Some(ServerTlsMode::Simple), ..ServerTls::default() },
        secrets: vec![secret(pair)],
        authorities: None,
    }
}

fn mutual(hosts: &[&str], pair: &Pair, clients: &Authority) -> TlsServer {
    let mut server = simple(hosts, pair);
    server.settings.mode = Some(ServerTlsMode::Mutual);
    server.authorities = Some(Secret { authorities: clients.pem.clone().into_bytes(), ..Secret::default() });
    server
}

fn secret(pair: &Pair) -> Secret {
    Secret {
        certificate: pair.certificate.clone().into_bytes(),
        key: pair.key.clone().into_bytes(),
        ..Secret::default()
    }
}

/// `reviews` behind TLS on port 443.
pub(crate) fn plan(server: &Server, tls: Vec<TlsServer>) -> Arc<Plan> {
    let mut draft = Draft::new(vec![cluster("v1", &[server])], vec![to_first(|_| {})]);
    draft.source = gateway();
    with_tls(draft, tls)
}

pub(crate) fn with_tls(draft: Draft, tls: Vec<TlsServer>) -> Arc<Plan> {
    let mut plan = Arc::unwrap_or_clone(draft.plan());
    let mut listeners = plan.listeners.to_vec();
    (listeners[0].port, listeners[0].protocol, listeners[0].tls) = (443, Protocol::Https, tls);
    plan.listeners = listeners.into();
    plan.into()
}

pub(crate) async fn on_443(plan: Arc<Plan>) -> Rig {
    Rig::on(plan, 443).await
}

/// What `GET /` with more headers brings.
async fn fetch(
    client: Client<'_>,
    rig: &Rig,
    name: &str,
    headers: &[(&str, &str)],
) -> std::io::Result<String> {
    let mut connection = Connection::on(client.connect(rig.address, name).await?).await;
    let answer = connection.fetch(request("GET", "/", headers, "")).await.map_err(std::io::Error::other)?;
    Ok(format!("{} {}", answer.status.as_u16(), answer.body))
}

#[tokio::test]
async fn requests_within_tls_are_https() {
    let (authority, server) = (Authority::new(), Server::echo().await);
    let mut route = to_first(|_| {});
    route.matches =
        vec![mesh::plan::Match { scheme: Some(Matcher::Exact("https".to_owned())), ..Default::default() }];
    let mut draft = Draft::new(vec![cluster("v1", &[&server])], vec![route]);
    draft.source = gateway();
    let mut rig = on_443(with_tls(draft, vec![simple(&["*"], &authority.issue(&["reviews"]))])).await;
    let spoofed = [("x-forwarded-client-cert", "Hash=me"), ("x-forwarded-proto", "http")];
    let said = fetch(authority.client(), &rig, "reviews", &spoofed).await.unwrap();
    assert!(said.starts_with("200 GET /\n") && said.contains("\nx-forwarded-proto: https\n"), "{said}");
    // Of a client on its own machine Envoy tells the machine's address.
    let client = if rig.is_envoy() { "" } else { "127.0.0.1\n" };
    assert!(
        said.contains(&format!("\nx-forwarded-for: {client}")) && !said.contains("client-cert"),
        "{said}"
    );
    assert_eq!(rig.observed(1).await.outcome(), "200");
}

pub(crate) async fn h2(client: Client<'_>, rig: &Rig, name: &str) -> http2::SendRequest<AnyBody> {
    let stream = Client { alpn: &["h2", "http/1.1"], ..client }.connect(rig.address, name).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn http2_is_agreed_on() {
    let (authority, server) = (Authority::new(), Server::named("one").await);
    let rig = on_443(plan(&server, vec![simple(&["*"], &authority.issue(&["reviews"]))])).await;
    let mut sender = h2(authority.client(), &rig, "reviews").await;
    for _ in 0..3 {
        let asked = request("GET", "https://reviews/", &[], "");
        let response = sender.send_request(asked).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "one");
    }
    let plain = Client { alpn: &["http/1.1"], ..authority.client() };
    assert_eq!(fetch(plain, &rig, "reviews", &[]).await.unwrap(), "200 one");
    let foreign = Client { alpn: &["smtp"], ..authority.client() };
    // Envoy goes on without a protocol that both know.
    assert_eq!(foreign.connect(rig.address, "reviews").await.is_ok(), rig.is_envoy());
}

#[tokio::test]
async fn names_choose_certificates() {
    let (authority, server) = (Authority::new(), Server::named("one").await);
    let pair = |names: &[&str]| authority.issue(names);
    let servers = vec![
        simple(&["*.example.com"], &pair(&["*.example.com"])),
        simple(&["a.example.com", "b.org"], &pair(&["a.example.com", "b.org"])),
    ];
    let rig = on_443(plan(&server, servers)).await;
    for (name, shown) in [("a.example.com", 1), ("b.org", 1), ("c.example.com", 0)] {
        let stream = authority.client().connect(rig.address, name).await.unwrap();
        let certificate = &stream.get_ref().1.peer_certificates().unwrap()[0];
        let wild = certificate.windows(13).any(|part| part == b"*.example.com");
        assert_eq!(wild, shown == 0, "{name}");
    }
    // Nobody has this name: there is no certificate to show.
    assert!(authority.client().connect(rig.address, "other.org").await.is_err());
    // What another server guards cannot be asked for on this connection.
    for (name, host, expected) in
        [("a.example.com", "b.org", "404 "), ("a.example.com", "c.example.com", "404 ")]
    {
        let said = fetch(authority.client(), &rig, name, &[("host", host)]).await.unwrap();
        assert_eq!(said, expected, "{host}");
    }
}

#[tokio::test]
async fn a_host_is_asked_for_through_its_own_door() {
    let (authority, server) = (Authority::new(), Server::named("secret").await);
    let clients = Authority::new();
    let servers = vec![
        simple(&["open"], &authority.issue(&["open"])),
        mutual(&["reviews"], &authority.issue(&["reviews"]), &clients),
    ];
    let rig = on_443(plan(&server, servers)).await;
    assert_eq!(fetch(authority.client(), &rig, "open", &[("host", "reviews")]).await.unwrap(), "404 ");
    let own = clients.issue(&["client"]);
    let client = Client { pair: Some(&own), ..authority.client() };
    assert_eq!(fetch(client, &rig, "reviews", &[]).await.unwrap(), "200 secret");
}

#[tokio::test]
async fn clients_show_their_certificates() {
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let server = Server::echo().await;
    let (own, other) =
        (clients.issue(&["client.org", "spiffe://mesh/client"]), strangers.issue(&["client.org"]));
    let mut named = mutual(&["*"], &authority.issue(&["reviews"]), &clients);
    named.settings.subject_alt_names = vec!["spiffe://mesh/client".to_owned()];
    let mut others = named.clone();
    others.settings.subject_alt_names = vec!["other.org".to_owned()];
    let mut optional = mutual(&["*"], &authority.issue(&["reviews"]), &clients);
    optional.settings.mode = Some(ServerTlsMode::OptionalMutual);
    let plain = mutual(&["*"], &authority.issue(&["reviews"]), &clients);
    for (tls, pair, accepted) in [
        (&plain, Some(&own), true),
        (&plain, Some(&other), false),
        (&plain, None, false),
        (&named, Some(&own), true),
        (&others, Some(&own), false),
        (&optional, None, true),
        (&optional, Some(&own), true),
        (&optional, Some(&other), false),
    ] {
        let rig = on_443(plan(&server, vec![tls.clone()])).await;
        let client = Client { pair, ..authority.client() };
        let spoofed = [("x-forwarded-client-cert", "Hash=spoofed")];
        let said = fetch(client, &rig, "reviews", &spoofed).await;
        assert_eq!(said.is_ok(), accepted, "{said:?}");
        let Ok(said) = said else { continue };
        assert!(!said.contains("spoofed"));
        let told = said.lines().find_map(|line| line.strip_prefix("x-forwarded-client-cert: Hash="));
        assert_eq!(told.is_some(), pair.is_some(), "{said}");
        if let Some(told) = told {
            assert!(told.ends_with(";URI=spiffe://mesh/client;DNS=client.org"), "{told}");
        }
    }
}

#[tokio::test]
async fn versions_and_ciphers() {
    let (authority, server) = (Authority::new(), Server::named("one").await);
    let base = simple(&["*"], &authority.issue(&["reviews"]));
    let set = |min: Option<TlsVersion>, max: Option<TlsVersion>, ciphers: &[&str]| {
        let mut tls = base.clone();
        tls.settings.min_protocol_version = min;
        tls.settings.max_protocol_version = max;
        tls.settings.cipher_suites = ciphers.iter().map(|&name| name.to_owned()).collect();
        tls
    };
    let (v12, v13) = (Some(TlsVersion::V1_2), Some(TlsVersion::V1_3));
    let chacha = "ECDHE-ECDSA-CHACHA20-POLY1305";
    for (tls, versions, cipher) in [
        (set(None, None, &[]), &[&TLS12][..], Some("")),
        (set(Some(TlsVersion::V1_0), None, &[]), &[&TLS12], Some("")),
        (set(v13.clone(), None, &[]), &[&TLS12], None),
        (set(v13, None, &[]), &[&TLS13], Some("TLS13")),
        (set(None, v12.clone(), &[]), &[&TLS13], None),
        (set(None, v12, &[chacha]), &[&TLS12, &TLS13], Some("CHACHA20")),
        (set(None, None, &[chacha]), &[&TLS12], Some("CHACHA20")),
        (set(None, None, &["AES128-SHA"]), &[&TLS12], None),
        (set(None, Some(TlsVersion::V1_1), &[]), &[&TLS12, &TLS13], None),
    ] {
        let rig = on_443(plan(&server, vec![tls.clone()])).await;
        let stream = Client { versions, ..authority.client() }.connect(rig.address, "reviews").await;
        let spoken = stream.ok().and_then(|stream| stream.get_ref().1.negotiated_cipher_suite());
        let spoken = spoken.map(|suite| format!("{:?}", suite.suite()));
        let expected = cipher.is_some();
        assert_eq!(spoken.is_some(), expected, "{:?}", tls.settings);
        assert!(spoken.unwrap_or_default().contains(cipher.unwrap_or_default()), "{:?}", tls.settings);
    }
}

#[tokio::test]
async fn curves_are_chosen() {
    let (authority, server) = (Authority::new(), Server::named("one").await);
    for (curves, expected) in [
        (&["P-256"][..], Some(rustls::NamedGroup::secp256r1)),
        (&["P-384", "X448"], Some(rustls::NamedGroup::secp384r1)),
        (&["X448"], None),
    ] {
        // Envoy does not take a listener without a curve that it knows.
        if is_envoy() && expected.is_none() {
            continue;
        }
        let mut tls = simple(&["*"], &authority.issue(&["reviews"]));
        tls.settings.ecdh_curves = curves.iter().map(|&name| name.to_owned()).collect();
        let rig = on_443(plan(&server, vec![tls])).await;
        let stream = authority.client().connect(rig.address, "reviews").await.ok();
        let group = stream.and_then(|stream| stream.get_ref().1.negotiated_key_exchange_group());
        assert_eq!(group.map(|group| group.name()), expected, "{curves:?}");
    }
}

/// Waits until `done`, for 10 s at most.
async fn eventually<T>(mut done: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(done) = done().await {
            return done;
        }
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn certificates_in_files_are_read_again() {
    let (authority, server) = (Authority::new(), Server::named("one").await);
    let folder = tempfile::tempdir().unwrap();
    let tls = TlsServer {
        settings: ServerTls {
            mode: Some(ServerTlsMode::Simple),
            server_certificate: Some("own.crt".to_owned()),
            private_key: Some(folder.path().join("own.key").to_str().unwrap().to_owned()),
            ..ServerTls::default()
        },
        secrets: Vec::new(),
        ..simple(&["*"], &authority.issue(&["reviews"]))
    };
    let config = Config { threads: 1, folder: folder.path().to_owned(), ..Config::default() };
    let rig = Rig::at(config, plan(&server, vec![tls]), Some(443)).await;
    // There are no files yet.
    assert!(authority.client().connect(rig.address, "reviews").await.is_err());
    let first = authority.issue(&["reviews", "first"]);
    first.write(folder.path(), "own");
    let open = eventually(async || authority.client().connect(rig.address, "reviews").await.ok()).await;
    let mut kept = Connection::on(open).await;
    let second = authority.issue(&["reviews", "second"]);
    second.write(folder.path(), "own");
    let shown = || async {
        let stream = authority.client().connect(rig.address, "reviews").await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap().to_vec()
    };
    eventually(async || (shown().await == second.chain()).then_some(())).await;
    // The connection that was there before goes on, and one half of a new pair changes nothing.
    assert_eq!(kept.fetch(request("GET", "/", &[], "")).await.unwrap().body, "one");
    std::fs::write(folder.path().join("own.key"), &authority.issue(&["x"]).key).unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(shown().await, second.chain());
    assert_eq!(kept.fetch(request("GET", "/", &[], "")).await.unwrap().body, "one");
}

#[tokio::test]
async fn tls_is_opened_or_passed_on_by_its_name() {
    let (authority, web) = (Authority::new(), Server::named("web").await);
    let inner = Arc::new(authority.server(&["pass.org"], None));
    let behind = Raw::start(move |stream| {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&inner));
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            stream.write_all(b"behind").await.unwrap();
            stream.shutdown().await.unwrap();
        }
    })
    .await;
    let plain = Raw::start(|mut stream| async move {
        let mut heard = [0; 4];
        stream.read_exact(&mut heard).await.unwrap();
        stream.write_all(&heard).await.unwrap();
    })
    .await;
    let mut passed = simple(&["pass.org"], &authority.issue(&["unused"]));
    passed.settings.mode = Some(ServerTlsMode::Passthrough);
    let mut bytes = simple(&["db.org"], &authority.issue(&["db.org"]));
    bytes.http = false;
    let servers = vec![simple(&["reviews"], &authority.issue(&["reviews"])), passed, bytes];
    let clusters = [("v2", behind.port), ("v3", plain.port)].map(|(name, port)| cluster_at(name, &[port]));
    let mut draft = Draft::new(
        vec![cluster("v1", &[&web]), clusters[0].clone(), clusters[1].clone()],
        vec![to_first(|_| {})],
    );
    draft.source = gateway();
    let mut plan = Arc::unwrap_or_clone(with_tls(draft, servers));
    let mut listeners = plan.listeners.to_vec();
    listeners[0].connections = vec![connections(&["pass.org"], &[(1, 1)]), connections(&[], &[(2, 1)])];
    plan.listeners = listeners.into();
    let rig = on_443(plan.into()).await;
    assert_eq!(fetch(authority.client(), &rig, "reviews", &[]).await.unwrap(), "200 web");
    let mut stream = authority.client().connect(rig.address, "pass.org").await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "behind");
    let mut stream = authority.client().connect(rig.address, "db.org").await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    let mut heard = [0; 4];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");
    // Plain text has no business here.
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: reviews\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    assert!(said.is_empty());
}

#[tokio::test]
async fn swaps_lose_nothing_over_tls() {
    let (authority, server) = (Authority::new(), Server::named("one").await);
    let pair = authority.issue(&["reviews"]);
    let rig = on_443(plan(&server, vec![simple(&["*"], &pair)])).await;
    let mut sender = h2(authority.client(), &rig, "reviews").await;
    let mut kept = Connection::on(authority.client().connect(rig.address, "reviews").await.unwrap()).await;
    for _ in 0..20 {
        rig.swap(plan(&server, vec![simple(&["*"], &pair)])).await;
        let asked: Request<AnyBody> = request("GET", "https://reviews/", &[], "");
        assert_eq!(sender.send_request(asked).await.unwrap().status(), 200);
        assert_eq!(kept.fetch(request("GET", "/", &[], "")).await.unwrap().body, "one");
        assert_eq!(fetch(authority.client(), &rig, "reviews", &[]).await.unwrap(), "200 one");
    }
}

#[tokio::test]
async fn certificates_are_pinned_and_revoked() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = Server::named("one").await;
    let (own, other) = (clients.issue(&["own"]), clients.issue(&["other"]));
    let base = mutual(&["*"], &authority.issue(&["reviews"]), &clients);
    let hash = own.hash();
    let colons: Vec<String> =
        hash.as_bytes().chunks(2).map(|two| String::from_utf8(two.to_vec()).unwrap()).collect();
    let pinned = |change: &dyn Fn(&mut ServerTls)| {
        let mut tls = base.clone();
        change(&mut tls.settings);
        tls
    };
    let mut revoking = base.clone();
    revoking.authorities.as_mut().unwrap().revoked = clients.revoke(&other).into_bytes();
    for tls in [
        pinned(&|tls| tls.verify_certificate_hash = vec![hash.clone()]),
        pinned(&|tls| tls.verify_certificate_hash = vec![colons.join(":").to_uppercase()]),
        pinned(&|tls| tls.verify_certificate_spki = vec![own.key_hash()]),
        revoking,
    ] {
        let rig = on_443(plan(&server, vec![tls])).await;
        for (pair, expected) in [(&own, true), (&other, false)] {
            let client = Client { pair: Some(pair), ..authority.client() };
            assert_eq!(fetch(client, &rig, "reviews", &[]).await.is_ok(), expected);
        }
    }
}

#[tokio::test]
async fn a_gateway_as_it_is_written() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = Server::named("shop").await;
    let folder = tempfile::tempdir().unwrap();
    authority.issue(&["shop.example.com"]).write(folder.path(), "shop");
    authority.issue(&["api.example.com"]).write(folder.path(), "api");
    std::fs::write(folder.path().join("clients.pem"), &clients.pem).unwrap();
    let yaml = format!(
        "
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata: {{name: gate}}
spec:
  servers:
  - port: {{number: 80, name: http, protocol: HTTP}}
    hosts: [shop.example.com]
    tls: {{httpsRedirect: true}}
  - port: {{number: 443, name: shop, protocol: HTTPS}}
    hosts: [shop.example.com]
    tls: {{mode: SIMPLE, serverCertificate: shop.crt, privateKey: shop.key}}
  - port: {{number: 443, name: api, protocol: HTTPS}}
    hosts: [api.example.com]
    tls: {{mode: MUTUAL, serverCertificate: api.crt, privateKey: api.key, caCertificates: clients.pem}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: shop}}
spec:
  hosts: [shop.example.com, api.example.com]
  gateways: [gate]
  http: [{{route: [{{destination: {{host: shop.internal}}}}]}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: shop}}
spec:
  hosts: [shop.internal]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 127.0.0.1, ports: {{http: {}}}}}]
",
        server.address().port()
    );
    let mesh = mesh::Mesh::parse(&mesh::Sources::single("mesh.yaml", yaml)).mesh;
    let settings = mesh::Settings::default();
    let registry = mesh::Registry::of(&mesh, &mesh::Inventory::default(), &settings);
    let plan = Arc::new(mesh::plan::compile(&mesh, &registry, &settings, &gateway(), 1));
    let config = || Config { threads: 1, folder: folder.path().to_owned(), ..Config::default() };
    let plain = Rig::at(config(), Arc::clone(&plan), Some(80)).await;
    let moved = crate::support::get(plain.address, "/a?b", &[("host", "shop.example.com")]).await;
    assert_eq!(
        (moved.status.as_u16(), &moved.headers["location"]),
        (301, &"https://shop.example.com/a?b".parse().unwrap())
    );
    let rig = Rig::at(config(), plan, Some(443)).await;
    let host = [("host", "shop.example.com")];
    assert_eq!(fetch(authority.client(), &rig, "shop.example.com", &host).await.unwrap(), "200 shop");
    let api = [("host", "api.example.com")];
    assert!(fetch(authority.client(), &rig, "api.example.com", &api).await.is_err());
    let own = clients.issue(&["client"]);
    let client = Client { pair: Some(&own), ..authority.client() };
    assert_eq!(fetch(client, &rig, "api.example.com", &api).await.unwrap(), "200 shop");
}

#[tokio::test]
async fn requests_within_tls_end_before_the_proxy_does() {
    let authority = Authority::new();
    let server = Server::start(|_| async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        crate::support::reply(200, "late")
    })
    .await;
    let plan = plan(&server, vec![simple(&["*"], &authority.issue(&["reviews"]))]);
    let held = Arc::downgrade(&plan);
    let rig = on_443(plan).await;
    let mut over_h2 = h2(authority.client(), &rig, "reviews").await;
    let mut over_h1 = Connection::on(authority.client().connect(rig.address, "reviews").await.unwrap()).await;
    let both = async {
        let asked = request("GET", "https://reviews/", &[], "");
        let one = async { over_h2.send_request(asked).await.unwrap().status() };
        tokio::join!(one, over_h1.fetch(request("GET", "/", &[], "")))
    };
    let end = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        rig.proxy.clone().shutdown(Duration::from_secs(5)).await;
    };
    let ((one, two), ()) = tokio::join!(both, end);
    assert_eq!((one.as_u16(), two.unwrap().body.as_str()), (200, "late"));
    // The threads end a moment after they have said so.
    drop(rig);
    eventually(async || held.upgrade().is_none().then_some(())).await;
}
