//! A backend that remembers what reached it, to the letter.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

/// For how long a copy of a request may take that nobody waits for.
const COPY: Duration = Duration::from_millis(200);

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case, as they came.
    pub(crate) headers: Vec<(String, String)>,
}

/// The backend.
pub(crate) struct Backend {
    port: u16,
    seen: Arc<(Mutex<Vec<Seen>>, Condvar)>,
}

impl Backend {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let seen = Arc::<(Mutex<Vec<Seen>>, Condvar)>::default();
        let written = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let written = Arc::clone(&written);
                thread::spawn(move || serve(stream, &written));
            }
        });
        Ok(Self { port, seen })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What reached it since the last time.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same, once nothing is missing: with `copies` it is waited for a request that nobody waits for, and for one that
    /// should not come.
    pub(crate) fn settled(&self, copies: bool) -> Vec<Seen> {
        if copies {
            let seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.seen.1.wait_timeout_while(seen, COPY, |seen| seen.len() < 9));
        }
        let mut seen = self.take();
        if copies {
            seen.sort_by(|a, b| a.headers.cmp(&b.headers));
        }
        seen
    }
}

/// Answers what the path asks for: `…status-503…`, `…close…` (hangs up), or 200.
fn serve(mut stream: TcpStream, written: &(Mutex<Vec<Seen>>, Condvar)) {
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(&read) {
            Err(_) => return,
            Ok(httparse::Status::Partial) => match stream.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(count) => read.extend_from_slice(&piece[..count]),
            },
            Ok(httparse::Status::Complete(size)) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let seen = Seen {
                    method: request.method.unwrap_or_default().to_owned(),
                    path: request.path.unwrap_or_default().to_owned(),
                    headers: request
                        .headers
                        .iter()
                        .map(|field| (field.name.to_ascii_lowercase(), text(field.value)))
                        .collect(),
                };
                read.drain(..size);
                let path = seen.path.clone();
                let upgrade = seen.headers.iter().any(|(name, _)| name == "upgrade");
                written.0.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
                written.1.notify_all();
                if path.contains("close") {
                    return;
                }
                let status = path.split_once("status-").and_then(|(_, rest)| rest.get(..3)).unwrap_or("200");
                let answer = if upgrade {
                    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
                        .to_owned()
                } else {
                    format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nx-back: end\r\n\r\n")
                };
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        }
    }
}
