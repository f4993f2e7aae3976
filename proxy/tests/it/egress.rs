//! The way out of the mesh: ServiceEntries as they are written, and TLS that begins here.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mesh::settings::OutboundPolicy;
use mesh::{Mesh, Plan, Registry, Settings, Sources};
use proxy::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::plans::workload;
use crate::support::tls::{Authority, Client};
use crate::support::{Raw, Rig, Server, get, is_envoy, skipped};

/// The plan of a workload for these resources.
pub(crate) fn plan(yaml: &str, outbound_policy: OutboundPolicy) -> Arc<Plan> {
    let settings = Settings { outbound_policy, ..Settings::default() };
    let parsed = Mesh::parse(&Sources::single("mesh.yaml", yaml));
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    let registry = Registry::of(&parsed.mesh, &mesh::Inventory::default(), &settings);
    Arc::new(mesh::plan::compile(&parsed.mesh, &registry, &settings, &workload(), 1))
}

pub(crate) fn entry(host: &str, port: u16, protocol: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: out}}\nspec:\n  hosts: ['{host}']\n  location: MESH_EXTERNAL\n  ports: [{{number: {port}, name: p, protocol: {protocol}}}]\n  {rest}\n"
    )
}

pub(crate) fn rule(host: &str, tls: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: out}}\nspec: {{host: '{host}', trafficPolicy: {tls}}}\n"
    )
}

async fn rig(yaml: &str, folder: &Path) -> Rig {
    let config = Config { threads: 1, folder: folder.to_owned(), ..Config::default() };
    Rig::at(config, plan(yaml, OutboundPolicy::RegistryOnly), None).await
}

/// Status and body of `GET /` for a host.
async fn fetch(rig: &Rig, host: &str) -> String {
    let answer = get(rig.address, "/", &[("host", host)]).await;
    format!("{} {}", answer.status.as_u16(), answer.body)
}

#[tokio::test]
async fn endpoints_are_listed_named_or_chosen_by_the_client() {
    let server = Server::named("out").await;
    let port = server.address().port();
    let folder = tempfile::tempdir().unwrap();
    let elsewhere =
        format!("resolution: STATIC\n  endpoints: [{{address: 127.0.0.1, ports: {{p: {port}}}}}]");
    let named = format!("resolution: DNS\n  endpoints: [{{address: localhost, ports: {{p: {port}}}}}]");
    for (host, service_port, rest, asked) in [
        ("api.example.com", 80, elsewhere.as_str(), "api.example.com"),
        ("api.example.com", 80, named.as_str(), "api.example.com"),
        ("*.example.com", 80, elsewhere.as_str(), "any.example.com"),
        ("localhost", port, "resolution: DNS", "localhost"),
        ("localhost", port, "resolution: DNS_ROUND_ROBIN", "localhost"),
        ("localhost", port, "resolution: NONE", "localhost"),
        // The client's choice decides, and it may choose whatever the wildcard covers.
        ("*.0.0.1", port, "resolution: NONE", "127.0.0.1"),
    ] {
        let rig = rig(&entry(host, service_port, "HTTP", rest), folder.path()).await;
        let asked = format!("{asked}:{service_port}");
        assert_eq!(fetch(&rig, &asked).await, "200 out", "{host} {rest}");
        assert_eq!(fetch(&rig, &format!("other.org:{service_port}")).await, "502 ", "{host}");
    }
}

/// Two servers on one port, behind the two addresses of `localhost`; `None` where it has one.
async fn twins() -> Option<(tokio::net::TcpListener, tokio::net::TcpListener, u16)> {
    let all: Vec<_> = tokio::net::lookup_host(("localhost", 0)).await.unwrap().collect();
    if !(all.iter().any(|it| it.is_ipv4()) && all.iter().any(|it| it.is_ipv6())) {
        return None;
    }
    let four = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = four.local_addr().unwrap().port();
    let six = tokio::net::TcpListener::bind(("::1", port)).await.ok()?;
    Some((four, six, port))
}

