//! The server over real connections, with clients that say what Envoys say.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use xds::ads::{Link, Options, ServeError, Server, Tls};
use xds::resource::Kind::{self, Cluster, Endpoints, Listener, Routes};

use crate::client::{Delta, World, Worlds, within};

#[tokio::test]
async fn a_delta_client_from_its_first_word_to_its_return() {
    let worlds = Worlds::new(&[("a", "c/a=1 c/b=1 e/a=1 l/l=1 r/r=1")]);
    let server = worlds.serve(Options::default()).await;
    let mut client = Delta::connect(&server, "a").await;
    client.ask(Cluster, &[], &[]).await;
    client.expect(Cluster, "a=1 b=1").await;
    client.ask(Endpoints, &["a"], &[]).await;
    client.expect(Endpoints, "a=1").await;
    client.ack(Cluster).await;
    client.ack(Endpoints).await;
    client.ask(Listener, &["*"], &[]).await;
    client.expect(Listener, "l=1").await;
    client.ack(Listener).await;
    client.ask(Routes, &["r"], &[]).await;
    client.expect(Routes, "r=1").await;
    client.ack(Routes).await;
    let node = server.node("a", |node| node.acked == Some(1)).await;
    assert_eq!((&*node.agent, &*node.version, node.delta), ("envoy", "1.40.0", true));
    assert!(matches!(node.link, Link::Up(_)));
    assert_eq!(node.behind, None);
    assert_eq!(node.kinds.keys().copied().collect::<Vec<_>>(), [Cluster, Endpoints, Listener, Routes]);

    // Only what changed is sent; a kind that did not change has the new revision at once.
    worlds.set("a", 2, "c/a=1 c/b=1 e/a=1 l/l=1 r/r=2");
    client.expect(Routes, "r=2").await;
    let node = server.node("a", |node| node.offered == 2).await;
    assert_eq!(node.kinds.values().copied().collect::<Vec<_>>(), [Some(2), Some(2), Some(2), Some(1)]);
    assert!(node.behind.is_some());
    client.ack(Routes).await;
    server.node("a", |node| node.acked == Some(2) && node.took.is_some()).await;

    // What is not taken is said, and that it still is so, until it is taken back.
    worlds.set("a", 3, "c/a=1 c/b=1 e/a=1 l/l=bad r/r=2");
    client.expect(Listener, "l=bad").await;
    client.nack(Listener, "no such filter").await;
    let node = server.node("a", |node| node.rejection.is_some()).await;
    let rejection = node.rejection.as_ref().unwrap();
    assert_eq!((rejection.kind, rejection.revision, &*rejection.words), (Listener, 3, "no such filter"));
    assert!(rejection.stands);
    assert_eq!((node.acked, node.offered), (Some(2), 3));
    worlds.set("a", 4, "c/a=1 e/a=1 l/l=1 r/r=2");
    client.expect(Listener, "l=1").await;
    client.ack(Listener).await;
    client.expect(Cluster, "-b").await;
    client.ack(Cluster).await;
    let node = server.node("a", |node| node.acked == Some(4)).await;
    assert!(!node.rejection.as_ref().unwrap().stands);

    // It goes, things change, and it returns with what it has.
    let versions = client.versions();
    drop(client);
    server.node("a", |node| matches!(node.link, Link::Down(_))).await;
    worlds.set("a", 5, "c/c=1 e/a=1 l/l=1 r/r=5");
    let mut client = Delta::connect(&server, "a").await;
    client.returns(Cluster, &[], &versions).await;
    client.returns(Endpoints, &["a"], &versions).await;
    client.returns(Listener, &["*"], &versions).await;
    client.returns(Routes, &["r"], &versions).await;
    client.expect(Cluster, "c=1").await;
    client.expect(Routes, "r=5").await;
    client.ack(Cluster).await;
    client.ack(Routes).await;
    client.expect(Cluster, "-a").await;
    client.ack(Cluster).await;
    let node = server.node("a", |node| node.acked == Some(5)).await;
    assert!(matches!(node.link, Link::Up(_)));
    server.end().await;
    // A client of an ended server is told to come again.
    assert_eq!(client.end().await, Code::Unavailable);
}

#[tokio::test]
async fn a_client_of_the_state_of_the_world() {
    let worlds = Worlds::new(&[("a", "c/a=1 c/b=1 e/a=1 e/b=1")]);
    let server = worlds.serve(Options::default()).await;
    let mut client = World::connect(&server, "a").await;
    client.ask(Cluster, &[]).await;
    client.expect(Cluster, "1", "1 1").await;
    client.ask(Endpoints, &["a", "b"]).await;
    client.expect(Endpoints, "1", "1 1").await;
    client.ack(Cluster).await;
    client.ack(Endpoints).await;
    server.node("a", |node| node.acked == Some(1) && !node.delta).await;
    worlds.set("a", 2, "c/a=1 c/b=2 e/a=1 e/b=2");
    client.expect(Cluster, "2", "1 2").await;
    client.expect(Endpoints, "2", "2").await;
    client.nack(Cluster, "bad").await;
    client.ack(Endpoints).await;
    server.node("a", |node| node.rejection.as_ref().is_some_and(|it| it.kind == Cluster)).await;
    worlds.set("a", 3, "c/a=1 e/a=1 e/b=2");
    client.expect(Cluster, "3", "1").await;
    client.ack(Cluster).await;
    server.node("a", |node| node.acked == Some(3)).await;
    server.end().await;
}

