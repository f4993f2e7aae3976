//! The access log: a line for each request that has ended, in Envoy's format or as JSON.
//!
//! Threads hand over what is known of a request, and one thread of the log's own writes it down. A log that cannot keep up
//! loses lines and says how many; traffic never waits for it.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use http::header::{HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Version, request};
use jiff::Timestamp;
use serde_json::json;

use crate::flags::Flags;
use crate::headers::REQUEST_ID;
use crate::trace::{Recording, Span, text};

/// Lines that may wait.
const WAITING: usize = 16_384;

/// Where and how requests are written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// The file, which is appended to; standard output without one.
    pub path: Option<PathBuf>,
    /// How a line looks.
    pub format: Format,
}

/// How a line of the access log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// As Envoy's default.
    #[default]
    Envoy,
    /// An object on each line, with the keys that Istio gives them.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "envoy" => Ok(Self::Envoy),
            "json" => Ok(Self::Json),
            _ => Err(format!("`{text}` is neither `envoy` nor `json`")),
        }
    }
}

/// What is written of a request.
#[derive(Debug)]
pub(crate) struct Line {
    sink: Option<Sink>,
    /// It is also a part of a trace.
    pub(crate) recording: Option<Recording>,
    started: SystemTime,
    method: Method,
    path: String,
    protocol: &'static str,
    authority: String,
    forwarded_for: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    pub(crate) request_id: Option<HeaderValue>,
    pub(crate) route: Option<String>,
    pub(crate) upstream: Option<String>,
    /// From the request's head to the response's.
    pub(crate) answered: Option<Duration>,
    pub(crate) status: u16,
    pub(crate) flags: Flags,
    /// Bytes of the request's body.
    pub(crate) received: u64,
    /// Bytes of the response's.
    pub(crate) sent: u64,
    pub(crate) took: Duration,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Line {
    /// What is known of a request when it comes.
    pub(crate) fn new(sink: Option<&Sink>, head: &request::Parts, authority: &str) -> Box<Self> {
        let header = |name: &HeaderName| head.headers.get(name).cloned();
        Box::new(Self {
            sink: sink.cloned(),
            recording: None,
            started: SystemTime::now(),
            method: head.method.clone(),
            path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            protocol: if head.version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" },
            authority: authority.to_owned(),
            forwarded_for: header(&FORWARDED_FOR),
            user_agent: header(&USER_AGENT),
            request_id: header(&REQUEST_ID),
            route: None,
            upstream: None,
            answered: None,
            status: 0,
            flags: Flags::default(),
            received: 0,
            sent: 0,
            took: Duration::ZERO,
        })
    }

    /// The request as it goes on: an identity was given to it where it had none.
    pub(crate) fn goes_on(&mut self, headers: &HeaderMap) {
        self.request_id = headers.get(REQUEST_ID).cloned();
    }

    /// Hands it over.
    pub(crate) fn put(mut self: Box<Self>, retries: u32) {
        if let Some(recording) = self.recording.take() {
            let sink = recording.sink.clone();
            sink.put(self.span(recording, retries));
        }
        let Some(sink) = self.sink.clone() else { return };
        if sink.lines.try_send(self).is_err() {
            sink.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn span(&self, recording: Recording, retries: u32) -> Span {
        let Recording { context, source, scheme, peer, cluster, .. } = recording;
        Span {
            trace: context.trace,
            id: context.span,
            parent: context.parent,
            source,
            started: self.started,
            took: self.took,
            method: self.method.to_string(),
            scheme,
            authority: self.authority.clone(),
            path: self.path.clone(),
            protocol: self.protocol,
            user_agent: text(self.user_agent.as_ref()),
            request_id: text(self.request_id.as_ref()),
            peer,
            status: self.status,
            flags: self.flags.to_string(),
            cluster,
            upstream: self.upstream.clone(),
            retries,
            received: self.received,
            sent: self.sent,
        }
    }

    fn write(&self, format: Format, to: &mut impl Write) -> io::Result<()> {
        let started = Timestamp::try_from(self.started).unwrap_or_default();
        let [forwarded, agent, id] =
            [&self.forwarded_for, &self.user_agent, &self.request_id].map(|value| text(value.as_ref()));
        let answered = self.answered.map(|time| time.as_millis());
        match format {
            Format::Envoy => {
                let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
                writeln!(
                    to,
                    "[{started:.3}] \"{} {} {}\" {} {} {} {} {} {} \"{}\" \"{}\" \"{}\" \"{}\" \"{}\"",
                    self.method,
                    self.path,
                    self.protocol,
                    self.status,
                    self.flags,
                    self.received,
                    self.sent,
                    self.took.as_millis(),
                    or_none(&answered.map(|millis| millis.to_string())),
                    or_none(&forwarded),
                    or_none(&agent),
                    or_none(&id),
                    self.authority,
                    or_none(&self.upstream),
                )
            }
            Format::Json => {
                let line = json!({
                    "start_time": format!("{started:.3}"),
                    "method": self.method.as_str(),
                    "path": self.path,
                    "protocol": self.protocol,
                    "response_code": self.status,
                    "response_flags": self.flags.to_string(),
                    "bytes_received": self.received,
                    "bytes_sent": self.sent,
                    "duration": self.took.as_millis(),
                    "upstream_service_time": answered,
                    "x_forwarded_for": forwarded,
                    "user_agent": agent,
                    "request_id": id,
                    "authority": self.authority,
                    "upstream_host": self.upstream,
                    "route_name": self.route,
                });
                writeln!(to, "{line}")
            }
        }
    }
}

/// What takes lines from a thread of the proxy.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    lines: SyncSender<Box<Line>>,
    lost: Arc<AtomicU64>,
}

impl Sink {
    /// Opens the log. Its thread ends once the last sink has gone and all lines are written.
    pub(crate) fn open(log: &AccessLog) -> io::Result<(Self, JoinHandle<()>)> {
        let to: Box<dyn Write + Send> = match &log.path {
            Some(path) => Box::new(OpenOptions::new().create(true).append(true).open(path)?),
            None => Box::new(io::stdout()),
        };
        let (lines, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let (counted, format) = (Arc::clone(&lost), log.format);
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            if let Err(error) = write_down(&waiting, format, &mut BufWriter::new(to), &counted) {
                tracing::error!(%error, "the access log cannot be written any more");
            }
        })?;
        Ok((Self { lines, lost }, thread))
    }
}

fn write_down(
    waiting: &Receiver<Box<Line>>,
    format: Format,
    to: &mut impl Write,
    lost: &AtomicU64,
) -> io::Result<()> {
    loop {
        let line = match waiting.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Empty) => {
                to.flush()?;
                let lost = lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    tracing::warn!(lost, "the access log could not keep up");
                }
                let Ok(line) = waiting.recv() else { return Ok(()) };
                line
            }
            Err(TryRecvError::Disconnected) => return to.flush(),
        };
        line.write(format, to)?;
    }
}
