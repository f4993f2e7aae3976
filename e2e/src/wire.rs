//! Requests as they stand, byte by byte, and what is read of an answer.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// Longer than any case takes.
const LONG: Duration = Duration::from_secs(10);

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its target.
    pub path: String,
    /// Names in lower case, as they came.
    pub headers: Vec<(String, String)>,
}

/// The requests of a connection, none with a body.
#[derive(Debug)]
pub struct Requests<'s> {
    stream: &'s TcpStream,
    read: Vec<u8>,
}

impl<'s> Requests<'s> {
    /// Of a connection that begins.
    pub fn of(stream: &'s TcpStream) -> Self {
        Self { stream, read: Vec::new() }
    }
}

impl Iterator for Requests<'_> {
    type Item = Request;

    /// The next; none where the connection has ended, or says something else.
    fn next(&mut self) -> Option<Request> {
        let mut piece = [0; 4096];
        loop {
            let mut fields = [httparse::EMPTY_HEADER; 128];
            let mut request = httparse::Request::new(&mut fields);
            if let httparse::Status::Complete(size) = request.parse(&self.read).ok()? {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let header = |it: &httparse::Header<'_>| (it.name.to_ascii_lowercase(), text(it.value));
                let request = Request {
                    method: request.method.unwrap_or_default().to_owned(),
                    path: request.path.unwrap_or_default().to_owned(),
                    headers: request.headers.iter().map(header).collect(),
                };
                self.read.drain(..size);
                return Some(request);
            }
            let count = self.stream.read(&mut piece).ok().filter(|count| *count > 0)?;
            self.read.extend_from_slice(&piece[..count]);
        }
    }
}

/// What a client got.
#[derive(Debug)]
pub struct Answer {
    /// `None`: the connection ended without one.
    status: Option<u16>,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// The first value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| &**value)
    }

    /// Its status and some of its headers.
    pub fn shown(&self, names: &[&str]) -> String {
        let Some(status) = self.status else { return "no answer".to_owned() };
        let mut shown = status.to_string();
        for name in names {
            let mut values: Vec<_> =
                self.headers.iter().filter(|(it, _)| it == name).map(|(_, value)| &**value).collect();
            values.sort_unstable();
            for value in values {
                shown += &format!(" {name}: {value}");
            }
        }
        shown
    }
}

/// Sends a request and reads the head of the answer to it, on a connection of its own.
pub fn exchange(address: SocketAddr, request: &[u8]) -> Result<Answer> {
    let mut connection = Connection::open(address)?;
    let answer = connection.exchange(request);
    let _ = connection.0.shutdown(Shutdown::Both);
    answer
}

/// A connection for requests one after the other, of whose answers none has a body.
pub struct Connection(TcpStream);

impl Connection {
    /// Opens it.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
        stream.set_read_timeout(Some(LONG))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Sends a request and reads the head of the answer to it.
    pub fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        let stream = &mut self.0;
        stream.write_all(request)?;
        let (mut read, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            if let Some(answer) = answer(&read)? {
                return Ok(answer);
            }
            match stream.read(&mut piece) {
                Ok(0) => return Ok(Answer { status: None, headers: Vec::new() }),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return Ok(Answer { status: None, headers: Vec::new() });
                }
                Ok(count) => read.extend_from_slice(&piece[..count]),
                Err(error) => return Err(error).context("waiting for an answer"),
            }
        }
    }
}

/// The first answer that is not an interim one, once it is whole.
fn answer(mut bytes: &[u8]) -> Result<Option<Answer>> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(size) = response.parse(bytes).context("the answer's head")? else {
            return Ok(None);
        };
        let text = |field: &httparse::Header<'_>| {
            (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned())
        };
        let status = response.code.unwrap_or_default();
        if status == 101 || status >= 200 {
            return Ok(Some(Answer {
                status: Some(status),
                headers: response.headers.iter().map(text).collect(),
            }));
        }
        bytes = &bytes[size..];
    }
}
