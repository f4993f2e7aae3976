//! HTTP itself: streaming, trailers, upgrades, versions, and messages that are odd or wrong.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proxy::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plans::{Draft, cluster, cluster_at, to_first};
use crate::support::{AnyBody, Connection, Raw, Rig, Server, reply, request, streamed};

pub(crate) async fn rig(server: &Server) -> Rig {
    Rig::start(Draft::new(vec![cluster("v1", &[server])], vec![to_first(|_| {})]).plan()).await
}

pub(crate) async fn rig_at(port: u16) -> Rig {
    Rig::start(Draft::new(vec![cluster_at("v1", &[port])], vec![to_first(|_| {})]).plan()).await
}

/// Sends bytes and reads until the other side closes, or `until` has come.
pub(crate) async fn exchange(rig: &Rig, sent: &str, until: &str) -> String {
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    read_until(&mut stream, until).await
}

pub(crate) async fn read_until(stream: &mut TcpStream, until: &str) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        // A connection that is closed before all of it was read is reset.
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        read.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&read);
        if count == 0 || (!until.is_empty() && text.contains(until)) {
            return text.into_owned();
        }
    }
}

pub(crate) async fn h2(rig: &Rig) -> http2::SendRequest<AnyBody> {
    let stream = TcpStream::connect(rig.address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Echoes the body as it comes, with its trailers.
async fn streaming_echo() -> Server {
    Server::start(|request: Request<Incoming>| async {
        let mut response = reply(200, "");
        response.headers_mut().insert("trailer", "x-sum".parse().unwrap());
        response.map(|_| request.into_body().map_err(std::io::Error::other).boxed_unsync())
    })
    .await
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let server = streaming_echo().await;
    let mut rig = rig(&server).await;
    let mut connection = Connection::open(rig.address).await;
    let (mut sender, body) = streamed(200);
    let head = request("POST", "/", &[], "").map(|_| ());
    let (response, ()) =
        tokio::join!(connection.send(head.map(|()| body.into_body())), async { sender.send("one").await });
    let mut echoed = response.unwrap().into_body();
    // Each part arrives before the next is sent, so nothing waits for the end.
    for (sent, next) in [("one", Some("two")), ("two", Some("three")), ("three", None)] {
        let frame = echoed.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), sent);
        if let Some(next) = next {
            sender.send(next).await;
        }
    }
    drop(sender);
    assert!(echoed.frame().await.is_none());
    let observed = rig.observed(1).await;
    let stats = observed.only().1;
    assert_eq!((stats.bytes_sent, stats.bytes_received), (11, 11));
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let server = streaming_echo().await;
    let rig = rig(&server).await;
    let frames = || {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "42".parse().unwrap());
        let frames = [Frame::data(Bytes::from("data")), Frame::trailers(trailers)].map(Ok);
        http_body_util::StreamBody::new(futures::stream::iter(frames)).boxed_unsync()
    };
    let fields = [("te", "trailers"), ("trailer", "x-sum"), ("transfer-encoding", "chunked")];
    let over_h1 = request("POST", "/", &fields, "").map(|_| frames());
    let response = Connection::open(rig.address).await.send(over_h1).await.unwrap();
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-sum"], "42");

    let over_h2 = Request::post("http://reviews/").header("te", "trailers").header("trailer", "x-sum");
    let response = h2(&rig).await.send_request(over_h2.body(frames()).unwrap()).await.unwrap();
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-sum"], "42");
    assert_eq!(collected.to_bytes(), "data");
}