#[tokio::test]
async fn addresses_of_a_name_are_used_in_turn_or_the_first_alone() {
    let Some((four, six, port)) = twins().await else {
        skipped("`localhost` has one address here");
        return;
    };
    for listener in [four, six] {
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let said = if stream.local_addr().unwrap().is_ipv4() { "4" } else { "6" };
                tokio::spawn(async move {
                    let mut head = [0; 1024];
                    let _ = stream.read(&mut head).await;
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n{said}");
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
    }
    let folder = tempfile::tempdir().unwrap();
    for (resolution, expected) in [("DNS", "4646"), ("DNS_ROUND_ROBIN", "4444")] {
        let rig =
            rig(&entry("localhost", port, "HTTP", &format!("resolution: {resolution}")), folder.path()).await;
        let mut said = String::new();
        for _ in 0..4 {
            said += &get(rig.address, "/", &[("host", &format!("localhost:{port}"))]).await.body;
        }
        assert_eq!(said, expected, "{resolution}");
    }
}

#[tokio::test]
async fn unknown_hosts_by_the_meshs_policy() {
    let server = Server::named("anywhere").await;
    let yaml = entry("known.example.com", 80, "HTTP", "resolution: STATIC");
    for (policy, expected) in
        [(OutboundPolicy::AllowAny, "200 anywhere"), (OutboundPolicy::RegistryOnly, "502 ")]
    {
        let rig = Rig::start(plan(&yaml, policy)).await;
        assert_eq!(fetch(&rig, &server.address().to_string()).await, expected);
    }
}

/// What a server within TLS says to a request for `api.example.com` by a rule for TLS.
async fn originated(server: &Raw, tls: &str, folder: &Path) -> (String, String) {
    let endpoint =
        format!("resolution: STATIC\n  endpoints: [{{address: 127.0.0.1, ports: {{p: {}}}}}]", server.port);
    let yaml = entry("api.example.com", 80, "HTTP", &endpoint) + &rule("api.example.com", tls);
    let mut rig = rig(&yaml, folder).await;
    let said = fetch(&rig, "api.example.com").await;
    (said, rig.observed(1).await.outcome())
}

#[tokio::test]
async fn tls_begins_here() {
    let (authority, strangers) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("ca.pem"), &authority.pem).unwrap();
    std::fs::write(path.join("other.pem"), &strangers.pem).unwrap();
    authority.issue(&["client"]).write(path, "own");
    let names = ["api.example.com", "spiffe://mesh/api", "*.wild.org"];
    let server = authority.web(&names, None, false).await;
    let guarded = authority.web(&["api.example.com"], Some(&authority), false).await;
    let h2 = authority.web(&["api.example.com"], None, true).await;
    let own = "clientCertificate: own.crt, privateKey: own.key";
    let ok = "200 api.example.com - HTTP/1.1";
    for (server, tls, expected) in [
        (&server, "{tls: {mode: SIMPLE, caCertificates: ca.pem}}", Some(ok)),
        (&server, "{tls: {mode: SIMPLE, caCertificates: other.pem}}", None),
        (&server, "{tls: {mode: SIMPLE, caCertificates: missing.pem}}", None),
        // The system's authorities do not know ours.
        (&server, "{tls: {mode: SIMPLE}}", None),
        (&server, "{tls: {mode: SIMPLE, insecureSkipVerify: true}}", Some(ok)),
        (
            &server,
            "{tls: {mode: SIMPLE, caCertificates: ca.pem, sni: a.wild.org}}",
            Some("200 a.wild.org - HTTP/1.1"),
        ),
        (&server, "{tls: {mode: SIMPLE, caCertificates: ca.pem, sni: other.org}}", None),
        (
            &server,
            "{tls: {mode: SIMPLE, caCertificates: ca.pem, sni: other.org, subjectAltNames: [x.org, spiffe://mesh/api]}}",
            Some("200 other.org - HTTP/1.1"),
        ),
        (&server, "{tls: {mode: SIMPLE, caCertificates: ca.pem, subjectAltNames: [b.wild.org]}}", Some(ok)),
        (&server, "{tls: {mode: SIMPLE, caCertificates: ca.pem, subjectAltNames: [other.org]}}", None),
        (&guarded, "{tls: {mode: SIMPLE, caCertificates: ca.pem}}", None),
        (&guarded, &format!("{{tls: {{mode: MUTUAL, caCertificates: ca.pem, {own}}}}}"), Some(ok)),
        (
            &h2,
            "{tls: {mode: SIMPLE, caCertificates: ca.pem}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}",
            Some("200 api.example.com https HTTP/2.0"),
        ),
        (&server, "{tls: {mode: DISABLE}}", None),
    ] {
        // Envoy does not take a cluster whose file is missing.
        if is_envoy() && tls.contains("missing.pem") {
            continue;
        }
        let (said, outcome) = originated(server, tls, path).await;
        match expected {
            Some(expected) => assert_eq!(said, expected, "{tls}"),
            None => assert!(said.starts_with("503 ") || said.starts_with("502 "), "{tls}: {said} {outcome}"),
        }
    }
}

#[tokio::test]
async fn credentials_of_the_mesh_are_shown() {
    let authority = Authority::new();
    let guarded = authority.web(&["api.example.com"], Some(&authority), false).await;
    let pair = authority.issue(&["client"]);
    let indented = |pem: &str| pem.lines().map(|line| format!("\n    {line}")).collect::<String>();
    let secret = format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: own}}\nstringData:\n  tls.crt: |{}\n  tls.key: |{}\n  ca.crt: |{}\n",
        indented(&pair.certificate),
        indented(&pair.key),
        indented(&authority.pem)
    );
    let endpoint =
        format!("resolution: STATIC\n  endpoints: [{{address: 127.0.0.1, ports: {{p: {}}}}}]", guarded.port);
    let yaml = entry("api.example.com", 80, "HTTP", &endpoint)
        + &rule("api.example.com", "{tls: {mode: MUTUAL, credentialName: own}}")
        + &secret;
    let rig = Rig::start(plan(&yaml, OutboundPolicy::RegistryOnly)).await;
    assert_eq!(fetch(&rig, "api.example.com").await, "200 api.example.com - HTTP/1.1");
}

