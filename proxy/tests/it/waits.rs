//! Waits that have an end: what `docs/timeouts.md` says of requests and their connections.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh::plan::{Bounds, Cluster, Route};
use proxy::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plans::{Draft, cluster, cluster_at, retries, to_first};
use crate::protocol::read_until;
use crate::support::{AnyBody, Connection, Raw, Rig, Server, get, reply, request, streamed};

/// Long enough for the slowest machine, and far shorter than any default.
const SOON: Duration = Duration::from_secs(8);
const SHORT: Duration = Duration::from_millis(400);

/// Sends bytes without end to who asks for `/endless`.
async fn endless() -> Server {
    Server::start(|request: Request<Incoming>| async move {
        if request.uri().path() != "/endless" {
            return reply(200, "ok");
        }
        let zeros = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[0; 64 * 1024]))));
        Response::new(StreamBody::new(zeros).boxed_unsync())
    })
    .await
}

/// Takes connections, and nothing that is said on them.
pub(crate) async fn deaf() -> Raw {
    Raw::start(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await
}

/// One connection to the endpoint, and no more.
fn single(mut cluster: Cluster) -> Cluster {
    cluster.policy.bounds = Bounds { connections: Some(1), ..Bounds::default() };
    cluster
}

fn timed(timeout: Option<Duration>) -> Route {
    to_first(|forward| forward.timeout = timeout)
}

async fn rig(cluster: Cluster, route: Route, stream_idle_timeout: Duration) -> Rig {
    let config = Config { threads: 1, stream_idle_timeout, ..Config::default() };
    Rig::with(config, Draft::new(vec![cluster], vec![route]).plan()).await
}

async fn over_http2(rig: &Rig) -> http2::SendRequest<AnyBody> {
    let stream = TcpStream::connect(rig.address).await.unwrap();
    let (sender, connection) =
        http2::handshake::<_, _, AnyBody>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The route's time, how long a stream may stand still, and how that ends.
const LIMITS: [(Option<Duration>, Duration, &str); 2] =
    [(Some(SHORT), Duration::from_secs(300), "200 UT"), (None, SHORT, "200 SI")];

#[tokio::test]
async fn a_client_that_stops_reading_frees_its_connection() {
    for (timeout, idle, outcome) in LIMITS {
        let server = endless().await;
        let mut rig = rig(single(cluster("v1", &[&server])), timed(timeout), idle).await;
        let mut stalled = TcpStream::connect(rig.address).await.unwrap();
        stalled.write_all(b"GET /endless HTTP/1.1\r\nhost: reviews\r\n\r\n").await.unwrap();
        assert!(read_until(&mut stalled, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
        assert_eq!(rig.observed(1).await.outcome(), outcome);
        // The only connection is free again, though the client still holds its end.
        let answer = tokio::time::timeout(SOON, get(rig.address, "/", &[])).await.expect("a connection");
        assert_eq!(answer.body, "ok", "{outcome}");
        drop(stalled);
    }
}

#[tokio::test]
async fn a_stream_that_is_not_read_ends_alone() {
    for (timeout, idle, outcome) in LIMITS {
        let server = endless().await;
        let mut rig = rig(single(cluster("v1", &[&server])), timed(timeout), idle).await;
        let mut sender = over_http2(&rig).await;
        let ask = |path: &str| request("GET", &format!("http://reviews{path}"), &[], "");
        let stalled = sender.send_request(ask("/endless")).await.unwrap();
        assert_eq!(rig.observed(1).await.outcome(), outcome);
        // The stream beside it gets the connection to the endpoint, and goes on.
        let other = tokio::time::timeout(SOON, sender.send_request(ask("/"))).await.expect("a connection");
        let other = other.unwrap().into_body().collect().await.unwrap();
        assert_eq!(other.to_bytes(), "ok", "{outcome}");
        let rest = tokio::time::timeout(SOON, stalled.into_body().collect()).await.expect("an end");
        assert!(rest.is_err(), "the stream is reset");
    }
}

#[tokio::test]
async fn a_fast_response_without_end_has_the_routes_time() {
    let server = endless().await;
    let mut rig = rig(cluster("v1", &[&server]), timed(Some(SHORT)), Duration::from_secs(300)).await;
    let mut connection = Connection::open(rig.address).await;
    let mut body = connection.send(request("GET", "/endless", &[], "")).await.unwrap().into_body();
    let reading = async { while let Some(Ok(_)) = body.frame().await {} };
    tokio::time::timeout(SOON, reading).await.expect("an end");
    assert_eq!(rig.observed(1).await.outcome(), "200 UT");
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_not_waited_for() {
    let server = Server::start(|_| std::future::pending()).await;
    let mut rig = rig(cluster("v1", &[&server]), timed(None), SHORT).await;
    let answer = tokio::time::timeout(SOON, get(rig.address, "/", &[])).await.expect("an answer");
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (504, "stream timeout"));
    let mut sender = over_http2(&rig).await;
    let asked = sender.send_request(request("GET", "http://reviews/", &[], ""));
    assert_eq!(tokio::time::timeout(SOON, asked).await.expect("an answer").unwrap().status(), 504);
    assert_eq!(rig.observed(2).await.outcomes(), "504 SI");
}

#[tokio::test]
async fn a_body_that_does_not_go_on_ends_its_request() {
    // The client sends no more, or the endpoint takes no more.
    let (echo, deaf) = (Server::echo().await, deaf().await);
    let silent = b"POST / HTTP/1.1\r\nhost: reviews\r\ncontent-length: 10\r\n\r\n".to_vec();
    let mut long = b"POST / HTTP/1.1\r\nhost: reviews\r\ncontent-length: 99000000\r\n\r\n".to_vec();
    long.resize(30_000_000, b'x');
    for (port, sent) in [(echo.address().port(), silent), (deaf.port, long)] {
        let mut rig = rig(cluster_at("v1", &[port]), timed(None), SHORT).await;
        let stream = TcpStream::connect(rig.address).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let writing = tokio::spawn(async move {
            let _ = write.write_all(&sent).await;
            std::future::pending::<()>().await;
        });
        let mut said = vec![0; 4096];
        let count = tokio::time::timeout(SOON, read.read(&mut said)).await.expect("an answer").unwrap();
        let said = String::from_utf8_lossy(&said[..count]);
        assert!(said.starts_with("HTTP/1.1 408") && said.ends_with("stream timeout"), "{said}");
        assert_eq!(rig.observed(1).await.outcome(), "408 SI");
        writing.abort();
    }
}

#[tokio::test]
async fn a_stream_that_moves_now_and_then_goes_on() {
    for multiplexed in [false, true] {
        let server = Server::start(|_| async {
            let (mut pieces, response) = streamed(200);
            tokio::spawn(async move {
                for _ in 0..12 {
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    pieces.try_send("x").await;
                }
            });
            response
        })
        .await;
        let idle = Duration::from_millis(900);
        let rig = rig(cluster("v1", &[&server]), timed(None), idle).await;
        let body = if multiplexed {
            let mut sender = over_http2(&rig).await;
            sender.send_request(request("GET", "http://reviews/", &[], "")).await.unwrap().into_body()
        } else {
            let mut connection = Connection::open(rig.address).await;
            connection.send(request("GET", "/", &[], "")).await.unwrap().into_body()
        };
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 12, "HTTP/2: {multiplexed}");
    }
}

#[tokio::test]
async fn the_routes_time_begins_with_the_end_of_the_request() {
    // Answered at once, sent to its end later: what is left of the response has the route's time from then on.
    let server = Server::start(|request: Request<Incoming>| async move {
        let (pieces, response) = streamed(200);
        tokio::spawn(async move {
            let _ = request.into_body().collect().await;
            let _pieces = pieces;
            std::future::pending::<()>().await;
        });
        response
    })
    .await;
    let mut rig = rig(cluster("v1", &[&server]), timed(Some(SHORT)), Duration::from_secs(300)).await;
    let (mut sender, body) = streamed(200);
    let (parts, ()) = request("POST", "/", &[], "").map(|_| ()).into_parts();
    let mut connection = Connection::open(rig.address).await;
    let asked = Request::from_parts(parts, body.into_body());
    let sending = async {
        sender.send("x").await;
        let began = Instant::now();
        // As long as the client sends, the time does not run.
        tokio::time::sleep(SHORT * 2).await;
        sender.send("y").await;
        drop(sender);
        began
    };
    let (response, _) = tokio::join!(connection.send(asked), sending);
    let rest = tokio::time::timeout(SOON, response.unwrap().into_body().collect()).await.expect("an end");
    assert!(rest.is_err());
    assert_eq!(rig.observed(1).await.outcome(), "200 UT");
}

#[tokio::test]
async fn a_try_has_its_time_until_its_response_begins() {
    let server = Server::start(|_| async {
        let (mut pieces, response) = streamed(200);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            pieces.try_send("late").await;
        });
        response
    })
    .await;
    let route = to_first(|forward| {
        let mut retry = retries(1, "5xx");
        retry.per_try_timeout = Some(Duration::from_millis(200));
        forward.retries = Some(retry);
    });
    let mut rig = rig(cluster("v1", &[&server]), route, Duration::from_secs(300)).await;
    assert_eq!(get(rig.address, "/", &[]).await.body, "late");
    assert_eq!(rig.observed(1).await.outcome(), "200");
}

#[tokio::test]
async fn an_answer_that_is_not_wanted_is_not_waited_for() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let server = Raw::start(move |mut stream| {
        let first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            if first {
                // It promises more than it ever says.
                let _ = stream.write_all(b"HTTP/1.1 503 Later\r\ncontent-length: 10\r\n\r\nabc").await;
                let _ = stream.read(&mut [0; 4096]).await;
            } else {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    let route = to_first(|forward| {
        forward.timeout = None;
        forward.retries = Some(retries(1, "5xx"));
    });
    let rig = rig(single(cluster_at("v1", &[server.port])), route, Duration::from_secs(300)).await;
    let answer = tokio::time::timeout(SOON, get(rig.address, "/", &[])).await.expect("another try");
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "ok"));
}

#[tokio::test]
async fn an_upgraded_connection_that_stands_still_ends() {
    let server = Raw::start(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let switched =
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        let _ = stream.write_all(switched).await;
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"hello").await;
        std::future::pending::<()>().await;
    })
    .await;
    let mut rig = rig(single(cluster_at("v1", &[server.port])), timed(Some(SHORT)), SHORT * 3).await;
    let mut client = TcpStream::connect(rig.address).await.unwrap();
    let asked = "GET / HTTP/1.1\r\nhost: reviews\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\nsec-websocket-version: 13\r\n\r\n";
    client.write_all(asked.as_bytes()).await.unwrap();
    assert!(read_until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    client.write_all(b"hi").await.unwrap();
    let rest = tokio::time::timeout(SOON, read_until(&mut client, "")).await.expect("an end");
    assert_eq!(rest, "hello");
    assert_eq!(rig.observed(1).await.outcome(), "101 SI");
}

#[tokio::test]
async fn a_connection_that_is_too_old_for_a_request_makes_room() {
    let server = Server::named("v1").await;
    let rig = rig(single(cluster("v1", &[&server])), timed(None), Duration::from_secs(300)).await;
    let mut connection = Connection::open(rig.address).await;
    connection.fetch(request("GET", "/", &[], "")).await.unwrap();
    // So long that a server may be about to close it, and what must not be sent twice goes on a new one.
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    let post = connection.fetch(request("POST", "/", &[], "x"));
    let answer = tokio::time::timeout(SOON, post).await.expect("a connection").unwrap();
    assert_eq!(answer.body, "v1");
}