#[tokio::test]
async fn upgrades_become_tunnels() {
    let server = Server::start(|mut request: Request<Incoming>| async move {
        assert!(request.headers()[CONNECTION].as_bytes().eq_ignore_ascii_case(b"upgrade"));
        let protocol = request.headers()[UPGRADE].clone();
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.unwrap());
            let mut buffer = [0; 5];
            stream.read_exact(&mut buffer).await.unwrap();
            buffer.reverse();
            stream.write_all(&buffer).await.unwrap();
        });
        let mut response = reply(101, "");
        response.headers_mut().insert(CONNECTION, "upgrade".parse().unwrap());
        response.headers_mut().insert(UPGRADE, protocol);
        response
    })
    .await;
    let mut rig = rig(&server).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let head = "GET /chat HTTP/1.1\r\nhost: reviews\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("upgrade: websocket\r\n"), "{answer}");
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(read_until(&mut stream, "").await, "olleh");
    drop(stream);
    let observed = rig.observed(1).await;
    // Envoy says of each tunnel that the server ends that it was closed there.
    assert_eq!(observed.outcome(), if rig.is_envoy() { "101 UC" } else { "101" });
    assert_eq!((observed.only().1.bytes_sent, observed.only().1.bytes_received), (5, 5));
}

#[tokio::test]
async fn http2_in_and_http1_out() {
    let server = Server::echo().await;
    let rig = rig(&server).await;
    let sender = h2(&rig).await;
    let requests = (0..20).map(|at| {
        let mut sender = sender.clone();
        async move {
            let request = Request::get(format!("http://reviews/{at}")).body(AnyBody::default()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(text.starts_with(&format!("GET /{at}\n")), "{text}");
            assert!(text.contains("host: reviews\n"), "{text}");
        }
    });
    futures::future::join_all(requests).await;
}

#[tokio::test]
async fn http2_out_is_one_connection() {
    let server = Server::echo().await;
    let mut cluster = cluster("v1", &[&server]);
    cluster.policy.http2 = true;
    let rig = Rig::start(Draft::new(vec![cluster], vec![to_first(|_| {})]).plan()).await;
    let requests = (0..20).map(|_| async {
        let mut connection = Connection::open(rig.address).await;
        let answer = connection.fetch(request("POST", "/a?b", &[("te", "trailers")], "body")).await.unwrap();
        assert!(answer.body.starts_with("POST http://reviews/a?b\n"), "{}", answer.body);
        assert!(answer.body.ends_with("\nbody"), "{}", answer.body);
    });
    futures::future::join_all(requests).await;
    assert_eq!((server.connections(), server.requests()), (1, 20));
}

#[tokio::test]
async fn a_preface_in_pieces_is_still_http2() {
    let server = Server::named("v1").await;
    let rig = rig(&server).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for part in preface.chunks(1) {
        stream.write_all(part).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "a SETTINGS frame comes back");
}

#[tokio::test]
async fn messages_on_the_wire() {
    let server = Server::echo().await;
    let rig = rig(&server).await;
    for (sent, until, starts, contains) in [
        // HTTP/1.0 is answered and closed.
        ("GET / HTTP/1.0\r\nhost: reviews\r\n\r\n", "", "HTTP/1.0 200 OK", "GET /\n"),
        // An absolute form is reduced to its path; its authority counts.
        (
            "GET http://reviews/a?b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            "",
            "HTTP/1.1 200",
            "GET /a?b\nhost: reviews\n",
        ),
        // The answer to HEAD has no body.
        (
            "HEAD / HTTP/1.1\r\nhost: reviews\r\nconnection: close\r\n\r\n",
            "",
            "HTTP/1.1 200",
            "content-length: ",
        ),
        // An expectation is met here.
        (
            "POST / HTTP/1.1\r\nhost: reviews\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n",
            "Continue\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "",
        ),
        ("GET / HTTP/1.1\r\n\r\n", "\r\n\r\n", "HTTP/1.1 400", ""),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: reviews\r\n\r\n", "\r\n\r\n", "HTTP/1.1 400", ""),
        ("CONNECT reviews:80 HTTP/1.1\r\nhost: reviews:80\r\n\r\n", "\r\n\r\n", "HTTP/1.1 404", ""),
        (
            "POST / HTTP/1.1\r\nhost: reviews\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            "",
            "HTTP/1.1 400",
            "",
        ),
        ("POST / HTTP/1.1\r\nhost: reviews\r\ntransfer-encoding: gzip\r\n\r\n", "", "HTTP/1.1 400", ""),
        ("NONSENSE\r\n\r\n", "", "HTTP/1.1 400", ""),
    ] {
        // Envoy takes two hosts for one with a comma, and says of a coding that it does not know that it does not know it.
        let starts = match rig.is_envoy() {
            true if sent.contains("host: a\r\nhost") => "HTTP/1.1 404",
            true if sent.contains("gzip") => "HTTP/1.1 501",
            _ => starts,
        };
        let answer = exchange(&rig, sent, until).await;
        assert!(answer.starts_with(starts), "{sent:?}: {answer}");
        assert!(answer.contains(contains), "{sent:?}: {answer}");
        if sent.starts_with("HEAD") {
            assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        }
    }
    let long = format!("GET / HTTP/1.1\r\nhost: reviews\r\na: {}\r\n\r\n", "x".repeat(70_000));
    assert!(exchange(&rig, &long, "\r\n\r\n").await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn two_lengths_smuggle_nothing() {
    let server = Server::echo().await;
    let rig = rig(&server).await;
    for lengths in
        ["content-length: 3\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 3"]
    {
        let smuggled = "GET /smuggled HTTP/1.1\r\nhost: reviews\r\n\r\n";
        let sent = format!("POST / HTTP/1.1\r\nhost: reviews\r\n{lengths}\r\n\r\n0\r\n\r\n{smuggled}");
        let before = server.requests();
        // The chunks count, the length goes nowhere, and nothing that follows on the connection is believed.
        let answer = exchange(&rig, &sent, "").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(!answer.contains("content-length: 3") && !answer.contains("/smuggled"), "{answer}");
        assert_eq!(server.requests() - before, 1);
    }
}

#[tokio::test]
async fn responses_of_every_framing() {
    for (response, body) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "hello"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("HTTP/1.1 200 OK\r\n\r\nhello", "hello"),
        ("HTTP/1.0 200 OK\r\n\r\nhello", "hello"),
        ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "hello"),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", ""),
    ] {
        let server = Raw::start(move |mut stream| async move {
            read_until(&mut stream, "\r\n\r\n").await;
            stream.write_all(response.as_bytes()).await.unwrap();
        })
        .await;
        let mut rig = rig_at(server.port).await;
        let mut connection = Connection::open(rig.address).await;
        let answer = connection.fetch(request("GET", "/", &[], "")).await.unwrap();
        assert_eq!(answer.body, body, "{response:?}");
        assert!(!answer.headers.contains_key("connection"));
        assert_eq!(rig.observed(1).await.only().1.flags.len(), 0, "{response:?}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_observed() {
    let (seen, mut came) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |_| {
        seen.send(()).unwrap();
        std::future::pending()
    })
    .await;
    let mut rig = rig(&server).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: reviews\r\n\r\n").await.unwrap();
    came.recv().await.unwrap();
    drop(stream);
    assert_eq!(rig.observed(1).await.outcome(), "0 DC");
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_is_observed() {
    let server = Server::start(|_| async {
        let (mut sender, response) = streamed(200);
        tokio::spawn(async move { while sender.try_send("x").await {} });
        response
    })
    .await;
    let mut rig = rig(&server).await;
    let mut connection = Connection::open(rig.address).await;
    let mut response = connection.send(request("GET", "/", &[], "")).await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    drop((response, connection));
    let observed = tokio::time::timeout(Duration::from_secs(10), rig.observed(1)).await.unwrap();
    assert_eq!(observed.outcome(), "200 DC");
}

#[tokio::test]
async fn connections_that_say_nothing_are_closed() {
    let server = Server::start(|_| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        reply(200, "slow")
    })
    .await;
    let draft = Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]);
    let config = Config { threads: 1, header_read_timeout: Duration::from_millis(100), ..Config::default() };
    let rig = Rig::with(config, draft.plan()).await;
    for sent in ["", "PR", "GET / HTTP/1.1\r\nhos"] {
        assert_eq!(exchange(&rig, sent, "").await, "", "{sent:?}");
    }
    // An active request is not idle, however long it takes; after it the connection is.
    let answer = exchange(&rig, "GET / HTTP/1.1\r\nhost: reviews\r\n\r\n", "").await;
    assert!(answer.ends_with("\r\n\r\nslow"), "{answer}");
}