#[tokio::test]
async fn connections_are_wrapped_too_and_pools_do_not_outlive_their_tls() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
    let config = Arc::new(authority.server(&["db.example.com"], None));
    let db = Raw::start(move |stream| {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&config));
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut heard = [0; 4];
            stream.read_exact(&mut heard).await.unwrap();
            stream.write_all(&heard).await.unwrap();
            let _ = stream.shutdown().await;
        }
    })
    .await;
    let endpoint =
        format!("resolution: STATIC\n  endpoints: [{{address: 127.0.0.1, ports: {{p: {}}}}}]", db.port);
    let yaml = entry("db.example.com", 3306, "TCP", &endpoint)
        + &rule("db.example.com", "{tls: {mode: SIMPLE, caCertificates: ca.pem}}");
    let config = Config { threads: 1, folder: folder.path().to_owned(), ..Config::default() };
    let mut rig = Rig::at(config, plan(&yaml, OutboundPolicy::RegistryOnly), Some(3306)).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"ping");
    drop(stream);
    assert!(rig.closed(1).await.only().1.flags.is_empty());

    // The same endpoint, first in plain text and then within TLS: the plain connection that waits is not used again.
    let server = Server::named("plain").await;
    let endpoint = format!(
        "resolution: STATIC\n  endpoints: [{{address: 127.0.0.1, ports: {{p: {}}}}}]",
        server.address().port()
    );
    let open = entry("api.example.com", 80, "HTTP", &endpoint);
    let rig = Rig::start(plan(&open, OutboundPolicy::RegistryOnly)).await;
    assert_eq!(fetch(&rig, "api.example.com").await, "200 plain");
    let closed = open + &rule("api.example.com", "{tls: {mode: SIMPLE, insecureSkipVerify: true}}");
    rig.swap(plan(&closed, OutboundPolicy::RegistryOnly)).await;
    assert!(fetch(&rig, "api.example.com").await.starts_with("503 "));
}

