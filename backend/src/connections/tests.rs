//! Over real sockets, with limits that a test can wait for.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::routing::get;
use bytes::Bytes;
use futures::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::*;

const LIMITS: Limits = Limits {
    connections: 2,
    head: Duration::from_millis(300),
    idle: Duration::from_millis(900),
    crowded: Duration::from_millis(50),
};
/// Nothing that is looked for takes so long.
const LONG: Duration = Duration::from_secs(20);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

struct Port {
    address: SocketAddr,
    /// Lets `/held` answer.
    release: Arc<Notify>,
    stop: CancellationToken,
}

/// `/now` answers at once, `/held` when it is told to, `/events` every now and then for ever, `/much` with more than buffers hold.
async fn port(limits: Limits) -> Port {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (release, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let held = Arc::clone(&release);
    let events = || {
        stream::unfold((), |()| async {
            tokio::time::sleep(LIMITS.idle / 3).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b":\n")), ()))
        })
    };
    let much = || stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 65_536])));
    let router = Router::new()
        .route("/now", get(async || "now"))
        .route(
            "/held",
            get(async move || {
                held.notified().await;
                "held"
            }),
        )
        .route("/events", get(async move || Body::from_stream(events())))
        .route("/much", get(async move || Body::from_stream(much())));
    tokio::spawn(serve(listener, router, limits, stop.clone(), Duration::from_millis(100)));
    Port { address, release, stop }
}

impl Port {
    async fn says(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    async fn asks(&self, path: &str) -> TcpStream {
        self.says(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await
    }
}

/// How long the other end leaves a connection open that takes all it is sent.
async fn lives(stream: &mut TcpStream) -> Duration {
    let (start, mut buffer) = (Instant::now(), [0; 4096]);
    let ends = async { while !matches!(stream.read(&mut buffer).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(LONG, ends).await.expect("it ends");
    start.elapsed()
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let read = tokio::time::timeout(LONG, stream.read(&mut buffer)).await.expect("it answers").unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

use tokio::time::Instant;

#[tokio::test]
async fn a_connection_without_a_request_ends() {
    let port = port(LIMITS).await;
    for said in [&b""[..], b"P", b"PRI * HT", b"GET / HTTP/1.1\r\n", PREFACE, &PREFACE[..30]] {
        let life = lives(&mut port.says(said).await).await;
        assert!(life >= LIMITS.head / 2, "{said:?}: {life:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_request_keep_no_connection() {
    let port = port(LIMITS).await;
    let stream = port.says(PREFACE).await;
    let (mut read, mut write) = stream.into_split();
    let pings = tokio::spawn(async move {
        let ping = b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0";
        while write.write_all(ping).await.is_ok() {
            tokio::time::sleep(LIMITS.head / 10).await;
        }
    });
    let mut taken = Vec::new();
    // The end may be a reset: there are pings that nobody reads any longer.
    let end = tokio::time::timeout(LONG, read.read_to_end(&mut taken)).await;
    assert!(end.is_ok(), "it ends although it is pinged");
    pings.abort();
}

#[tokio::test]
async fn an_idle_connection_ends_after_its_request() {
    let port = port(LIMITS).await;
    let mut stream = port.asks("/now").await;
    assert!(answer(&mut stream).await.ends_with("now"));
    lives(&mut stream).await;

    let stream = TcpStream::connect(port.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get(format!("http://{}/now", port.address)).body(Body::empty()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    let ended = tokio::time::timeout(LONG, connection).await.expect("it ends").unwrap();
    assert!(ended.is_ok(), "with a word of it: {ended:?}");
}

#[tokio::test]
async fn a_stream_of_events_stays() {
    let port = port(LIMITS).await;
    let mut stream = port.asks("/events").await;
    let start = Instant::now();
    while start.elapsed() < LIMITS.idle * 3 {
        assert!(!answer(&mut stream).await.is_empty(), "it ended after {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go() {
    let port = port(Limits { connections: 1, ..LIMITS }).await;
    let _stalled = port.asks("/much").await;
    // It has the only place.
    let mut next = port.asks("/now").await;
    assert!(answer(&mut next).await.ends_with("now"));
}

#[tokio::test]
async fn who_does_nothing_makes_room_and_who_asks_keeps_it() {
    let port = port(Limits { head: LONG, idle: LONG, ..LIMITS }).await;
    let mut held = port.asks("/held").await;
    let mut idle = port.asks("/now").await;
    assert!(answer(&mut idle).await.ends_with("now"));
    // Both places are taken.
    let mut third = port.asks("/now").await;
    assert!(answer(&mut third).await.ends_with("now"));
    lives(&mut idle).await;
    port.release.notify_one();
    assert!(answer(&mut held).await.ends_with("held"));
}

#[tokio::test]
async fn the_end_waits_for_requests_and_not_for_ever() {
    let port = port(LIMITS).await;
    let (mut held, mut idle) = (port.asks("/held").await, port.asks("/now").await);
    answer(&mut idle).await;
    port.stop.cancel();
    lives(&mut idle).await;
    lives(&mut held).await;
}
