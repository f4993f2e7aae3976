//! Kubeconfigs, logging in and what goes wrong, against servers on loopback.

mod files;
mod login;
mod server;

use std::fs;
use std::path::Path;

use base64::Engine as _;
use serde_json::{Value, json};

use self::server::{Authority, Server, proxy};
use super::*;
use crate::error::{Certificate, Unreachable};

/// A kubeconfig with one context `test`, its cluster and its user.
fn kubeconfig(folder: &Path, cluster: &Value, user: &Value) -> Options {
    let file = folder.join("config");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{ "name": "there", "cluster": cluster }],
        "users": [{ "name": "alice", "user": user }],
        "contexts": [{ "name": "test", "context": { "cluster": "there", "user": "alice", "namespace": "shop" } }],
    });
    fs::write(&file, config.to_string()).unwrap();
    Options { kubeconfig: Some(file), ..Options::default() }
}

/// Connects and asks for the version.
async fn version(cluster: &Value, user: &Value) -> Result<String, Error> {
    let folder = tempfile::tempdir().unwrap();
    let options = kubeconfig(folder.path(), cluster, user);
    let connection = connect_in(&options, &Environment::default()).await?;
    let version = connection.client.apiserver_version().await;
    version.map(|version| version.git_version).map_err(|error| connection.explain(error))
}

fn encoded(pem: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(pem)
}

#[tokio::test]
async fn a_connection_says_what_it_leads_to_and_who_asks() {
    let server =
        Server::plain(|_| (200, r#"{"major": "1", "minor": "36", "gitVersion": "v1.36.3"}"#.to_owned()))
            .await;
    let folder = tempfile::tempdir().unwrap();
    let address = format!("http://{}", server.address);
    let options = kubeconfig(folder.path(), &json!({ "server": address }), &json!({ "token": "secret" }));
    let connection = connect_in(&options, &Environment::default()).await.unwrap();
    assert_eq!(
        (&*connection.context, &*connection.cluster, connection.user.as_deref(), &*connection.namespace),
        ("test", "there", Some("alice"), "shop")
    );
    assert_eq!(connection.server, address);
    connection.client.apiserver_version().await.unwrap();
    assert_eq!(server.header("authorization"), ["Bearer secret"]);
    assert_eq!(server.header("user-agent"), [concat!("meshwright/", env!("CARGO_PKG_VERSION"))]);
    assert!(!format!("{connection:?}").contains("secret"));
}

#[tokio::test]
async fn where_nothing_listens_is_said() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = version(&json!({ "server": format!("https://{address}") }), &json!({})).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the API server https://{address} of the context `test` cannot be reached: nothing listens there (connection refused); \
             check that it runs, and its port"
        )
    );
    assert!(error.may_pass());
}

#[tokio::test]
async fn a_name_that_is_none_is_said() {
    // Longer than names may be, so that nobody is asked.
    let name = format!("{}.invalid", "a".repeat(64));
    let error = version(&json!({ "server": format!("http://{name}") }), &json!({})).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { why: Unreachable::Dns, .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_silent_or_hangs_up_is_said() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let endpoint = Connection::over(client(config.clone(), None, ANSWER).unwrap(), Vec::new()).endpoint;
    let slow = client(config, None, Duration::from_millis(100)).unwrap();
    let error = error::explain(slow.apiserver_version().await.unwrap_err(), &endpoint);
    assert!(matches!(error, Error::Unreachable { why: Unreachable::Timeout, .. }), "{error:?}");
    tokio::spawn(async move { while silent.accept().await.is_ok() {} });
    let error = version(&json!({ "server": format!("http://{address}") }), &json!({})).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { why: Unreachable::Closed(_), .. }), "{error:?}");
}

#[tokio::test]
async fn certificates_are_judged() {
    let ours = Authority::new("ours");
    let theirs = Authority::new("theirs");
    let old = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    };
    let new = |params: &mut rcgen::CertificateParams| params.not_before = rcgen::date_time_ymd(2900, 1, 1);
    let local: &[&str] = &["127.0.0.1"];
    let cases = [
        (ours.server(local, None, |_| {}), None),
        (theirs.server(local, None, |_| {}), Some(Certificate::UnknownAuthority)),
        (
            ours.server(&["api.example.com"], None, |_| {}),
            Some(Certificate::Name(crate::error::Names(vec!["api.example.com".to_owned()]))),
        ),
        (ours.server(local, None, old), Some(Certificate::Expired)),
        (ours.server(local, None, new), Some(Certificate::NotYet)),
    ];
    for (config, expected) in cases {
        let server = Server::tls(config).await;
        let address = format!("https://{}", server.address);
        let cluster = json!({ "server": address, "certificate-authority-data": encoded(&ours.pem) });
        match (version(&cluster, &json!({})).await, expected) {
            (Ok(_), None) => {}
            (Err(Error::Certificate { why, .. }), Some(expected)) => assert_eq!(why, expected),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
        let cluster = json!({ "server": address, "insecure-skip-tls-verify": true });
        assert_eq!(version(&cluster, &json!({})).await.unwrap(), "v1.36.3");
    }

    let server = Server::tls(ours.server(&["api.example.com"], None, |_| {})).await;
    let cluster = json!({
        "server": server.address.to_string(),
        "certificate-authority-data": encoded(&ours.pem),
        "tls-server-name": "api.example.com",
    });
    assert_eq!(version(&cluster, &json!({})).await.unwrap(), "v1.36.3");
}

