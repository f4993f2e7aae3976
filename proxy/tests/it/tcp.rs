//! Plain TCP, and TLS that is passed on unopened.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mesh::plan::{ConnectionFault, Protocol, Subnet};
use proxy::Notice;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plans::{Draft, cluster_at, connections, faulty, plan_of, tcp_listener, to_first, workload};
use crate::support::{Connection, Raw, Rig, Server, assert_drawn, get, is_envoy, request};

/// Says its name first, and then repeats what it hears.
async fn speaker(name: &'static str) -> Raw {
    Raw::start(move |mut stream| async move {
        let _ = stream.write_all(name.as_bytes()).await;
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// All that comes.
async fn rest(mut stream: TcpStream) -> Result<String, ErrorKind> {
    let mut all = String::new();
    stream.read_to_string(&mut all).await.map(|_| all).map_err(|error| error.kind())
}

#[tokio::test]
async fn bytes_pass_both_ways_and_are_counted() {
    let server = speaker("hello ").await;
    let plan = plan_of(
        workload(),
        tcp_listener(vec![connections(&[], &[(0, 1)])]),
        vec![cluster_at("v1", &[server.port])],
    );
    let mut rig = Rig::on(plan, 9000).await;
    let mut stream = connect(rig.address).await;
    // The server speaks first, and the client's end does not end what the server still says.
    let mut first = [0; 6];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"hello ");
    stream.write_all(b"world").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(rest(stream).await.as_deref(), Ok("world"));
    let seen = rig.closed(1).await;
    let (key, stats) = seen.only();
    assert_eq!((key.version.as_str(), key.subset.as_deref()), ("v1", Some("v1")));
    assert_eq!((stats.bytes_sent, stats.bytes_received, stats.chosen), (5, 11, 1));
    assert!(stats.flags.is_empty() && stats.codes.is_empty());
    rig.told_here(|notice| matches!(notice, Notice::FirstRequest { revision: 1, .. }).then_some(())).await;
}

#[tokio::test]
async fn connections_are_split_by_weight() {
    let (one, two) = (speaker("1").await, speaker("2").await);
    let clusters = vec![cluster_at("v1", &[one.port]), cluster_at("v2", &[two.port])];
    let plan = plan_of(workload(), tcp_listener(vec![connections(&[], &[(0, 3), (1, 1)])]), clusters);
    let mut rig = Rig::on(plan, 9000).await;
    for _ in 0..200 {
        let mut stream = connect(rig.address).await;
        stream.shutdown().await.unwrap();
        assert_eq!(rest(stream).await.unwrap().len(), 1);
    }
    let seen = rig.closed(200).await;
    let versions = seen.versions();
    assert_drawn(&[versions["v1"], versions["v2"]], &[3, 1]);
}

#[tokio::test]
async fn sources_decide() {
    let (near, far) = (speaker("near").await, speaker("far").await);
    let mut narrow = connections(&["x"], &[(0, 1)]);
    narrow.matches[0].sni.clear();
    narrow.matches[0].sources = vec![Subnet::parse("127.0.0.2").unwrap()];
    let clusters = vec![cluster_at("near", &[near.port]), cluster_at("far", &[far.port])];
    let plan = plan_of(workload(), tcp_listener(vec![narrow, connections(&[], &[(1, 1)])]), clusters);
    let rig = Rig::on(plan, 9000).await;
    for (from, said) in [("127.0.0.2:0", "near"), ("127.0.0.1:0", "far")] {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(from.parse().unwrap()).unwrap();
        let mut stream = socket.connect(rig.address).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(rest(stream).await.as_deref(), Ok(said), "{from}");
    }
}

#[tokio::test]
async fn failures_have_flags() {
    let full = |weights: &[(u32, u32)]| vec![connections(&[], weights)];
    let mut missing = cluster_at("v1", &[1]);
    missing.known = false;
    for (routes, cluster, flag) in [
        (full(&[(0, 1)]), cluster_at("v1", &[1]), "UF,URX"),
        (full(&[(0, 1)]), cluster_at("v1", &[]), "UH"),
        (full(&[(0, 1)]), missing, "NC"),
        (Vec::new(), cluster_at("v1", &[1]), "NR"),
    ] {
        // Envoy does not listen where nothing is taken.
        if is_envoy() && routes.is_empty() {
            continue;
        }
        let mut rig = Rig::on(plan_of(workload(), tcp_listener(routes), vec![cluster]), 9000).await;
        // Whether the end or a reset is seen depends on what was sent meanwhile.
        let _ = rest(connect(rig.address).await).await;
        let seen = rig.closed(1).await;
        let flags: std::collections::BTreeSet<_> = seen.only().1.flags.keys().copied().collect();
        assert_eq!(flags.into_iter().collect::<Vec<_>>().join(","), flag);
    }
}

#[tokio::test]
async fn connections_can_be_delayed_and_reset() {
    let server = speaker("hello").await;
    for (fault, expected, flags) in [
        (
            ConnectionFault { delay: Some((1_000_000, Duration::from_millis(80))), reset: 0 },
            Ok("hello"),
            "DI",
        ),
        (ConnectionFault { delay: None, reset: 1_000_000 }, Err(ErrorKind::ConnectionReset), "FI"),
        (ConnectionFault { delay: Some((0, Duration::from_secs(9))), reset: 0 }, Ok("hello"), ""),
    ] {
        let route = mesh::plan::ConnectionRoute { fault: Some(fault), ..connections(&[], &[(0, 1)]) };
        let plan = plan_of(workload(), tcp_listener(vec![route]), vec![cluster_at("v1", &[server.port])]);
        let mut rig = Rig::on(plan, 9000).await;
        let began = Instant::now();
        // A reset may come before the connection is known to be there.
        let heard = match TcpStream::connect(rig.address).await {
            Ok(mut stream) if expected.is_ok() => {
                stream.shutdown().await.unwrap();
                rest(stream).await
            }
            Ok(stream) => rest(stream).await,
            Err(error) => Err(error.kind()),
        };
        assert_eq!(heard.as_deref(), expected.as_ref().map(|it| *it));
        if flags == "DI" {
            assert!(began.elapsed() >= Duration::from_millis(80));
        }
        let seen = rig.closed(1).await;
        assert_eq!(seen.only().1.flags.keys().copied().collect::<String>(), flags);
    }
}

#[tokio::test]
async fn an_upstream_that_breaks_off_breaks_off_for_the_client() {
    let server = Raw::start(|mut stream| async move {
        let _ = stream.write_all(b"half").await;
        let mut wish = [0];
        let _ = stream.read(&mut wish).await;
        let _ = stream.set_zero_linger();
    })
    .await;
    let plan = plan_of(
        workload(),
        tcp_listener(vec![connections(&[], &[(0, 1)])]),
        vec![cluster_at("v1", &[server.port])],
    );
    let rig = Rig::on(plan, 9000).await;
    let mut stream = connect(rig.address).await;
    let mut half = [0; 4];
    stream.read_exact(&mut half).await.unwrap();
    stream.write_all(b"!").await.unwrap();
    assert_eq!(rest(stream).await, Err(ErrorKind::ConnectionReset));
}

/// A greeting of TLS for a name, as rustls writes it.
fn greeting(name: &'static str) -> Vec<u8> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut connection =
        rustls::ClientConnection::new(std::sync::Arc::new(config), name.try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    hello
}

#[tokio::test]
async fn tls_is_passed_on_by_its_name() {
    let names = ["exact", "wild", "other"];
    let (exact, wild, other) = (speaker(names[0]).await, speaker(names[1]).await, speaker(names[2]).await);
    let clusters = [&exact, &wild, &other]
        .iter()
        .zip(names)
        .map(|(server, name)| cluster_at(name, &[server.port]))
        .collect();
    let routes = vec![
        connections(&["a.example.com"], &[(0, 1)]),
        connections(&["*.example.com"], &[(1, 1)]),
        connections(&[], &[(2, 1)]),
    ];
    let mut listener = tcp_listener(routes);
    listener.protocol = Protocol::Tls;
    let rig = Rig::on(plan_of(workload(), listener, clusters), 9000).await;
    for (name, said) in [
        ("a.example.com", "exact"),
        ("B.Example.com", "wild"),
        ("a.b.example.com", "wild"),
        ("example.com", "other"),
    ] {
        let hello = greeting(name);
        let mut stream = connect(rig.address).await;
        // In two pieces: a name may be split anywhere.
        let (start, end) = hello.split_at(hello.len() / 2);
        stream.write_all(start).await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(end).await.unwrap();
        let expected = [said.as_bytes(), &hello].concat();
        let mut heard = vec![0; expected.len()];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, expected, "{name}");
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "{name}");
    }
    // What is not TLS goes where no name is asked for, and so does who waits for the server to speak.
    for said in [&b"not tls"[..], b""] {
        let mut stream = connect(rig.address).await;
        stream.write_all(said).await.unwrap();
        let mut heard = vec![0; 5 + said.len()];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, [b"other", said].concat());
    }
}