#[tokio::test]
async fn each_kind_has_a_service_too() {
    let worlds = Worlds::new(&[("a", "c/a=1 l/l=1 r/r=1 e/a=1 s/s=1 v/r/h=1")]);
    let server = worlds.serve(Options::default()).await;
    for (kind, name, expected) in [
        (Cluster, "*", "a=1"),
        (Listener, "*", "l=1"),
        (Routes, "r", "r=1"),
        (Endpoints, "a", "a=1"),
        (Kind::Secret, "s", "s=1"),
        (Kind::VirtualHost, "r", "r/h=1"),
    ] {
        let mut client = Delta::connect_for(&server, "a", kind).await;
        client.ask(kind, &[name], &[]).await;
        client.expect(kind, expected).await;
        client.ack(kind).await;
        let other = if kind == Cluster { Listener } else { Cluster };
        client.ask(other, &[], &[]).await;
        assert_eq!(client.end().await, Code::InvalidArgument);
    }
    server.end().await;
}

#[tokio::test]
async fn nodes_that_have_the_same_are_sent_the_same() {
    let worlds = Worlds::new(&[("a", "c/a=1"), ("b", "c/a=1 c/b=1")]);
    let server = worlds.serve(Options::default()).await;
    let mut first = Delta::connect(&server, "a").await;
    let mut second = Delta::connect(&server, "a#2").await;
    let mut other = Delta::connect(&server, "b").await;
    for client in [&mut first, &mut second, &mut other] {
        client.ask(Cluster, &[], &[]).await;
    }
    first.expect(Cluster, "a=1").await;
    second.expect(Cluster, "a=1").await;
    other.expect(Cluster, "a=1 b=1").await;
    for client in [&mut first, &mut second, &mut other] {
        client.ack(Cluster).await;
    }
    server.node("b", |node| node.acked == Some(1)).await;
    worlds.set("a", 2, "c/a=2");
    first.expect(Cluster, "a=2").await;
    second.expect(Cluster, "a=2").await;
    first.ack(Cluster).await;
    // One that does not answer is behind; the other is not.
    server.node("a", |node| node.acked == Some(2)).await;
    let node = server.node("a#2", |node| node.behind.is_some()).await;
    assert_eq!((node.acked, node.offered), (Some(1), 2));
    assert_eq!(server.node("b", |_| true).await.offered, 1);
    server.end().await;
}

#[tokio::test]
async fn large_responses_arrive_as_they_are() {
    let many: Vec<String> = (0..20_000).map(|number| format!("c/cluster-{number}=1")).collect();
    let worlds = Worlds::new(&[("a", &many.join(" "))]);
    let server = worlds.serve(Options::default()).await;
    let mut client = Delta::connect(&server, "a").await;
    client.ask(Cluster, &[], &[]).await;
    let resources = client.next(Cluster).await;
    assert_eq!(resources.split(' ').count(), 20_000);
    client.ack(Cluster).await;
    server.node("a", |node| node.acked == Some(1)).await;
    server.end().await;
}

#[tokio::test]
async fn clients_that_do_not_answer_keep_nobody_out() {
    let worlds = Worlds::new(&[("a", "c/a=1")]);
    let server = worlds.serve(Options::default()).await;
    let mut silent = Vec::new();
    for number in 0..100 {
        let mut client = Delta::connect(&server, &format!("a#{number}")).await;
        client.ask(Cluster, &[], &[]).await;
        silent.push(client);
    }
    let mut client = Delta::connect(&server, "a").await;
    client.ask(Cluster, &[], &[]).await;
    client.expect(Cluster, "a=1").await;
    client.ack(Cluster).await;
    server.node("a", |node| node.acked == Some(1)).await;
    server.end().await;
}

#[tokio::test]
async fn whoever_is_not_known_is_told_who_is() {
    let worlds = Worlds::new(&[("a", "c/a=1")]);
    let server = worlds.serve(Options::default()).await;
    let mut client = Delta::connect(&server, "x").await;
    client.ask(Cluster, &[], &[]).await;
    let status = client.status().await;
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "there is no workload `x`; there is a");
    // Once it is known it is served.
    worlds.set("x", 2, "c/x=1");
    let mut client = Delta::connect(&server, "x").await;
    client.ask(Cluster, &[], &[]).await;
    client.expect(Cluster, "x=1").await;
    // And told when it is not known any longer.
    worlds.forget("x");
    assert_eq!(client.end().await, Code::NotFound);
    let mut client = Delta::connect(&server, "").await;
    client.ask(Cluster, &[], &[]).await;
    let status = client.status().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("`meshwright.workload`"), "{status}");
    server.end().await;
}

