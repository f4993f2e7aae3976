//! Why a connection could not be made: the access log, the counts and the notices say it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mesh::settings::OutboundPolicy;
use proxy::{AccessLog, Config, Format, Notice, Reason};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::egress::{entry, plan, rule};
use crate::support::tls::{Authority, Client, Pair};
use crate::support::{Raw, Rig, get, is_envoy};
use crate::tls::{on_443, simple};
use crate::waits::deaf;

/// A server within TLS that answers with `ok`.
async fn web(pair: &Pair) -> Raw {
    let acceptor = TlsAcceptor::from(Arc::new(pair.server()));
    Raw::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    })
    .await
}

/// What a request to `api.example.com` at this port gets, by a rule for TLS.
async fn rig(port: u16, tls: &str, folder: &Path) -> Rig {
    let endpoint = format!("resolution: STATIC\n  endpoints: [{{address: 127.0.0.1, ports: {{p: {port}}}}}]");
    let rule = if tls.is_empty() { String::new() } else { rule("api.example.com", tls) };
    let yaml = entry("api.example.com", 80, "HTTP", &endpoint) + &rule;
    let log = AccessLog { path: Some(folder.join("access.log")), format: Format::Json };
    let config = Config { threads: 1, folder: folder.to_owned(), access_log: Some(log), ..Config::default() };
    Rig::at(config, plan(&yaml, OutboundPolicy::RegistryOnly), None).await
}