#[tokio::test]
async fn http_and_other_protocols_share_a_port() {
    let (web, raw) = (Server::named("web").await, speaker("raw").await);
    let mut draft = Draft::new(
        vec![crate::plans::cluster("v1", &[&web]), cluster_at("v2", &[raw.port])],
        vec![to_first(|_| {})],
    );
    draft.source = workload();
    let mut plan = std::sync::Arc::unwrap_or_clone(draft.plan());
    let mut listeners = plan.listeners.to_vec();
    listeners[0].connections = vec![connections(&["db"], &[(1, 1)])];
    plan.listeners = listeners.into();
    let rig = Rig::on(plan.into(), 80).await;
    assert_eq!(get(rig.address, "/", &[]).await.body, "web");
    let hello = greeting("db");
    let mut stream = connect(rig.address).await;
    stream.write_all(&hello).await.unwrap();
    let mut heard = [0; 3];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"raw");
}

#[tokio::test]
async fn requests_can_be_reset() {
    let fault = mesh::plan::Fault { delay: None, abort: Some((1_000_000, mesh::plan::AbortWith::Reset)) };
    let mut rig = Rig::start(Draft::new(vec![cluster_at("v1", &[])], vec![faulty(fault)]).plan()).await;
    let mut stream = connect(rig.address).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: reviews\r\n\r\n").await.unwrap();
    assert_eq!(rest(stream).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(rig.observed(1).await.outcome(), "0 FI");
    let mut connection = Connection::open(rig.address).await;
    assert!(connection.fetch(request("GET", "/", &[], "")).await.is_err());
}

#[tokio::test]
async fn connections_outlast_plans_and_listeners() {
    let server = speaker("").await;
    let plan = || {
        plan_of(
            workload(),
            tcp_listener(vec![connections(&[], &[(0, 1)])]),
            vec![cluster_at("v1", &[server.port])],
        )
    };
    let first = plan();
    let held = std::sync::Arc::downgrade(&first);
    let rig = Rig::on(first, 9000).await;
    let mut stream = connect(rig.address).await;
    let mut say = async |text: &str| {
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut heard = vec![0; text.len()];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, text.as_bytes());
    };
    say("one").await;
    rig.swap(plan()).await;
    assert!(held.upgrade().is_none(), "a connection keeps no plan");
    say("two").await;
    assert!(rig.proxy.unbind(rig.address).await);
    assert!(TcpStream::connect(rig.address).await.is_err());
    say("three").await;
    // At the end they have the time that there is, and no more.
    let began = Instant::now();
    rig.proxy.shutdown(Duration::from_millis(200)).await;
    assert!((200..2000).contains(&began.elapsed().as_millis()));
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}
