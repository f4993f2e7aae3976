//! Streams within streams: WebSocket, CONNECT, server-sent events and gRPC, in plain text and within TLS.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh::plan::{Protocol, UnknownHost};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plans::{Draft, cluster, cluster_at, connections, tcp_listener, to_first, workload};
use crate::protocol::{exchange, read_until};
use crate::support::tls::Authority;
use crate::support::{AnyBody, Connection, Raw, Rig, Server, reply, request, streamed};
use crate::tls::{gateway, h2, on_443, plan, simple, with_tls};

/// Says back what it hears.
async fn echo() -> Raw {
    Raw::start(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await
}

/// A plan of a workload with a TCP port 9000, and no more hosts than that and `reviews`.
fn with_tcp(raw: &Raw, unknown_host: UnknownHost) -> Arc<mesh::Plan> {
    let mut draft = Draft::new(vec![cluster_at("v1", &[raw.port])], vec![to_first(|_| {})]);
    draft.unknown_host = unknown_host;
    let mut plan = Arc::unwrap_or_clone(draft.plan());
    let mut route = connections(&[], &[(0, 1)]);
    route.hosts = vec!["db".to_owned(), "*.db.org".to_owned()];
    let mut listener = tcp_listener(vec![route]);
    listener.unknown_host = unknown_host;
    plan.listeners = plan.listeners.iter().cloned().chain([listener]).collect();
    plan.into()
}

/// Asks for a tunnel; its answer, and what is then said back.
async fn tunnel(rig: &Rig, to: &str) -> (String, String) {
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    if !head.starts_with("HTTP/1.1 200") {
        return (head[9..12].to_owned(), String::new());
    }
    assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
    stream.write_all(b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    (head[9..12].to_owned(), said)
}

#[tokio::test]
async fn connect_reaches_what_a_connection_reaches() {
    let raw = echo().await;
    let here = format!("127.0.0.1:{}", raw.port);
    let (ok, said) = ("200", "hello");
    for (unknown, to, expected, flags) in [
        (UnknownHost::BadGateway, "db:9000", (ok, said), "200"),
        (UnknownHost::BadGateway, "a.db.org:9000", (ok, said), "200"),
        (UnknownHost::BadGateway, "other:9000", ("502", ""), "502"),
        (UnknownHost::BadGateway, here.as_str(), ("502", ""), "502"),
        (UnknownHost::Passthrough, here.as_str(), (ok, said), "200"),
        (UnknownHost::Passthrough, "127.0.0.1:1", ("503", ""), "503 UF"),
        // Where HTTP is spoken, a connection would go around what the mesh says of requests.
        (UnknownHost::Passthrough, "reviews:80", ("404", ""), "404 NR"),
        (UnknownHost::Passthrough, "db", ("400", ""), "400"),
    ] {
        let mut rig = Rig::start(with_tcp(&raw, unknown)).await;
        let (status, heard) = tunnel(&rig, to).await;
        assert_eq!((status.as_str(), heard.as_str()), expected, "{to}");
        let observed = rig.observed(1).await;
        assert_eq!(observed.outcome(), flags, "{to}");
        if status == "200" {
            assert_eq!((observed.only().1.bytes_sent, observed.only().1.bytes_received), (5, 5));
        }
    }
    // It never leads back to the proxy itself.
    let rig = Rig::start(with_tcp(&raw, UnknownHost::Passthrough)).await;
    assert_eq!(tunnel(&rig, &rig.address.to_string()).await.0, "503");
}

#[tokio::test]
async fn gateways_connect_nobody() {
    let raw = echo().await;
    let mut draft = Draft::new(vec![cluster_at("v1", &[raw.port])], vec![to_first(|_| {})]);
    draft.source = gateway();
    let rig = Rig::on(draft.plan(), 80).await;
    assert_eq!(tunnel(&rig, &format!("127.0.0.1:{}", raw.port)).await.0, "404");
}

/// Says `hello` and hears it back.
async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    stream.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
}

#[tokio::test]
async fn connect_over_http2() {
    let raw = echo().await;
    let rig = Rig::start(with_tcp(&raw, UnknownHost::BadGateway)).await;
    let stream = TcpStream::connect(rig.address).await.unwrap();
    let (mut sender, connection) =
        http2::handshake::<_, _, AnyBody>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut asked = request("CONNECT", "db:9000", &[], "");
    asked.headers_mut().clear();
    let mut response = sender.send_request(asked).await.unwrap();
    assert_eq!(response.status(), 200);
    talk(TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap())).await;
}

