//! What an endpoint is told before it hears the client: whose connection it is, and where else it is to go.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use mesh::plan::compile;
use mesh::settings::OutboundPolicy;
use mesh::{Mesh, Plan, Registry, Settings, Sources};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::plans::workload;
use crate::support::tls::Authority;
use crate::support::{AnyBody, Connection, Raw, Rig, Server, get, reply, request};

/// One service behind a port of this protocol, with this policy.
fn plan(protocol: &str, port: u16, policy: &str) -> Arc<Plan> {
    let yaml = format!(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: out}}\nspec:\n  hosts: [out.com]\n  resolution: STATIC\n  ports: [{{number: 9000, name: p, protocol: {protocol}}}]\n  endpoints: [{{address: 127.0.0.1, ports: {{p: {port}}}}}]\n---\n\
         apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: out}}\nspec: {{host: out.com, trafficPolicy: {{{policy}}}}}\n"
    );
    let parsed = Mesh::parse(&Sources::single("mesh.yaml", yaml));
    let settings = Settings { outbound_policy: OutboundPolicy::RegistryOnly, ..Settings::default() };
    let registry = Registry::of(&parsed.mesh, &mesh::Inventory::default(), &settings);
    let said = mesh::validate::validate(&parsed.mesh, &registry, &settings);
    assert!(parsed.diagnostics.is_empty() && said.iter().all(|it| it.code != "MW0432"), "{said:?}");
    Arc::new(compile(&parsed.mesh, &registry, &settings, &workload(), 1))
}

/// A header of the PROXY protocol, in the first version's words.
async fn header(stream: &mut TcpStream) -> String {
    let mut head = [0; 16];
    stream.read_exact(&mut head).await.unwrap();
    if &head[..5] == b"PROXY" {
        let mut line = head.to_vec();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await.unwrap());
        }
        return String::from_utf8(line).unwrap().trim_end().to_owned();
    }
    assert_eq!((&head[..14], head[15]), (&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..], 12));
    let mut ends = [0; 12];
    stream.read_exact(&mut ends).await.unwrap();
    let ip = |at: usize| ends[at..at + 4].iter().map(u8::to_string).collect::<Vec<_>>().join(".");
    let port = |at: usize| u16::from_be_bytes([ends[at], ends[at + 1]]);
    format!("PROXY TCP4 {} {} {} {}", ip(0), ip(4), port(8), port(10))
}

/// Answers each request with what its connection began with.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, began: &str) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            let said = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{began}", began.len());
            stream.write_all(said.as_bytes()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn endpoints_are_told_whose_a_connection_is() {
    let authority = Authority::new();
    for (version, within) in [("V1", false), ("V2", false), ("V1", true), ("V2", true)] {
        let (began, mut connections) = mpsc::unbounded_channel();
        let acceptor = within.then(|| TlsAcceptor::from(Arc::new(authority.server(&["out.com"], None))));
        let server = Raw::start(move |mut stream| {
            let (began, acceptor) = (began.clone(), acceptor.clone());
            async move {
                let header = header(&mut stream).await;
                began.send(header.clone()).unwrap();
                match acceptor {
                    Some(acceptor) => answer(acceptor.accept(stream).await.unwrap(), &header).await,
                    None => answer(stream, &header).await,
                }
            }
        })
        .await;
        let tls = if within { ", tls: {mode: SIMPLE, insecureSkipVerify: true}" } else { "" };
        let plan = plan("HTTP", server.port, &format!("proxyProtocol: {{version: {version}}}{tls}"));
        let rig = Rig::on(plan, 9000).await;
        let mut told = Vec::new();
        for _ in 0..2 {
            let stream = TcpStream::connect(rig.address).await.unwrap();
            let own = stream.local_addr().unwrap();
            let (from, to) = (own.port(), rig.address.port());
            let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {to}");
            let mut connection = Connection::on(stream).await;
            for _ in 0..3 {
                let answer = connection.fetch(request("GET", "/", &[("host", "out.com")], "")).await.unwrap();
                assert_eq!((answer.status.as_u16(), &answer.body), (200, &expected), "{version} {within}");
            }
            told.push(expected);
        }
        // A client's requests share a connection, and no two clients do.
        let began = [connections.recv().await.unwrap(), connections.recv().await.unwrap()];
        assert_eq!(began[..], told[..]);
        assert!(connections.try_recv().is_err(), "{version} {within}");
    }
}

/// The only connection that is allowed waits for the client it is of; another client's request does not wait for that one.
#[tokio::test]
async fn a_client_that_rests_keeps_no_other_waiting() {
    let server = Raw::start(|mut stream| async move {
        let header = header(&mut stream).await;
        answer(stream, &header).await;
    })
    .await;
    let policy = "proxyProtocol: {version: V1}, connectionPool: {tcp: {maxConnections: 1}}";
    let rig = Rig::on(plan("HTTP", server.port, policy), 9000).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = Connection::open(rig.address).await;
        let asked = client.fetch(request("GET", "/", &[("host", "out.com")], ""));
        let answer = timeout(Duration::from_secs(10), asked).await.expect("no place").unwrap();
        assert_eq!(answer.status, 200);
        clients.push(client);
    }
}

#[tokio::test]
async fn bytes_follow_the_header() {
    let server = Raw::start(|mut stream| async move {
        let header = header(&mut stream).await;
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await.unwrap();
        stream.write_all(format!("{header} {}", String::from_utf8_lossy(&heard)).as_bytes()).await.unwrap();
    })
    .await;
    for version in ["V1", "V2"] {
        let rig =
            Rig::on(plan("TCP", server.port, &format!("proxyProtocol: {{version: {version}}}")), 9000).await;
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        let from = stream.local_addr().unwrap().port();
        stream.write_all(b"hello").await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {} hello", rig.address.port()));
    }
}