#[tokio::test]
async fn only_who_says_the_token_is_served() {
    let worlds = Worlds::new(&[("a", "c/a=1")]);
    let options = Options { token: Some("secret".to_owned()), ..Options::default() };
    let mut server = worlds.serve(options).await;
    for (token, expected) in [
        (None, Some(Code::Unauthenticated)),
        (Some("other"), Some(Code::Unauthenticated)),
        (Some("secret"), None),
    ] {
        server.token = token;
        let mut client = Delta::connect(&server, "a").await;
        client.ask(Cluster, &[], &[]).await;
        match expected {
            Some(code) => assert_eq!(client.end().await, code),
            None => client.expect(Cluster, "a=1").await,
        }
    }
    server.end().await;
}

/// HTTP/2's first words, with empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn connections_that_call_nothing_end_and_make_room() {
    let worlds = Worlds::new(&[("a", "c/a=1")]);
    let options = || Options {
        token: Some("secret".to_owned()),
        connections: Some(1),
        first_call: Some(Duration::from_millis(200)),
        ..Options::default()
    };
    let mut server = worlds.serve(options()).await;
    for said in [&b""[..], b"PRI * HT", PREFACE] {
        let mut silent = TcpStream::connect(server.address).await.unwrap();
        silent.write_all(said).await.unwrap();
        // It may be a reset.
        let _ = within(silent.read_to_end(&mut Vec::new())).await;
    }
    // Who may not call is nobody: the connection of a wrong token ends, though its client would keep it.
    server.token = Some("other");
    let mut stranger = Delta::connect(&server, "a").await;
    stranger.ask(Cluster, &[], &[]).await;
    assert_eq!(stranger.end().await, Code::Unauthenticated);
    server.token = Some("secret");
    let mut client = Delta::connect(&server, "a").await;
    client.ask(Cluster, &[], &[]).await;
    client.expect(Cluster, "a=1").await;
    client.ack(Cluster).await;
    // Who has called stays.
    tokio::time::sleep(Duration::from_millis(600)).await;
    worlds.set("a", 2, "c/a=2");
    client.expect(Cluster, "a=2").await;
    drop((stranger, client));
    server.end().await;
}

#[tokio::test]
async fn only_clients_with_certificates_are_served() {
    let authority = {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertifiedIssuer::self_signed(params, key).unwrap()
    };
    let issue = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &authority).unwrap().pem(), key.serialize_pem())
    };
    let (certificates, key) = issue("xds.test");
    let clients = Some(authority.pem().into_bytes());
    let tls = Tls { certificates: certificates.into_bytes(), key: key.into_bytes(), clients };
    let worlds = Worlds::new(&[("a", "c/a=1")]);
    let options = Options { tls: Some(tls), ..Options::default() };
    let mut server = worlds.serve(options).await;
    let ca =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority.pem())).domain_name("xds.test");
    server.tls = Some(ca.clone());
    // A client may believe that it is connected until it is told why it is not.
    if let Ok(mut client) = Delta::try_connect(&server, "a").await {
        client.ask(Cluster, &[], &[]).await;
        assert_eq!(client.end().await, Code::Unknown, "a client without a certificate was served");
    }
    let (certificate, key) = issue("client.test");
    server.tls = Some(ca.identity(Identity::from_pem(certificate, key)));
    let mut client = Delta::try_connect(&server, "a").await.unwrap();
    client.ask(Cluster, &[], &[]).await;
    client.expect(Cluster, "a=1").await;
    assert!(server.node("a", |_| true).await.address.is_some());
    server.end().await;
}

#[tokio::test]
async fn beyond_this_machine_clients_have_to_be_known() {
    let serve = async |options: Options| {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let stop = CancellationToken::new();
        // It ends at once, if it starts at all.
        stop.cancel();
        let worlds = Worlds::new(&[]);
        within(Server::new(Arc::new(worlds), options).serve(listener, stop)).await
    };
    let open = serve(Options::default()).await;
    assert!(matches!(open, Err(ServeError::Open(_))), "{open:?}");
    assert!(serve(Options { token: Some("secret".to_owned()), ..Options::default() }).await.is_ok());
}

#[tokio::test]
async fn nodes_that_are_gone_are_forgotten() {
    let worlds = Worlds::new(&[("a", "c/a=1")]);
    let keep = Some(Duration::from_millis(20));
    let server = worlds.serve(Options { keep, ..Options::default() }).await;
    let mut client = Delta::connect(&server, "a").await;
    client.ask(Cluster, &[], &[]).await;
    client.expect(Cluster, "a=1").await;
    server.node("a", |_| true).await;
    drop(client);
    let mut states = server.nodes.watch();
    within(states.wait_for(|states| states.is_empty())).await.unwrap();
    server.end().await;
}
