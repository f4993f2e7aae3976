//! Connections to upstreams, and how they fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt;
use mesh::plan::Cluster;
use proxy::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::plans::{Draft, cluster, cluster_at, to_first};
use crate::support::{Connection, Raw, Rig, Server, get, request};

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Reads one head; false when the other side closed instead.
async fn head(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1) => read.push(byte[0]),
            _ => return false,
        }
    }
    true
}

async fn rig(cluster: Cluster) -> Rig {
    Rig::start(Draft::new(vec![cluster], vec![to_first(|_| {})]).plan()).await
}

#[tokio::test]
async fn a_request_that_may_have_been_received_is_not_repeated() {
    for method in ["GET", "HEAD", "DELETE", "PUT", "POST"] {
        let heads = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&heads);
        // It answers once, and closes once it has read a second request.
        let server = Raw::start(move |mut stream| {
            let count = Arc::clone(&count);
            async move {
                while head(&mut stream).await {
                    if count.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
                        return;
                    }
                    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                }
            }
        })
        .await;
        let mut rig = rig(cluster_at("v1", &[server.port])).await;
        let mut connection = Connection::open(rig.address).await;
        for status in [204, 503, 204, 503] {
            let answer = connection.fetch(request(method, "/", &[], "")).await.unwrap();
            assert_eq!(answer.status, status, "{method}");
        }
        assert_eq!(heads.load(Ordering::SeqCst), 4, "{method}");
        let observed = rig.observed(4).await;
        let broken = observed.sum(|it| it.flags.get("UC").copied().unwrap_or(0));
        assert_eq!((broken, observed.sum(|it| it.retries)), (2, 0), "{method}");
    }
}

#[tokio::test]
async fn a_connection_that_has_closed_while_idle_loses_no_request() {
    for method in ["GET", "POST"] {
        let closed = Arc::new(Notify::new());
        let tell = Arc::clone(&closed);
        let server = Raw::start(move |mut stream| {
            let tell = Arc::clone(&tell);
            async move {
                if head(&mut stream).await {
                    stream.write_all(HELLO).await.unwrap();
                    drop(stream);
                    tell.notify_one();
                }
            }
        })
        .await;
        let mut rig = rig(cluster_at("v1", &[server.port])).await;
        let mut connection = Connection::open(rig.address).await;
        for _ in 0..20 {
            let answer = connection.fetch(request(method, "/", &[], "")).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "hello"), "{method}");
            closed.notified().await;
        }
        assert_eq!(rig.observed(20).await.outcomes(), "200", "{method}");
    }
}

#[tokio::test]
async fn a_server_that_closes_after_each_response_loses_no_request() {
    let server = Raw::start(|mut stream| async move {
        if head(&mut stream).await {
            stream.write_all(HELLO).await.unwrap();
        }
    })
    .await;
    let mut rig = rig(cluster_at("v1", &[server.port])).await;
    let requests = (0..8).map(|_| async {
        let mut connection = Connection::open(rig.address).await;
        for _ in 0..25 {
            let answer = connection.fetch(request("GET", "/", &[], "")).await.unwrap();
            assert_eq!(answer.body, "hello");
        }
    });
    futures::future::join_all(requests).await;
    assert_eq!(rig.observed(200).await.only().1.codes[&200], 200);
}

#[tokio::test]
async fn broken_responses() {
    for (sent, status, reason, outcome) in [
        ("", 503, "connection termination", "503 UC"),
        ("HTTP/1.1 200 OK\r\ncontent-le", 503, "connection termination", "503 UC"),
        ("SSH-2.0-OpenSSH\r\n\r\n", 502, "protocol error", "502 UPE"),
    ] {
        let server = Raw::start(move |mut stream| async move {
            if head(&mut stream).await {
                stream.write_all(sent.as_bytes()).await.unwrap();
            }
        })
        .await;
        let mut rig = rig(cluster_at("v1", &[server.port])).await;
        let answer = get(rig.address, "/", &[]).await;
        // To Envoy half a head is no end of a connection, but a broken message.
        let half = rig.is_envoy() && sent.starts_with("HTTP");
        let (status, reason, outcome) =
            if half { (502, "protocol error", "502 UPE") } else { (status, reason, outcome) };
        let body =
            format!("upstream connect error or disconnect/reset before headers. reset reason: {reason}");
        assert_eq!((answer.status.as_u16(), answer.body), (status, body), "{sent:?}");
        assert_eq!(rig.observed(1).await.outcome(), outcome);
    }
}

#[tokio::test]
async fn streams_that_the_upstream_resets() {
    for (reason, words) in [
        (h2::Reason::INTERNAL_ERROR, "remote reset"),
        (h2::Reason::REFUSED_STREAM, "remote refused stream reset"),
    ] {
        let server = Raw::start(move |stream| async move {
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                respond.send_reset(reason);
            }
        })
        .await;
        let mut cluster = cluster_at("v1", &[server.port]);
        cluster.policy.http2 = true;
        let mut rig = rig(cluster).await;
        let said = get(rig.address, "/", &[]).await.body;
        assert!(said.ends_with(&format!("reset reason: {words}")), "{said}");
        assert_eq!(rig.observed(1).await.outcome(), "503 UR", "{reason:?}");
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_breaks_off_for_the_client() {
    let server = Raw::start(|mut stream| async move {
        if head(&mut stream).await {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello").await.unwrap();
        }
    })
    .await;
    let mut rig = rig(cluster_at("v1", &[server.port])).await;
    let mut connection = Connection::open(rig.address).await;
    let response = connection.send(request("GET", "/", &[], "")).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    // To Envoy half a message is a broken one.
    let flag = if rig.is_envoy() { "UPE" } else { "UC" };
    assert_eq!(rig.observed(1).await.outcome(), format!("200 {flag}"));
}

#[tokio::test]
async fn endpoints_may_be_names_or_sockets() {
    let server = Server::named("v1").await;
    let mut named = cluster("v1", &[&server]);
    named.endpoints[0].address = "localhost".to_owned();
    assert_eq!(get(rig(named).await.address, "/", &[]).await.body, "v1");

    let path = std::env::temp_dir().join(format!("proxy-test-{}.sock", std::process::id()));
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        stream.write_all(HELLO).await.unwrap();
    });
    let mut socket = cluster_at("v1", &[0]);
    socket.endpoints[0].address = format!("unix://{}", path.display());
    assert_eq!(get(rig(socket).await.address, "/", &[]).await.body, "hello");
    serving.await.unwrap();
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_burst_opens_connections_and_keeps_as_many_as_it_may() {
    let server = Server::named("v1").await;
    let config = Config { threads: 1, max_idle_per_endpoint: 2, ..Config::default() };
    let draft = Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]);
    let mut rig = Rig::with(config, draft.plan()).await;
    let mut burst = Vec::new();
    for _ in 0..10 {
        burst.push(get(rig.address, "/", &[]));
    }
    for answer in futures::future::join_all(burst).await {
        assert_eq!(answer.body, "v1");
    }
    rig.observed(10).await;
    assert!(server.connections() <= 10);
}