/// A proxy that says what it was asked for, and then says back what it hears through the tunnel.
async fn forward_proxy() -> (Server, mpsc::UnboundedReceiver<String>) {
    let (asked, seen) = mpsc::unbounded_channel();
    let server = Server::start(move |request: Request<Incoming>| {
        let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
        let host = host.or_else(|| Some(request.uri().authority()?.to_string())).unwrap();
        let said = format!("{} {host} {:?}", request.method(), request.version());
        asked.send(said).unwrap();
        async move {
            if host.starts_with("forbidden") {
                return reply(403, "");
            }
            if request.method() == Method::POST {
                let body: AnyBody = request.into_body().map_err(std::io::Error::other).boxed_unsync();
                return Response::new(body);
            }
            tokio::spawn(async move {
                let through = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
                let (mut read, mut write) = tokio::io::split(through);
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
            reply(200, "")
        }
    })
    .await;
    (server, seen)
}

#[tokio::test]
async fn connections_go_on_through_tunnels() {
    let (server, mut seen) = forward_proxy().await;
    let h2 = ", connectionPool: {http: {h2UpgradePolicy: UPGRADE}}";
    for (tunnel, more, expected) in [
        ("targetHost: db.internal, targetPort: 5432", "", "CONNECT db.internal:5432 HTTP/1.1"),
        ("protocol: CONNECT, targetHost: 10.0.0.1, targetPort: 80", "", "CONNECT 10.0.0.1:80 HTTP/1.1"),
        ("protocol: POST, targetHost: db.internal, targetPort: 5432", "", "POST db.internal:5432 HTTP/1.1"),
        ("targetHost: db.internal, targetPort: 5432", h2, "CONNECT db.internal:5432 HTTP/2.0"),
        ("protocol: POST, targetHost: db.internal, targetPort: 5432", h2, "POST db.internal:5432 HTTP/2.0"),
    ] {
        let plan = plan("TCP", server.address().port(), &format!("tunnel: {{{tunnel}}}{more}"));
        let mut rig = Rig::on(plan, 9000).await;
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        let mut back = [0; 5];
        for words in ["hello", "world"] {
            stream.write_all(words.as_bytes()).await.unwrap();
            stream.read_exact(&mut back).await.unwrap();
            assert_eq!(back, words.as_bytes(), "{expected}");
        }
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut back).await.unwrap(), 0, "{expected}");
        assert_eq!(seen.recv().await.as_deref(), Some(expected));
        let seen = rig.closed(1).await;
        let (_, stats) = seen.only();
        assert_eq!((stats.bytes_sent, stats.bytes_received, stats.flags.len()), (10, 10, 0), "{expected}");
    }
}

#[tokio::test]
async fn a_tunnel_that_is_refused_is_no_connection() {
    let (server, mut seen) = forward_proxy().await;
    let plan =
        plan("TCP", server.address().port(), "tunnel: {targetHost: forbidden.internal, targetPort: 1}");
    let mut rig = Rig::on(plan, 9000).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(seen.recv().await.unwrap().starts_with("CONNECT forbidden.internal:1"));
    let seen = rig.closed(1).await;
    assert!(seen.only().1.flags.contains_key("UF"), "{:?}", seen.only().1.flags);
}

#[tokio::test]
async fn requests_are_not_tunnelled() {
    let server = Server::named("plain").await;
    let tunnel = "tunnel: {targetHost: db.internal, targetPort: 5432}";
    let rig = Rig::on(plan("HTTP", server.address().port(), tunnel), 9000).await;
    assert_eq!(get(rig.address, "/", &[("host", "out.com")]).await.body, "plain");
}

/// Answers requests over HTTP/2, and tells of each ping that asks for an answer.
async fn pinged(mut stream: TcpStream, pings: mpsc::UnboundedSender<()>) -> std::io::Result<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    // Settings: none of its own.
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await?;
        let (kind, flags) = (head[3], head[4]);
        match kind {
            // A head: it is answered with the first entry of HPACK's table for a status of 200, and nothing else.
            1 => {
                let answer = [&[0, 0, 1, 1, 5][..], &head[5..], &[0x88]].concat();
                stream.write_all(&answer).await?;
            }
            4 if flags == 0 => stream.write_all(&[0, 0, 0, 4, 1, 0, 0, 0, 0]).await?,
            6 if flags == 0 => {
                stream.write_all(&[&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &payload].concat()).await?;
                let _ = pings.send(());
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn connections_are_asked_whether_they_live() {
    let (pings, mut seen) = mpsc::unbounded_channel();
    let server = Raw::start(move |stream| {
        let pings = pings.clone();
        async move { drop(pinged(stream, pings).await) }
    })
    .await;
    let policy = "connectionPool: {http: {http2KeepAlive: {interval: 0.05s, timeout: 5s}}}";
    let rig = Rig::on(plan("HTTP2", server.port, policy), 9000).await;
    assert_eq!(get(rig.address, "/", &[("host", "out.com")]).await.status, 200);
    // Also while nothing is asked.
    for _ in 0..3 {
        tokio::time::timeout(std::time::Duration::from_secs(10), seen.recv()).await.unwrap().unwrap();
    }
    assert_eq!(get(rig.address, "/", &[("host", "out.com")]).await.status, 200);
}
