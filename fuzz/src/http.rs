//! Requests through a gateway of the built-in proxy, to a backend that judges what reaches it.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mesh::{Settings, Sources};
use meshwright::analysis::{self, Analysis};
use proxy::{Config, Entry, Events, Proxy};
use tokio::runtime::Runtime;

use crate::upstream;

/// For how long a connection says nothing until it is given up.
const SILENCE: Duration = Duration::from_millis(20);
/// Bytes of an answer that are read, at most.
const MOST: usize = 1 << 20;

/// What runs as long as the program does.
struct Gateway {
    address: SocketAddr,
    _proxy: Proxy,
    _runtime: Runtime,
}

static GATEWAY: LazyLock<Gateway> =
    LazyLock::new(|| start().unwrap_or_else(|error| panic!("the gateway does not start: {error}")));

fn start() -> Result<Gateway, Box<dyn std::error::Error>> {
    let backend = upstream::start()?;
    let settings = Settings::default();
    let sources = Sources::single("mesh.yaml", include_str!("mesh.yaml"));
    let analysis = Analysis::read(sources, &settings);
    let wrong = analysis.diagnostics.iter().find(|it| it.severity == mesh::Severity::Error);
    assert!(wrong.is_none(), "{wrong:?}");
    let plans = Arc::new(analysis.plans(1)?);
    let plans = analysis::moved(&plans, &HashMap::from([(65535, backend.port())]));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (proxy, events) = Proxy::start(Config { threads: 1, ..Config::default() })?;
    let address = runtime.block_on(async {
        proxy.swap(plans.values().cloned().collect()).await;
        let source = mesh::Source::named("gateway", "edge");
        proxy.bind(Entry { source, port: Some(80) }, &[([127, 0, 0, 1], 0).into()]).await
    })?;
    runtime.spawn(forget(events));
    Ok(Gateway { address, _proxy: proxy, _runtime: runtime })
}

/// Takes what the proxy tells, so that it does not wait in memory.
async fn forget(mut events: Events) {
    loop {
        tokio::select! {
            Some(_) = events.batches.recv() => {}
            Some(_) = events.notices.recv() => {}
            else => return,
        }
    }
}

/// Sends bytes to the gateway as they are.
///
/// # Panics
/// Where the backend gets what it must not, or the gateway takes no connection any more.
pub fn http1(data: &[u8]) {
    exchange(data);
}

/// Sends frames to the gateway: the bytes as they are behind a preface, or, if they begin with `=`, requests that they are made
/// into: fields by the line (`name: value`), requests by the empty line, and what stands behind a further empty line as data.
///
/// # Panics
/// As [`http1`].
pub fn http2(data: &[u8]) {
    let mut frames = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00".to_vec();
    match data.strip_prefix(b"=") {
        None => frames.extend_from_slice(data),
        Some(text) => {
            let blocks = text.split(|&byte| byte == 0);
            for (stream, block) in (1_u32..).step_by(2).zip(blocks.take(8)) {
                request(stream, block, &mut frames);
            }
        }
    }
    exchange(&frames);
}

/// One request's `HEADERS`, literal and without an index, and its `DATA` behind an empty line.
fn request(stream: u32, block: &[u8], frames: &mut Vec<u8>) {
    let end = block.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((block, None), |at| (&block[..at], Some(&block[at + 2..])));
    let mut fields = Vec::new();
    for line in head.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        // A pseudo field begins with a colon of its own.
        let colon = line.iter().skip(1).position(|&byte| byte == b':').map_or(line.len(), |at| at + 1);
        let (name, value) = line.split_at(colon);
        fields.push(0);
        literal(name, &mut fields);
        literal(value.get(2..).unwrap_or_default(), &mut fields);
    }
    let flags = if body.is_none() { 0b101 } else { 0b100 };
    frame(1, flags, stream, &fields, frames);
    if let Some(body) = body {
        frame(0, 1, stream, body, frames);
    }
}

/// A string of HPACK, cut to what its length's one byte can say.
fn literal(text: &[u8], out: &mut Vec<u8>) {
    let text = &text[..text.len().min(126)];
    out.push(u8::try_from(text.len()).unwrap_or_default());
    out.extend_from_slice(text);
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(16_384)];
    let size = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    out.extend_from_slice(&size[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn exchange(sent: &[u8]) {
    let mut stream = TcpStream::connect(GATEWAY.address).unwrap_or_else(|error| panic!("{error}"));
    let _ = stream.set_read_timeout(Some(SILENCE));
    let _ = stream.set_write_timeout(Some(SILENCE));
    // It may be closed before all is written: that is an answer too.
    let _ = stream.write_all(sent);
    let (mut piece, mut read) = ([0; 4096], 0);
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        read += count;
        if read > MOST {
            break;
        }
    }
    assert!(!upstream::is_broken(), "the backend got what it must not; its own words stand above");
}