/// Within TLS a connection is ended by a word of TLS, whatever it ends for: without one a server takes it for an accident.
#[tokio::test]
async fn connections_within_tls_end_in_order() {
    let config = Arc::new(Authority::new().server(&["api.example.com"], None));
    let (told, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let server = Raw::start(move |stream| {
        let (acceptor, told) = (tokio_rustls::TlsAcceptor::from(Arc::clone(&config)), told.clone());
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            let _ = told.send(stream.read(&mut [0]).await.map_err(|error| error.to_string()));
        }
    })
    .await;
    let endpoint =
        format!("resolution: STATIC\n  endpoints: [{{address: 127.0.0.1, ports: {{p: {}}}}}]", server.port);
    let within = |policy: &str| {
        let policy = format!("{{tls: {{mode: SIMPLE, insecureSkipVerify: true}}{policy}}}");
        let yaml = entry("api.example.com", 80, "HTTP", &endpoint) + &rule("api.example.com", &policy);
        plan(&yaml, OutboundPolicy::RegistryOnly)
    };
    let mut end = async || timeout(Duration::from_secs(10), ends.recv()).await.expect("it goes on").unwrap();
    // It has carried all that it may.
    let rig = Rig::start(within(", connectionPool: {http: {maxRequestsPerConnection: 1}}")).await;
    assert_eq!(fetch(&rig, "api.example.com").await, "200 ");
    assert_eq!(end().await, Ok(0));
    // It waits, and its service goes.
    rig.swap(within("")).await;
    assert_eq!(fetch(&rig, "api.example.com").await, "200 ");
    rig.swap(plan("", OutboundPolicy::RegistryOnly)).await;
    assert_eq!(end().await, Ok(0));
}

#[tokio::test]
async fn tls_of_clients_leaves_by_its_name() {
    let authority = Authority::new();
    let web = authority.web(&["localhost"], None, false).await;
    let yaml = entry("localhost", web.port, "TLS", "resolution: DNS");
    let rig = Rig::at(
        Config { threads: 1, ..Config::default() },
        plan(&yaml, OutboundPolicy::RegistryOnly),
        Some(web.port),
    )
    .await;
    let client: Client<'_> = authority.client();
    let stream = client.connect(rig.address, "localhost").await.unwrap();
    let mut connection = crate::support::Connection::on(stream).await;
    let answer = connection.fetch(crate::support::request("GET", "/", &[], "")).await.unwrap();
    assert_eq!(answer.body, "localhost - HTTP/1.1");
    assert!(client.connect(rig.address, "other.org").await.is_err());
}

#[tokio::test]
async fn plain_requests_leave_within_tls_through_another_port() {
    // As Istio's own example of TLS origination: requests for port 80 go to port 443, and there TLS begins.
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
    let web = authority.web(&["api.example.com"], None, false).await;
    let yaml = format!(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: api}}
spec:
  hosts: [api.example.com]
  ports:
  - {{number: 80, name: http, protocol: HTTP}}
  - {{number: 443, name: https, protocol: HTTPS}}
  resolution: STATIC
  endpoints: [{{address: 127.0.0.1, ports: {{https: {}}}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: api}}
spec:
  hosts: [api.example.com]
  http:
  - match: [{{port: 80}}]
    route: [{{destination: {{host: api.example.com, port: {{number: 443}}}}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: api}}
spec:
  host: api.example.com
  trafficPolicy:
    portLevelSettings:
    - {{port: {{number: 443}}, tls: {{mode: SIMPLE, caCertificates: ca.pem}}}}
",
        web.port
    );
    let rig = rig(&yaml, folder.path()).await;
    assert_eq!(fetch(&rig, "api.example.com").await, "200 api.example.com - HTTP/1.1");
}
