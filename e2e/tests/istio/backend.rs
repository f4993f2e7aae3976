//! A backend that remembers what reached it, to the letter.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use e2e::wire::{Request, Requests};

/// For how long a copy of a request may take that nobody waits for.
const COPY: Duration = Duration::from_millis(200);

/// The backend.
pub(crate) struct Backend {
    port: u16,
    seen: Arc<(Mutex<Vec<Request>>, Condvar)>,
}

impl Backend {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let seen = Arc::<(Mutex<Vec<Request>>, Condvar)>::default();
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
    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.seen.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same, once nothing is missing: with `copies` it is waited for a request that nobody waits for, and for one that
    /// should not come.
    pub(crate) fn settled(&self, copies: bool) -> Vec<Request> {
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
fn serve(mut stream: TcpStream, written: &(Mutex<Vec<Request>>, Condvar)) {
    let reading = stream.try_clone();
    for request in reading.iter().flat_map(Requests::of) {
        let path = request.path.clone();
        let upgrade = request.headers.iter().any(|(name, _)| name == "upgrade");
        written.0.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        written.1.notify_all();
        if path.contains("close") {
            return;
        }
        let status = path.split_once("status-").and_then(|(_, rest)| rest.get(..3)).unwrap_or("200");
        let answer = if upgrade {
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".to_owned()
        } else {
            format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nx-back: end\r\n\r\n")
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