/// Takes an upgrade to WebSocket and says back what it hears.
async fn websocket() -> Server {
    Server::start(|mut request: Request<Incoming>| async move {
        let headers = request.headers();
        if headers.get(UPGRADE).is_none_or(|protocol| protocol != "websocket") {
            return reply(200, "no upgrade");
        }
        assert_eq!(request.method(), Method::GET);
        assert!(headers[CONNECTION].as_bytes().eq_ignore_ascii_case(b"upgrade"));
        assert_eq!(headers[SEC_WEBSOCKET_KEY].len(), 24);
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(TokioIo::new(upgrade.await.unwrap()));
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
        let mut response = reply(101, "");
        for (name, value) in
            [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", "anything")]
        {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    })
    .await
}

#[tokio::test]
async fn websockets_within_tls() {
    let (authority, server) = (Authority::new(), websocket().await);
    let mut rig = on_443(plan(&server, vec![simple(&["*"], &authority.issue(&["reviews"]))])).await;
    // HTTP/1.1.
    let stream = authority.client().connect(rig.address, "reviews").await.unwrap();
    let fields = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];
    let mut connection = Connection::on(stream).await;
    let mut response = connection.send(request("GET", "/chat", &fields, "")).await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()[UPGRADE]),
        (StatusCode::SWITCHING_PROTOCOLS, &"websocket".parse().unwrap())
    );
    assert_eq!(response.headers()["sec-websocket-accept"], "anything");
    talk(TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap())).await;
    // HTTP/2, where it is a CONNECT of its own kind. Whether the server takes it is known after its first answer.
    let mut sender = h2(authority.client(), &rig, "reviews").await;
    assert_eq!(sender.send_request(request("GET", "https://reviews/", &[], "")).await.unwrap().status(), 200);
    let mut asked = request("CONNECT", "https://reviews/chat", &[("sec-websocket-version", "13")], "");
    asked.headers_mut().remove("host");
    asked.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
    let mut response = sender.send_request(asked).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("sec-websocket-accept"));
    talk(TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap())).await;
    drop((sender, response, connection));
    let observed = rig.observed(3).await;
    assert_eq!(observed.sum(|stats| stats.codes.get(&101).copied().unwrap_or(0)), 2);
}

#[tokio::test]
async fn events_arrive_as_they_are_sent() {
    let authority = Authority::new();
    let (told, mut pieces) = tokio::sync::mpsc::channel(1);
    let server = Server::start(move |_| {
        let told = told.clone();
        async move {
            let (sender, mut response) = streamed(200);
            response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
            told.send(sender).await.unwrap();
            response
        }
    })
    .await;
    let rig = on_443(plan(&server, vec![simple(&["*"], &authority.issue(&["reviews"]))])).await;
    let mut over_h2 = h2(authority.client(), &rig, "reviews").await;
    let stream = authority.client().connect(rig.address, "reviews").await.unwrap();
    let mut over_h1 = Connection::on(stream).await;
    let accept = [("accept", "text/event-stream")];
    for round in 0..2 {
        let response = if round == 0 {
            over_h1.send(request("GET", "/", &accept, "")).await.unwrap()
        } else {
            over_h2.send_request(request("GET", "https://reviews/", &accept, "")).await.unwrap()
        };
        let mut sender = pieces.recv().await.unwrap();
        let mut body = response.into_body();
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            sender.send(event).await;
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), event);
        }
        drop(sender);
        assert!(body.collect().await.unwrap().to_bytes().is_empty());
    }
}