#[tokio::test]
async fn a_certificate_that_is_its_own_authority_is_taken() {
    let names = ["api.example.com"];
    for (pair, given, status) in [
        (Pair::own(&names, None), None, 200),
        // Not by being an authority alone, nor for another name, nor after its time.
        (Pair::own(&names, None), Some(Pair::own(&names, None)), 503),
        (Pair::own(&["other.example.com"], None), None, 503),
        (Pair::own(&names, Some((2020, 2021))), None, 503),
        (Pair::own(&names, Some((2100, 2101))), None, 503),
    ] {
        let server = web(&pair).await;
        let folder = tempfile::tempdir().unwrap();
        let given = given.as_ref().unwrap_or(&pair);
        std::fs::write(folder.path().join("ca.pem"), &given.certificate).unwrap();
        // Envoy looks at no name that it is not told of.
        let tls = "{tls: {mode: SIMPLE, caCertificates: ca.pem, sni: api.example.com, subjectAltNames: [api.example.com]}}";
        let rig = rig(server.port, tls, folder.path()).await;
        let answer = get(rig.address, "/", &[("host", "api.example.com")]).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_clients_certificate_that_is_its_own_authority_is_taken() {
    let (authority, own, other) = (Authority::new(), Pair::own(&["me"], None), Pair::own(&["me"], None));
    let server = crate::support::Server::named("in").await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("clients.pem"), &own.certificate).unwrap();
    let mut tls = simple(&["*"], &authority.issue(&["reviews"]));
    tls.settings.mode = Some(mesh::resource::gateway::ServerTlsMode::Mutual);
    tls.settings.ca_certificates = Some(folder.path().join("clients.pem").to_str().unwrap().to_owned());
    let mut rig = on_443(crate::tls::plan(&server, vec![tls])).await;
    let fetch = async |pair: &Pair| {
        let client = Client { pair: Some(pair), ..authority.client() };
        let stream = client.connect(rig.address, "reviews").await.ok()?;
        let mut connection = crate::support::Connection::on(stream).await;
        Some(connection.fetch(crate::support::request("GET", "/", &[], "")).await.ok()?.body)
    };
    assert_eq!(fetch(&own).await.as_deref(), Some("in"));
    assert_eq!(fetch(&other).await, None);
    if !is_envoy() {
        let seen = rig.until(|seen| seen.sum(|stats| stats.failures.values().sum()) > 0).await;
        assert_eq!(seen.sum(|stats| stats.failures.get(&Reason::Untrusted).copied().unwrap_or(0)), 1);
    }
}

#[tokio::test]
async fn each_failure_says_why() {
    if is_envoy() {
        return;
    }
    let names = ["api.example.com"];
    let (good, authority) = (Pair::own(&names, None), Authority::new());
    let (stranger, wrong) = (Pair::own(&names, None), authority.issue(&["other.example.com"]));
    let expired = Pair::own(&names, Some((2020, 2021)));
    let deaf = deaf().await;
    let gone = Raw::start(|stream| async move { drop(stream) }).await;
    let plain = Raw::start(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        std::future::pending::<()>().await;
    })
    .await;
    let (of_stranger, of_wrong, of_expired) = (web(&stranger).await, web(&wrong).await, web(&expired).await);
    let tls = |ca: &str| format!("{{tls: {{mode: SIMPLE, caCertificates: {ca}, sni: api.example.com}}}}");
    let slow = "connectionPool: {tcp: {connectTimeout: 300ms}}, tls: {mode: SIMPLE, caCertificates: good.pem, sni: api.example.com}";
    for (port, rule, reason, details) in [
        (1, String::new(), Reason::Refused, "remote_connection_failure|delayed_connect_error:_"),
        (of_stranger.port, tls("good.pem"), Reason::Untrusted, "remote_connection_failure|TLS_error:_"),
        (of_wrong.port, tls("authority.pem"), Reason::WrongName, "remote_connection_failure|TLS_error:_"),
        (of_expired.port, tls("expired.pem"), Reason::Expired, "remote_connection_failure|TLS_error:_"),
        (plain.port, tls("good.pem"), Reason::NotTls, "remote_connection_failure|TLS_error:_"),
        (gone.port, tls("good.pem"), Reason::Closed, "remote_connection_failure|delayed_connect_error:_"),
        (plain.port, tls("missing.pem"), Reason::Settings, "remote_connection_failure|the_TLS_settings"),
        (deaf.port, format!("{{{slow}}}"), Reason::Timeout, "connection_timeout}"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for (name, pem) in
            [("good", &good.certificate), ("authority", &authority.pem), ("expired", &expired.certificate)]
        {
            std::fs::write(folder.path().join(format!("{name}.pem")), pem).unwrap();
        }
        let mut rig = rig(port, &rule, folder.path()).await;
        for _ in 0..3 {
            assert_eq!(get(rig.address, "/", &[("host", "api.example.com")]).await.status, 503, "{reason:?}");
        }
        let told = rig
            .told(|notice| match notice {
                Notice::Unreachable { address, port, why, .. } => Some((address.clone(), *port, *why)),
                _ => None,
            })
            .await;
        assert_eq!(told, ("127.0.0.1".to_owned(), port, reason));
        let observed = rig.observed(3).await;
        assert_eq!(
            observed.sum(|it| it.failures.get(&reason).copied().unwrap_or(0)),
            9,
            "{reason:?}: three tries each"
        );
        rig.proxy.clone().shutdown(Duration::from_secs(5)).await;
        let log = std::fs::read_to_string(folder.path().join("access.log")).unwrap();
        let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
        let said = line["response_code_details"].as_str().unwrap();
        let expected = format!("upstream_reset_before_response_started{{{details}");
        assert!(said.starts_with(&expected), "{reason:?}: {said}");
        assert!(line["upstream_transport_failure_reason"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn that_an_endpoint_is_there_again_is_told() {
    if is_envoy() {
        return;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    let mut rig = rig(at.port(), "", folder.path()).await;
    assert_eq!(get(rig.address, "/", &[("host", "api.example.com")]).await.status, 503);
    rig.told(|notice| matches!(notice, Notice::Unreachable { why: Reason::Refused, .. }).then_some(())).await;
    let listener = tokio::net::TcpListener::bind(at).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
            let _ = stream.write_all(answer).await;
        }
    });
    let address = rig.address;
    // It is told once it holds for a second.
    let asking = tokio::spawn(async move {
        loop {
            get(address, "/", &[("host", "api.example.com")]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    rig.told(|notice| matches!(notice, Notice::Reachable { .. }).then_some(())).await;
    asking.abort();
}

#[tokio::test]
async fn clients_that_speak_no_tls_are_counted() {
    if is_envoy() {
        return;
    }
    let (authority, server) = (Authority::new(), crate::support::Server::named("in").await);
    let mut rig =
        on_443(crate::tls::plan(&server, vec![simple(&["*"], &authority.issue(&["reviews"]))])).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(b"\x16\x03\x01\x00\x05hello").await.unwrap();
    let seen = rig.until(|seen| seen.sum(|stats| stats.failures.values().sum()) > 0).await;
    assert_eq!(seen.sum(|stats| stats.failures.get(&Reason::NotTls).copied().unwrap_or(0)), 1);
}
