//! What requests go to, and the requests that show which version answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use e2e::wire::Connection;

use crate::generate::{EDITED, host};

/// Between an answer and the next request: short beside what is measured, and it leaves the processor to others.
const PAUSE: Duration = Duration::from_micros(200);
/// Longer than any edit takes.
const LONG: Duration = Duration::from_secs(30);

/// Starts a server for each of two versions, and says their ports. They end with this process.
pub(crate) fn backends() -> Result<[u16; 2]> {
    let mut ports = [0; 2];
    for (port, version) in ports.iter_mut().zip(["v1", "v2"]) {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || serve(stream, version));
            }
        });
    }
    Ok(ports)
}

/// Answers each request with the version. Requests are small and come one at a time.
fn serve(mut stream: TcpStream, version: &str) {
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-version: {version}\r\n\r\n");
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        read.extend_from_slice(&piece[..count]);
        if read.ends_with(b"\r\n\r\n") {
            read.clear();
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// Requests to the service that is edited, one after the other.
pub(crate) struct Probe {
    connection: Connection,
    request: String,
}

impl Probe {
    /// By way of the proxy at an address; `port` is the service's.
    pub(crate) fn open(proxy: SocketAddr, port: u16) -> Result<Self> {
        let request = format!("GET / HTTP/1.1\r\nhost: {}:{port}\r\n\r\n", host(EDITED));
        Ok(Self { connection: Connection::open(proxy)?, request })
    }

    /// Asks until a version answers; when that was.
    pub(crate) fn until(&mut self, version: &str) -> Result<Instant> {
        let began = Instant::now();
        loop {
            let answer = self.connection.exchange(self.request.as_bytes())?;
            let seen = Instant::now();
            match answer.header("x-version") {
                Some(found) if found == version => return Ok(seen),
                Some(_) if began.elapsed() < LONG => thread::sleep(PAUSE),
                Some(_) => bail!("no request reached {version} within {LONG:?}"),
                None => bail!("no version answered: {answer:?}"),
            }
        }
    }
}
