//! A backend that believes nothing: what reaches it must be a well-formed request that its routes allow.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A request's head, at most; the proxy allows less.
const HEAD: usize = 256 * 1024;

/// Headers that say what no client may say: they are the proxy's own.
const CLAIMS: [&str; 3] = ["x-envoy-internal", "x-envoy-force-trace", "x-envoy-decorator-operation"];

/// Starts it on loopback.
pub(crate) fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // libFuzzer ends the program at the panic itself; a test has to be told.
            thread::spawn(|| {
                let served = panic::catch_unwind(AssertUnwindSafe(|| serve(stream)));
                BROKEN.fetch_or(served.is_err(), Ordering::SeqCst);
            });
        }
    });
    Ok(address)
}

/// Whether it ever got what it must not.
pub(crate) fn is_broken() -> bool {
    BROKEN.load(Ordering::SeqCst)
}

static BROKEN: AtomicBool = AtomicBool::new(false);

fn serve(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
    let mut buffer = Vec::new();
    loop {
        let Some((head, length)) = take_head(&mut stream, &mut buffer) else { return };
        if !take_body(&mut stream, &mut buffer, &length) {
            return;
        }
        let answer = if head.is_head { "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" } else { ANSWER };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

struct Head {
    is_head: bool,
}

enum Length {
    Bytes(u64),
    Chunks,
}

/// Reads a head and judges it; `None` at the end of the connection.
fn take_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(Head, Length)> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 256];
        let mut request = httparse::Request::new(&mut fields);
        let parsed = match request.parse(buffer) {
            Ok(parsed) => parsed,
            Err(error) => panic!("not a request ({error}): {}", shown(buffer)),
        };
        if let httparse::Status::Complete(size) = parsed {
            let judged = judge(&request, buffer);
            buffer.drain(..size);
            return Some(judged);
        }
        assert!(buffer.len() < HEAD, "a head without an end: {}", shown(buffer));
        if !more(stream, buffer) {
            return None;
        }
    }
}

fn judge(request: &httparse::Request<'_, '_>, buffer: &[u8]) -> (Head, Length) {
    let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    // The first route answers this path itself: whoever gets here went around it.
    let plain = path.split(['?', '#']).next().unwrap_or_default();
    assert!(!plain.starts_with("/forbidden"), "past the rule on the path: {}", shown(buffer));
    let (mut length, mut chunks, mut hosts) = (None, false, 0);
    for field in request.headers.iter() {
        let name = field.name.to_ascii_lowercase();
        assert!(!CLAIMS.contains(&&*name), "a claim of the client's: {}", shown(buffer));
        match &*name {
            "content-length" => {
                let number = std::str::from_utf8(field.value).ok().and_then(|text| text.parse::<u64>().ok());
                assert!(length.is_none() && number.is_some(), "of no clear length: {}", shown(buffer));
                length = number;
            }
            "transfer-encoding" => {
                assert!(!chunks && field.value == b"chunked", "of no clear length: {}", shown(buffer));
                chunks = true;
            }
            "host" => hosts += 1,
            "x-envoy-external-address" => {
                assert!(field.value == b"127.0.0.1", "not the client's address: {}", shown(buffer));
            }
            "upgrade" => {
                assert!(field.value.eq_ignore_ascii_case(b"websocket"), "an upgrade: {}", shown(buffer));
            }
            "x-role" => {
                // The second route answers this header itself, on whichever line it stands.
                assert!(field.value != b"admin", "past the rule on the header: {}", shown(buffer));
            }
            _ => {}
        }
    }
    assert_eq!(hosts, 1, "hosts: {}", shown(buffer));
    assert!(length.is_none() || !chunks, "of two lengths: {}", shown(buffer));
    let length = if chunks { Length::Chunks } else { Length::Bytes(length.unwrap_or(0)) };
    (Head { is_head: method == "HEAD" }, length)
}

/// Reads a body away; false at the end of the connection.
fn take_body(stream: &mut TcpStream, buffer: &mut Vec<u8>, length: &Length) -> bool {
    match length {
        Length::Bytes(count) => take(stream, buffer, usize::try_from(*count).unwrap_or(usize::MAX)),
        Length::Chunks => loop {
            let Some(line) = take_line(stream, buffer) else { return false };
            let size = usize::from_str_radix(&line, 16);
            let size = size.unwrap_or_else(|_| panic!("not a chunk: {line:?}"));
            if size == 0 {
                // Trailers, and the empty line behind them.
                loop {
                    match take_line(stream, buffer) {
                        None => return false,
                        Some(line) if line.is_empty() => return true,
                        Some(_) => {}
                    }
                }
            }
            if !take(stream, buffer, size + 2) {
                return false;
            }
        },
    }
}

fn take(stream: &mut TcpStream, buffer: &mut Vec<u8>, count: usize) -> bool {
    let mut left = count;
    loop {
        let here = left.min(buffer.len());
        buffer.drain(..here);
        left -= here;
        if left == 0 {
            return true;
        }
        if !more(stream, buffer) {
            return false;
        }
    }
}

fn take_line(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(at) = buffer.windows(2).position(|pair| pair == b"\r\n") {
            let line = buffer.drain(..at + 2).take(at).collect::<Vec<_>>();
            return Some(String::from_utf8_lossy(&line).into_owned());
        }
        assert!(buffer.len() < HEAD, "a line without an end: {}", shown(buffer));
        if !more(stream, buffer) {
            return None;
        }
    }
}

fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    let mut piece = [0; 4096];
    match stream.read(&mut piece) {
        Ok(0) | Err(_) => false,
        Ok(count) => {
            buffer.extend_from_slice(&piece[..count]);
            true
        }
    }
}

fn shown(buffer: &[u8]) -> String {
    buffer[..buffer.len().min(2048)].escape_ascii().to_string()
}