/// A gRPC service over HTTP/2 in plain text: its status comes in trailers, or in the head alone where it failed at once.
async fn grpc() -> Server {
    Server::start(|request: Request<Incoming>| async move {
        assert_eq!(request.version(), http::Version::HTTP_2);
        assert_eq!(request.headers()["te"], "trailers");
        let fails = request.uri().path() == "/mesh.Echo/Fail";
        let asked = request.into_body().collect().await.unwrap().to_bytes();
        let mut response = reply(200, "");
        response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        if fails {
            response.headers_mut().insert("grpc-status", "5".parse().unwrap());
            return response;
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let frames = [Frame::data(asked), Frame::trailers(trailers)].map(Ok);
        response.map(|_| http_body_util::StreamBody::new(futures::stream::iter(frames)).boxed_unsync())
    })
    .await
}

#[tokio::test]
async fn grpc_calls_keep_their_trailers() {
    let (authority, server) = (Authority::new(), grpc().await);
    let mut upstream = cluster("v1", &[&server]);
    upstream.policy.http2 = true;
    let mut draft = Draft::new(vec![upstream], vec![to_first(|_| {})]);
    let plain = Rig::start(draft.clone().plan()).await;
    draft.source = gateway();
    let secure = on_443(with_tls(draft, vec![simple(&["*"], &authority.issue(&["reviews"]))])).await;
    let stream = TcpStream::connect(plain.address).await.unwrap();
    let (over_plain, connection) =
        http2::handshake::<_, _, AnyBody>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for mut sender in [over_plain, h2(authority.client(), &secure, "reviews").await] {
        let call = |method: &str| {
            let fields = [("te", "trailers"), ("content-type", "application/grpc")];
            request("POST", &format!("http://reviews/mesh.Echo/{method}"), &fields, "\0\0\0\0\u{2}hi")
        };
        let response = sender.send_request(call("Say")).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/grpc");
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(body.to_bytes(), Bytes::from_static(b"\0\0\0\0\x02hi"));
        let response = sender.send_request(call("Fail")).await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "5");
    }
}