#[tokio::test]
async fn a_server_without_tls_is_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let text = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, text).await.unwrap();
            tokio::spawn(async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await });
        }
    });
    let cluster = json!({ "server": format!("https://{address}"), "insecure-skip-tls-verify": true });
    let error = version(&cluster, &json!({})).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { why: Unreachable::NoTls, .. }), "{error:?}");
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let ours = Authority::new("ours");
    let server = Server::tls(ours.server(&["127.0.0.1"], Some(&ours), |_| {})).await;
    let cluster = json!({
        "server": format!("https://{}", server.address),
        "certificate-authority-data": encoded(&ours.pem),
    });
    let (certificate, key) = ours.sign(&["alice"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let user = json!({ "client-certificate-data": encoded(&certificate), "client-key-data": encoded(&key) });
    assert_eq!(version(&cluster, &user).await.unwrap(), "v1.36.3");
    let error = version(&cluster, &json!({})).await.unwrap_err().to_string();
    assert!(error.contains("client certificate"), "{error}");
    let user = json!({ "client-certificate-data": encoded(&certificate) });
    let error = version(&cluster, &user).await.unwrap_err().to_string();
    assert!(error.starts_with("the context `test` cannot be used: "), "{error}");
}

#[tokio::test]
async fn refusals_are_explained() {
    let status = |code: u16, reason: &str, message: &str| {
        json!({ "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message })
            .to_string()
    };
    let forbidden = "pods is forbidden: User \"alice\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
    let cases = [
        (
            401,
            status(401, "Unauthorized", "Unauthorized"),
            "does not accept the credentials of the user `alice` (context `test`): log in again or get a new token",
        ),
        (
            403,
            status(403, "Forbidden", forbidden),
            "`alice` may not list pods in the whole cluster: ask an administrator for a ClusterRole that grants it",
        ),
        (403, status(403, "Forbidden", "quota exceeded"), "says 403: quota exceeded"),
        (
            429,
            status(429, "TooManyRequests", "slow down"),
            "has too many requests or is starting (429): try again in 1 s",
        ),
        (
            503,
            status(503, "ServiceUnavailable", "no"),
            "has too many requests or is starting (503): try again in 1 s",
        ),
        (500, status(500, "InternalError", "etcdserver: no leader"), "says 500: etcdserver: no leader"),
        (
            404,
            "<html>\n<h1>not found</h1>".to_owned(),
            "does not answer as an API server does (404 <html> <h1>not found</h1>)",
        ),
        (200, "<html>welcome".to_owned(), "does not answer as an API server does"),
    ];
    for (code, body, expected) in cases {
        let server = Server::plain(move |_| (code, body.clone())).await;
        let cluster = json!({ "server": format!("http://{}", server.address) });
        let error = version(&cluster, &json!({ "token": "secret" })).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(server.asked.lock().unwrap().len(), 1, "nothing is repeated by itself");
    }
}

#[tokio::test]
async fn a_token_that_has_expired_is_said_to_have() {
    let server = Server::plain(|_| (401, json!({ "kind": "Status", "code": 401 }).to_string())).await;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"exp":1700000000}"#);
    let user = json!({ "token": format!("e30.{claims}.x") });
    let error = version(&json!({ "server": format!("http://{}", server.address) }), &user).await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("(its token expired at 2023-11-14T22:13:20Z)"), "{error}");
}

#[tokio::test]
async fn a_proxy_is_gone_through_and_one_that_refuses_is_named() {
    let ours = Authority::new("ours");
    let server = Server::tls(ours.server(&["127.0.0.1"], None, |_| {})).await;
    let through = proxy(200).await;
    let cluster = |proxy: &Server| {
        json!({
            "server": format!("https://{}", server.address),
            "certificate-authority-data": encoded(&ours.pem),
            "proxy-url": format!("http://me:password@{}", proxy.address),
        })
    };
    assert_eq!(version(&cluster(&through), &json!({})).await.unwrap(), "v1.36.3");
    assert!(through.asked.lock().unwrap()[0].starts_with(&format!("CONNECT {} ", server.address)));
    let refusing = proxy(403).await;
    let error = version(&cluster(&refusing), &json!({})).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { why: Unreachable::Proxy(_), .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.contains(&format!("through the proxy http://{}", refusing.address)), "{error}");
    assert!(!error.contains("password"), "{error}");
}
