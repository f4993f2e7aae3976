//! Input that means harm: each line of `docs/security.md` is shown here, or where it says.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proxy::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plans::{Draft, cluster, cluster_at, to_first};
use crate::protocol::{exchange, read_until, rig, rig_at};
use crate::support::tls::Authority;
use crate::support::{AnyBody, Connection, Raw, Rig, Server, get, reply, request};
use crate::tls::{on_443, plan, simple};

/// Writes down each byte that an upstream gets, and answers each request with nothing.
async fn scribe() -> (Raw, Arc<Mutex<String>>) {
    let heard = Arc::new(Mutex::new(String::new()));
    let written = Arc::clone(&heard);
    let raw = Raw::start(move |mut stream| {
        let written = Arc::clone(&written);
        async move {
            let mut buffer = [0; 4096];
            loop {
                let count = stream.read(&mut buffer).await.unwrap_or(0);
                if count == 0 {
                    return;
                }
                let text = {
                    let mut written = written.lock().unwrap();
                    written.push_str(&String::from_utf8_lossy(&buffer[..count]));
                    written.clone()
                };
                let ended =
                    text.ends_with("\r\n\r\n") || text.ends_with("abc") || text.ends_with("0\r\n\r\n");
                if ended && stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (raw, heard)
}

#[tokio::test]
async fn messages_of_unclear_length_are_refused() {
    let server = Server::echo().await;
    let rig = rig(&server).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: reviews\r\n\r\n";
    for fields in [
        "content-length: 3\r\ncontent-length: 4",
        "content-length: 3, 4",
        "content-length: +3",
        "content-length: -3",
        "content-length: 0x3",
        "content-length: 3 3",
        "content-length: ",
        "content-length: 99999999999999999999999",
        "content-length : 3",
        "transfer-encoding : chunked",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding:\u{b}chunked",
        "content-length: 3\r\n a: b",
        "a: b\r\n folded",
        "\u{0}a: b",
        "a\u{0}: b",
        "a: b\u{0}",
        "a: b\rc: d",
    ] {
        let sent = format!("POST / HTTP/1.1\r\nhost: reviews\r\n{fields}\r\n\r\n0\r\n\r\n{smuggled}");
        let answer = exchange(&rig, &sent, "").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{fields:?}: {answer}");
        assert!(!answer.contains("smuggled"), "{fields:?}: {answer}");
    }
    for line in [
        "GET /a b HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.1 x",
        "GET / HTTP/2.0",
        "GET / HTTP/0.9",
        "G\u{0}T / HTTP/1.1",
        "GET  / HTTP/1.1",
        " GET / HTTP/1.1",
        "/ HTTP/1.1",
    ] {
        let answer = exchange(&rig, &format!("{line}\r\nhost: reviews\r\n\r\n"), "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{line:?}: {answer}");
    }
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn chunks_that_are_none_are_refused() {
    let server = Server::echo().await;
    let rig = rig(&server).await;
    for chunks in [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3;a=\nx\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc",
        "\r\nabc",
        "g\r\nabc",
        "3\r\nabcde\r\n0\r\n\r\n",
    ] {
        let sent = format!(
            "POST / HTTP/1.1\r\nhost: reviews\r\ntransfer-encoding: chunked\r\n\r\n{chunks}GET /smuggled HTTP/1.1\r\nhost: reviews\r\n\r\n"
        );
        let answer = exchange(&rig, &sent, "").await;
        assert!(!answer.contains("200 OK") && !answer.contains("smuggled"), "{chunks:?}: {answer}");
    }
}

#[tokio::test]
async fn what_is_lenient_goes_on_in_one_strict_form() {
    for (sent, kept) in [
        // Lines that end with a line feed alone are taken, and written as they should be.
        ("GET /a HTTP/1.1\nhost: reviews\nx: 1\n\n", "GET /a HTTP/1.1\r\n"),
        // Equal lengths are one length.
        (
            "POST /b HTTP/1.1\r\nhost: reviews\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
            "content-length: 3\r\n",
        ),
        (
            "POST /d HTTP/1.1\r\nhost: reviews\r\ntransfer-encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n0\r\n\r\n",
            "3\r\nabc\r\n",
        ),
        (
            "POST /e HTTP/1.1\r\nhost: reviews\r\nTransfer-Encoding: CHUNKED\r\ncontent-length: 9\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "3\r\nabc\r\n",
        ),
        // What is listed as this hop's own stays on it.
        (
            "GET /f HTTP/1.1\r\nhost: reviews\r\nconnection: x-own, close\r\nx-own: 1\r\n\r\n",
            "GET /f HTTP/1.1\r\n",
        ),
    ] {
        let (upstream, heard) = scribe().await;
        let rig = rig_at(upstream.port).await;
        let answer = exchange(&rig, sent, "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 204"), "{sent:?}: {answer}");
        let heard = heard.lock().unwrap().clone();
        assert!(heard.contains(kept), "{sent:?}: {heard}");
        let alone = heard.replace("\r\n", "");
        assert!(!alone.contains(['\r', '\n']), "{sent:?}: {heard:?}");
        for twice in ["content-length", "transfer-encoding", "host: "] {
            assert!(heard.to_lowercase().matches(twice).count() <= 1, "{sent:?}: {heard}");
        }
        let both = heard.contains("content-length") && heard.contains("transfer-encoding");
        assert!(!both && !heard.contains("x-own") && !heard.contains("ext=1"), "{sent:?}: {heard}");
    }
}

#[tokio::test]
async fn heads_have_limits() {
    let server = Server::echo().await;
    let config = Config { threads: 1, max_headers: 20, max_head_bytes: 16 * 1024, ..Config::default() };
    let draft = Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]);
    let rig = Rig::with(config, draft.plan()).await;
    let many: String = (0..30).map(|at| format!("a{at}: 1\r\n")).collect();
    let long = format!("a: {}\r\n", "x".repeat(20_000));
    let path = format!("/{}", "x".repeat(20_000));
    for (path, fields) in [("/", many.as_str()), ("/", long.as_str()), (path.as_str(), "")] {
        let answer =
            exchange(&rig, &format!("GET {path} HTTP/1.1\r\nhost: reviews\r\n{fields}\r\n"), "\r\n\r\n")
                .await;
        assert!(answer.starts_with("HTTP/1.1 431") || answer.starts_with("HTTP/1.1 414"), "{answer}");
    }
    assert_eq!(server.requests(), 0);
    // The same over HTTP/2.
    let stream = TcpStream::connect(rig.address).await.unwrap();
    let (mut sender, connection) =
        http2::handshake::<_, _, AnyBody>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let value = "x".repeat(20_000);
    let sent = sender.send_request(request("GET", "http://reviews/", &[("a", value.as_str())], "")).await;
    assert!(sent.map_or(true, |response| response.status() == 431));
    assert_eq!(server.requests(), 0);
}

async fn impatient(server: &Server) -> Rig {
    patient_for(Duration::from_millis(300), server).await
}

async fn patient_for(header_read_timeout: Duration, server: &Server) -> Rig {
    let config = Config { threads: 1, header_read_timeout, ..Config::default() };
    let draft = Draft::new(vec![cluster("v1", &[server])], vec![to_first(|_| {})]);
    Rig::with(config, draft.plan()).await
}

/// How long a connection lives that is fed like this.
async fn life(rig: &Rig, begins: &str, drip: Option<&str>) -> Duration {
    let began = Instant::now();
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(begins.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let dripping = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if let Some(drip) = drip
                && write.write_all(drip.as_bytes()).await.is_err()
            {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut said = Vec::new();
    tokio::select! {
        () = dripping => {}
        _ = read.read_to_end(&mut said) => {}
        () = tokio::time::sleep(Duration::from_secs(5)) => {}
    }
    began.elapsed()
}

#[tokio::test]
async fn slow_clients_are_not_waited_for() {
    let server = Server::echo().await;
    let rig = impatient(&server).await;
    let post = "POST / HTTP/1.1\r\nhost: reviews\r\ncontent-length: 1000\r\n\r\n";
    for (begins, drip) in [
        ("", None),
        ("GET / HTTP/1.1\r\nhost: rev", None),
        // A byte now and then does not help a head.
        ("GET / HTTP/1.1\r\nhost: reviews\r\na: ", Some("x")),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
        // A body that stops.
        (post, None),
    ] {
        let lived = life(&rig, begins, drip).await;
        assert!(lived < Duration::from_secs(3), "{begins:?}: {lived:?}");
    }
    // A body that comes slowly is a slow body: all of it takes longer than one piece may.
    let rig = patient_for(Duration::from_secs(1), &server).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nhost: reviews\r\nconnection: close\r\ncontent-length: 8\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        stream.write_all(b"x").await.unwrap();
    }
    assert!(read_until(&mut stream, "").await.ends_with(
        "

xxxxxxxx"
    ));
}

#[tokio::test]
async fn greetings_of_tls_that_do_not_come() {
    let (authority, server) = (Authority::new(), Server::named("one").await);
    let tls = vec![simple(&["*"], &authority.issue(&["reviews"]))];
    let config = Config { threads: 1, header_read_timeout: Duration::from_millis(300), ..Config::default() };
    let rig = Rig::at(config, plan(&server, tls), Some(443)).await;
    let too_long = format!("\u{16}\u{3}\u{1}\u{40}\u{0}{}", "\u{0}".repeat(100_000));
    for begins in
        ["", "\u{16}", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}", "\u{16}nonsense nonsense", "nonsense", &too_long]
    {
        let lived = life(&rig, begins, None).await;
        assert!(lived < Duration::from_secs(3), "{:?}: {lived:?}", begins.get(..9));
    }
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

/// `GET http://reviews/` in HPACK: indexed fields, and an authority as it is.
fn get_reviews() -> Vec<u8> {
    [&[0x82, 0x86, 0x84, 0x41, 7][..], b"reviews"].concat()
}

/// A connection on which the preface was sent, with its frames to come.
async fn raw_h2(rig: &Rig) -> TcpStream {
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    stream
}

/// Writes as long as it can; whether the other side closed within 10 s.
async fn flood(mut stream: TcpStream, pieces: impl Iterator<Item = Vec<u8>>) -> bool {
    let (mut read, mut write) = stream.split();
    let mut sink = tokio::io::sink();
    let writing = async {
        for piece in pieces {
            if write.write_all(&piece).await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    let closed = async {
        tokio::select! {
            () = writing => {}
            _ = tokio::io::copy(&mut read, &mut sink) => {}
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.is_ok()
}

#[tokio::test]
async fn floods_over_http2_end_the_connection_or_are_borne() {
    let server = Server::named("one").await;
    let rig = rig(&server).await;
    // Requests that are given up as soon as they are made, in thousands.
    let reset = (0..5000_u32).map(|at| {
        let stream = at * 2 + 1;
        [frame(HEADERS, 5, stream, &get_reviews()), frame(RESET, 0, stream, &8_u32.to_be_bytes())].concat()
    });
    assert!(flood(raw_h2(&rig).await, reset).await, "rapid reset");
    // The same, slowly enough that each is begun before it is given up.
    let mut stream = raw_h2(&rig).await;
    let mut sent = 0_u32;
    let closed = async {
        let mut buffer = [0; 4096];
        loop {
            let number = sent * 2 + 1;
            let one =
                [frame(HEADERS, 5, number, &get_reviews()), frame(RESET, 0, number, &8_u32.to_be_bytes())];
            for piece in one {
                if stream.write_all(&piece).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            sent += 1;
            match stream.try_read(&mut buffer) {
                Ok(0) => return,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), closed).await.expect("resets in turn");
    // A head without an end.
    let endless = std::iter::once(frame(HEADERS, 0, 1, &get_reviews()))
        .chain((0..100_000).map(|_| frame(CONTINUATION, 0, 1, &[])));
    assert!(flood(raw_h2(&rig).await, endless).await, "continuation");
    let long = std::iter::once(frame(HEADERS, 0, 1, &get_reviews())).chain((0..1000).map(|_| {
        frame(CONTINUATION, 0, 1, &[&[0, 1, b'a', 0x7f, 0xff, 0x7d][..], &[b'x'; 16_000]].concat())
    }));
    assert!(flood(raw_h2(&rig).await, long).await, "long continuation");
    // Questions without interest in their answers: the answers wait, and so do the questions.
    for (kind, payload) in [(PING, &[0; 8][..]), (SETTINGS, &[])] {
        let mut stream = raw_h2(&rig).await;
        let one: Vec<u8> = frame(kind, 0, 0, payload);
        let many = one.repeat(1000);
        let writing = async {
            for _ in 0..2000 {
                if stream.write_all(&many).await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), writing).await;
        // Meanwhile everybody else is served.
        assert_eq!(get(rig.address, "/", &[]).await.body, "one");
    }
    for nonsense in [
        // A frame longer than was allowed, a window of nothing, data for a stream that is none, and one that depends on itself.
        frame(0, 0, 1, &vec![0; 20_000]),
        frame(8, 0, 0, &0_u32.to_be_bytes()),
        frame(0, 0, 0, b"x"),
        frame(SETTINGS, 0, 0, b"x"),
        frame(HEADERS, 5, 2, &get_reviews()),
        [frame(8, 0, 0, &0x7fff_ffff_u32.to_be_bytes()), frame(8, 0, 0, &0x7fff_ffff_u32.to_be_bytes())]
            .concat(),
    ] {
        assert!(flood(raw_h2(&rig).await, std::iter::once(nonsense.clone())).await, "{:?}", &nonsense[..9]);
    }
    assert_eq!(get(rig.address, "/", &[]).await.body, "one");
}

#[tokio::test]
async fn heads_of_http2_cannot_become_others_in_http1() {
    let (upstream, heard) = scribe().await;
    let rig = rig_at(upstream.port).await;
    let field = |name: &[u8], value: &[u8]| {
        [&[0, u8::try_from(name.len()).unwrap()], name, &[u8::try_from(value.len()).unwrap()], value].concat()
    };
    for (name, value) in [
        (&b"transfer-encoding"[..], &b"chunked"[..]),
        (b"connection", b"close"),
        (b"upgrade", b"h2c"),
        (b"a", b"b\r\nsmuggled: 1"),
        (b"a\r\nsmuggled", b"1"),
        (b"A", b"1"),
        (b"a b", b"1"),
        (b":path", b"/smuggled"),
        (b":unknown", b"1"),
        (b"te", b"gzip"),
        (b"content-length", b"5"),
        (b"content-length", b"x"),
    ] {
        let head = [get_reviews(), field(name, value)].concat();
        let mut stream = raw_h2(&rig).await;
        stream.write_all(&frame(HEADERS, 5, 1, &head)).await.unwrap();
        // Until the stream is reset, the connection closed, or an answer comes.
        let mut seen = Vec::new();
        let ended = async {
            let mut buffer = [0; 4096];
            loop {
                let count = stream.read(&mut buffer).await.unwrap_or(0);
                seen.extend_from_slice(&buffer[..count]);
                let mut rest = &seen[..];
                while rest.len() >= 9 {
                    let length = usize::from(rest[1]) * 256 + usize::from(rest[2]);
                    if matches!(rest[3], HEADERS | RESET | 7) {
                        return rest[3];
                    }
                    rest = rest.get(9 + length..).unwrap_or(&[]);
                }
                if count == 0 {
                    return 7;
                }
            }
        };
        let how = tokio::time::timeout(Duration::from_secs(5), ended).await.expect("an end");
        let heard = heard.lock().unwrap().clone();
        assert!(
            !heard.contains("smuggled") && !heard.contains("chunked") && !heard.contains("h2c"),
            "{name:?}: {heard}"
        );
        // An answer is fine only where the field could be dropped without changing what was asked.
        assert!(
            how != HEADERS || name == b"te",
            "{:?} {:?}",
            String::from_utf8_lossy(name),
            String::from_utf8_lossy(value)
        );
    }
}

#[tokio::test]
async fn upstreams_that_lie_are_not_believed_twice() {
    // Each answer is followed by one that nobody asked for, or is longer or shorter than it says.
    for (answer, first) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
            Some("ok"),
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokpoison", Some("ok")),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 6\r\n\r\npoison", Some("")),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 8\r\n\r\nokpoison", None),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokpoison\r\n0\r\n\r\n", None),
        ("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nok", None),
        ("HTTP/1.1 200 OK\r\na: b\r\n folded\r\ncontent-length: 2\r\n\r\nok", None),
        ("poison", None),
    ] {
        let upstream = Raw::start(move |mut stream| async move {
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                if answer.contains("99") {
                    return;
                }
            }
        })
        .await;
        let rig = rig_at(upstream.port).await;
        for _ in 0..3 {
            let mut connection = Connection::open(rig.address).await;
            let answered = connection.fetch(request("GET", "/", &[], "")).await;
            match (answered, first) {
                (Ok(answered), Some(body)) => assert_eq!(answered.body, body, "{answer:?}"),
                (Ok(answered), None) => {
                    assert!(
                        answered.status.is_server_error() && !answered.body.contains("poison"),
                        "{answer:?}: {answered:?}"
                    );
                }
                // Broken off: the client sees that it does not have all.
                (Err(_), expected) => assert_eq!(expected, None, "{answer:?}"),
            }
        }
    }
}

#[tokio::test]
async fn upstreams_that_hang_or_trickle_have_their_time() {
    for endless in [false, true] {
        let upstream = Raw::start(move |mut stream| async move {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            if endless {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            }
            while endless && stream.write_all(b"1\r\nx\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            std::future::pending::<()>().await;
        })
        .await;
        let route = to_first(|forward| forward.timeout = Some(Duration::from_millis(200)));
        let rig = Rig::start(Draft::new(vec![cluster_at("v1", &[upstream.port])], vec![route]).plan()).await;
        let began = Instant::now();
        let answered = Connection::open(rig.address).await.fetch(request("GET", "/", &[], "")).await;
        assert!(began.elapsed() < Duration::from_secs(3));
        assert_eq!(answered.map(|answered| answered.status.as_u16()).ok(), (!endless).then_some(504));
    }
}

#[tokio::test]
async fn clients_that_close_half_are_taken_to_have_gone() {
    let server = Server::start(|_| async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        reply(200, "late")
    })
    .await;
    let mut rig = rig(&server).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: reviews\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream.shutdown().await.unwrap();
    let _ = read_until(&mut stream, "").await;
    assert_eq!(rig.observed(1).await.outcome(), "0 DC");
}

#[tokio::test]
async fn one_name_over_tls_is_not_another() {
    // Through a connection for one server's name another's hosts are not had: see `tls::a_host_is_asked_for_through_its_own_door`.
    let (authority, server) = (Authority::new(), Server::echo().await);
    let rig = on_443(plan(&server, vec![simple(&["*"], &authority.issue(&["reviews"]))])).await;
    let stream = authority.client().connect(rig.address, "reviews").await.unwrap();
    let mut connection = Connection::on(stream).await;
    let fields = [("x-forwarded-client-cert", "Hash=forged"), ("x-envoy-attempt-count", "9")];
    let said = connection.fetch(request("GET", "/", &fields, "")).await.unwrap().body;
    assert!(!said.contains("forged") && said.contains("x-envoy-attempt-count: 1"), "{said}");
}

/// A key of the counters outlives its request: what clients write there must not.
#[tokio::test]
async fn names_that_clients_invent_are_bounded_for_all_revisions() {
    let server = Server::echo().await;
    let draft = || Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]);
    let mut rig = Rig::of(Config { threads: 2, ..Config::default() }, draft().plan(), None, false).await;
    let mut hosts = std::collections::BTreeSet::new();
    for revision in 0..3 {
        let mut connection = Connection::open(rig.address).await;
        for number in 0..200 {
            let length = if number % 2 == 0 { 50_000 } else { 20 };
            let host = format!("r{revision}-{number}.{}", "x".repeat(length));
            connection.fetch(request("GET", "/", &[("host", &host)], "")).await.unwrap();
        }
        rig.swap(draft().plan()).await;
        hosts.extend(rig.observed(200).await.keys().map(|key| key.host.clone()));
    }
    let bytes: usize = hosts.iter().map(|host| host.len()).sum();
    assert!(hosts.len() <= proxy::Names::MOST + 1, "{} names", hosts.len());
    assert!(bytes <= proxy::Names::BYTES + 5, "{bytes} bytes");
    assert!(hosts.contains("other"), "{hosts:?}");
}

#[tokio::test]
async fn a_client_that_leaves_after_a_letter_is_gone() {
    let server = Server::named("v1").await;
    let draft = Draft::new(vec![cluster("v1", &[&server])], vec![to_first(|_| {})]);
    // There is room for one client.
    let rig = Rig::with(Config { threads: 1, max_connections: 1, ..Config::default() }, draft.plan()).await;
    for begun in ["", "P", "PR"] {
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        drop(stream);
        let answer = tokio::time::timeout(Duration::from_secs(10), get(rig.address, "/", &[])).await;
        assert_eq!(answer.expect("the one before is still there").body, "v1");
    }
}

/// Set where the proxy's work is measured, in a process of its own.
#[cfg(target_os = "linux")]
const MEASURED: &str = "MESHWRIGHT_MEASURED";

#[cfg(target_os = "linux")]
#[test]
fn halves_of_a_preface_cost_nothing() {
    const NAME: &str = "hostile::halves_of_a_preface_cost_nothing";
    if std::env::var_os(MEASURED).is_some() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(measured());
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(MEASURED, "1")
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    print!("{}", said.lines().find(|line| line.contains("CPU")).unwrap_or_default());
}

/// What the process works while so many clients have said "PR" and nothing else.
#[cfg(target_os = "linux")]
async fn measured() {
    /// As many as are quickly made; `MESHWRIGHT_HALVES` asks for others.
    const HALVES: usize = 500;
    const FOR: Duration = Duration::from_secs(1);
    let halves = std::env::var("MESHWRIGHT_HALVES").ok().and_then(|it| it.parse().ok()).unwrap_or(HALVES);
    let server = Server::named("v1").await;
    let rig = rig(&server).await;
    let mut waiting = Vec::new();
    for _ in 0..halves {
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        stream.write_all(b"PR").await.unwrap();
        waiting.push(stream);
    }
    // Whoever comes after them is served, so all of them were looked at.
    assert_eq!(get(rig.address, "/", &[]).await.body, "v1");
    let before = worked();
    tokio::time::sleep(FOR).await;
    let worked = worked() - before;
    println!(
        "CPU with {halves} halves of a preface: {} % of a core",
        worked.as_secs_f64() / FOR.as_secs_f64() * 100.0
    );
    assert!(worked < FOR / 10, "{worked:?} of {FOR:?}");
    drop(waiting);
}

/// The time that this process has worked for so far.
#[cfg(target_os = "linux")]
fn worked() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // After the name, which may have spaces, the 12th and 13th field are its own time and the kernel's, in hundredths.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    Duration::from_millis(10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()))
}