#[tokio::test]
async fn a_tunnel_by_name_takes_the_tls_of_clients() {
    let authority = Authority::new();
    let web = authority.web(&["localhost"], None, false).await;
    let mut plan = Arc::unwrap_or_clone(with_tcp(&echo().await, UnknownHost::BadGateway));
    let mut listeners = plan.listeners.to_vec();
    listeners[1].protocol = Protocol::Tls;
    listeners[1].connections = vec![connections(&["localhost"], &[(0, 1)])];
    plan.listeners = listeners.into();
    plan.clusters = [Arc::new(cluster_at("v1", &[web.port]))].into();
    plan.source = workload();
    let rig = Rig::start(plan.into()).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(b"CONNECT localhost:9000 HTTP/1.1\r\nhost: localhost:9000\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let connector = tokio_rustls::TlsConnector::from(Arc::new(authority.client().config()));
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let answer = Connection::on(stream).await.fetch(request("GET", "/", &[], "")).await.unwrap();
    assert_eq!(answer.body, "localhost - HTTP/1.1");
}

#[tokio::test]
async fn only_known_upgrades_go_on() {
    let server = Server::echo().await;
    let rig = crate::protocol::rig(&server).await;
    let asks = |upgrade: &str| {
        format!(
            "GET /secret HTTP/1.1\r\nhost: reviews\r\nconnection: Upgrade, HTTP2-Settings\r\nhttp2-settings: AAMAAABk\r\nupgrade: {upgrade}\r\n\r\n"
        )
    };
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: reviews\r\nconnection: close\r\n\r\n";
    // HTTP/2 is offered, and declined: the request is one like any other, and so is the next.
    for offer in ["h2c", "H2C"] {
        let before = server.requests();
        let answer = exchange(&rig, &(asks(offer) + smuggled), "").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("GET /smuggled"), "{answer}");
        assert!(!answer.contains("upgrade:") && !answer.contains("http2-settings"), "{answer}");
        assert_eq!(server.requests() - before, 2);
    }
    let before = server.requests();
    for unknown in
        ["foo", "TLS/1.2", "websocket, foo", "h2c, websocket", "websocket\r\nupgrade: foo", "websocket/13"]
    {
        // Nothing of it reaches the upstream, and what follows is not read.
        let answer = exchange(&rig, &(asks(unknown) + smuggled), "").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{unknown}: {answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{unknown}: {answer}");
        assert!(!answer.contains("smuggled"), "{unknown}: {answer}");
    }
    // Where there is no route there is nothing to forbid.
    let nowhere = asks("foo").replace("host: reviews", "host: nobody");
    assert!(exchange(&rig, &nowhere, "").await.starts_with("HTTP/1.1 404"));
    // In HTTP/2, where a client knows after its first answer whether it may ask so.
    for protocol in ["foo", "h2c"] {
        let mut sender = crate::protocol::h2(&rig).await;
        let first = request("GET", "http://reviews/", &[], "");
        assert_eq!(sender.send_request(first).await.unwrap().status(), 200);
        let mut asked = request("CONNECT", "http://reviews/chat", &[], "");
        asked.headers_mut().remove("host");
        asked.extensions_mut().insert(hyper::ext::Protocol::from_static(protocol));
        assert_eq!(sender.send_request(asked).await.unwrap().status(), 403, "{protocol}");
    }
    assert_eq!(server.requests() - before, 2);
}

/// Answers as it is told, says which bytes it hears after that, and closes.
async fn switching(answer: &'static str) -> Raw {
    Raw::start(move |mut stream| async move {
        let heard = read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (_, mut heard) =
            heard.split_once("\r\n\r\n").map(|(head, rest)| (head, rest.to_owned())).unwrap();
        while !heard.ends_with("end") {
            let mut buffer = [0; 64];
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => heard += &String::from_utf8_lossy(&buffer[..count]),
            }
        }
        let _ = stream.write_all(format!("heard {heard}").as_bytes()).await;
    })
    .await
}

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

#[tokio::test]
async fn what_follows_an_upgrade_with_a_body() {
    let raw = switching(SWITCH).await;
    let rig = crate::protocol::rig_at(raw.port).await;
    let sent = "GET / HTTP/1.1\r\nhost: reviews\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 3\r\n\r\nabcGET /smuggled end";
    let answer = exchange(&rig, sent, "end").await;
    assert!(answer.starts_with("HTTP/1.1 101") && answer.ends_with("heard abcGET /smuggled end"), "{answer}");
}

#[tokio::test]
async fn upgrades_that_were_not_agreed_on() {
    // No tunnel is opened for an answer that nobody asked for, nor for another protocol than was asked for.
    let foo = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\n";
    for (asked, answered) in [("", SWITCH), ("connection: upgrade\r\nupgrade: websocket\r\n", foo)] {
        let raw = switching(answered).await;
        let mut rig = crate::protocol::rig_at(raw.port).await;
        let sent = format!("GET / HTTP/1.1\r\nhost: reviews\r\n{asked}\r\nend");
        let answer = exchange(&rig, &sent, "reset reason: protocol error").await;
        assert!(answer.starts_with("HTTP/1.1 502") && !answer.contains("heard"), "{answer}");
        assert_eq!(rig.observed(1).await.outcome(), "502 UPE");
    }
    // Where the server stays with HTTP, what was meant for the other protocol is not read as a request.
    let server = Server::echo().await;
    let rig = crate::protocol::rig(&server).await;
    let sent = "GET / HTTP/1.1\r\nhost: reviews\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: reviews\r\n\r\n";
    let answer = exchange(&rig, sent, "").await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("smuggled"), "{answer}");
    assert_eq!(server.requests(), 1);
}
