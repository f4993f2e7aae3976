//! The access log: a line for each request that has ended, in Envoy's format or as JSON.
//!
//! Each thread writes lines onto a page of its own, and one thread of the log's takes the pages to the file. A log that cannot
//! keep up loses lines and says how many; traffic never waits for it.

mod page;

use std::path::PathBuf;
use std::rc::Rc;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use http::header::{HeaderName, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Version, request};
use serde_json::json;

pub(crate) use page::{Clock, Log, Sink};

use crate::headers::{FORWARDED_FOR, REQUEST_ID};
use crate::reporting::flags::Flags;
use crate::reporting::trace::{Recording, Span, beginning, text};

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

/// The longest text of a client's that a line has, in bytes; of a longer one it has the beginning.
const LONGEST: usize = 4096;
/// The same of a span: thousands of them wait for a collector. Envoy's default for paths (`max_path_tag_length`).
const LONGEST_OF_SPAN: usize = 256;

/// What is written of a request.
pub(crate) struct Line {
    log: Option<Rc<Log>>,
    /// It is also a part of a trace.
    pub(crate) recording: Option<Recording>,
    started: SystemTime,
    method: Method,
    path: Option<PathAndQuery>,
    protocol: &'static str,
    authority: String,
    forwarded_for: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    pub(crate) request_id: Option<HeaderValue>,
    pub(crate) route: Option<String>,
    pub(crate) upstream: Option<Rc<str>>,
    /// From the request's head to the response's.
    pub(crate) answered: Option<Duration>,
    pub(crate) status: u16,
    pub(crate) flags: Flags,
    /// Who made the response, or what went wrong, in Envoy's words.
    pub(crate) details: Option<&'static str>,
    /// Why the last connection that could not be made was not.
    pub(crate) failure: Option<String>,
    /// Bytes of the request's body.
    pub(crate) received: u64,
    /// Bytes of the response's.
    pub(crate) sent: u64,
    pub(crate) took: Duration,
}

impl Line {
    /// What is known of a request when it comes.
    pub(crate) fn new(log: Option<&Rc<Log>>, head: &request::Parts, authority: &str) -> Box<Self> {
        let header = |name: &HeaderName| head.headers.get(name).cloned();
        Box::new(Self {
            log: log.cloned(),
            recording: None,
            started: SystemTime::now(),
            method: head.method.clone(),
            path: head.uri.path_and_query().cloned(),
            protocol: if head.version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" },
            authority: beginning(authority, LONGEST).to_owned(),
            forwarded_for: header(&FORWARDED_FOR),
            user_agent: header(&USER_AGENT),
            request_id: header(&REQUEST_ID),
            route: None,
            upstream: None,
            answered: None,
            status: 0,
            flags: Flags::default(),
            details: None,
            failure: None,
            received: 0,
            sent: 0,
            took: Duration::ZERO,
        })
    }

    /// The request as it goes on: an identity was given to it where it had none.
    pub(crate) fn goes_on(&mut self, headers: &HeaderMap) {
        self.request_id = headers.get(REQUEST_ID).cloned();
    }

    /// Puts it where it is wanted.
    pub(crate) fn put(mut self: Box<Self>, retries: u32) {
        if let Some(recording) = self.recording.take() {
            let sink = recording.sink.clone();
            sink.put(self.span(recording, retries));
        }
        if let Some(log) = self.log.take() {
            log.put(&self);
        }
    }

    fn path(&self) -> &str {
        beginning(self.path.as_ref().map_or("", PathAndQuery::as_str), LONGEST)
    }

    fn method(&self) -> &str {
        beginning(self.method.as_str(), LONGEST_OF_SPAN)
    }

    /// What Envoy writes of it: of a connection that could not be made, also why.
    fn details(&self) -> Option<String> {
        let details = self.details?;
        match (&self.failure, details.strip_suffix("connection_failure}")) {
            (Some(failure), Some(_)) => {
                let details = details.trim_end_matches('}');
                Some(format!("{details}|{}}}", failure.replace(' ', "_")))
            }
            _ => Some(details.to_owned()),
        }
    }

    fn span(&self, recording: Recording, retries: u32) -> Span {
        let Recording { context, source, scheme, peer, cluster, host, .. } = recording;
        let short = |text: &str| beginning(text, LONGEST_OF_SPAN).to_owned();
        Span {
            trace: context.trace,
            id: context.span,
            parent: context.parent,
            source,
            started: self.started,
            took: self.took,
            method: self.method().to_owned(),
            scheme,
            authority: short(&self.authority),
            path: short(self.path()),
            protocol: self.protocol,
            user_agent: text(self.user_agent.as_ref()).as_deref().map(short),
            request_id: text(self.request_id.as_ref()).as_deref().map(short),
            peer,
            status: self.status,
            flags: self.flags.to_string(),
            cluster,
            host,
            upstream: self.upstream.as_deref().map(str::to_owned),
            retries,
            received: self.received,
            sent: self.sent,
        }
    }

    fn write(&self, format: Format, clock: &mut Clock, to: &mut Vec<u8>) {
        match format {
            Format::Envoy => self.write_envoys(clock, to),
            Format::Json => self.write_json(clock, to),
        }
        to.push(b'\n');
    }

    fn write_envoys(&self, clock: &mut Clock, to: &mut Vec<u8>) {
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| to.extend_from_slice(part));
        let mut digits = <[itoa::Buffer; 5]>::default();
        let [status, received, sent, took, answered] = &mut digits;
        put(&[b"[", clock.show(self.started).as_bytes(), b"] \"", self.method().as_bytes(), b" "]);
        put(&[self.path().as_bytes(), b" ", self.protocol.as_bytes(), b"\" "]);
        put(&[status.format(self.status).as_bytes(), b" "]);
        if self.flags.is_empty() {
            put(&[b"-"]);
        } else {
            put(&[self.flags.to_string().as_bytes()]);
        }
        put(&[b" ", received.format(self.received).as_bytes(), b" ", sent.format(self.sent).as_bytes()]);
        put(&[b" ", took.format(self.took.as_millis()).as_bytes(), b" "]);
        put(&[self.answered.map_or("-", |time| answered.format(time.as_millis())).as_bytes()]);
        for header in [&self.forwarded_for, &self.user_agent, &self.request_id] {
            match header.as_ref().map(|value| (value, value.to_str())) {
                None => put(&[b" \"-\""]),
                Some((_, Ok(text))) => put(&[b" \"", beginning(text, LONGEST).as_bytes(), b"\""]),
                Some((value, Err(_))) => {
                    let text = String::from_utf8_lossy(value.as_bytes());
                    put(&[b" \"", beginning(&text, LONGEST).as_bytes(), b"\""]);
                }
            }
        }
        put(&[b" \"", self.authority.as_bytes(), b"\" \""]);
        put(&[self.upstream.as_deref().unwrap_or("-").as_bytes(), b"\""]);
    }

    fn write_json(&self, clock: &mut Clock, to: &mut Vec<u8>) {
        let text = |value| text(value).map(|text| beginning(&text, LONGEST).to_owned());
        let line = json!({
            "start_time": clock.show(self.started),
            "method": self.method(),
            "path": self.path(),
            "protocol": self.protocol,
            "response_code": self.status,
            "response_flags": self.flags.to_string(),
            "response_code_details": self.details(),
            "upstream_transport_failure_reason": self.failure,
            "bytes_received": self.received,
            "bytes_sent": self.sent,
            "duration": self.took.as_millis(),
            "upstream_service_time": self.answered.map(|time| time.as_millis()),
            "x_forwarded_for": text(self.forwarded_for.as_ref()),
            "user_agent": text(self.user_agent.as_ref()),
            "request_id": text(self.request_id.as_ref()),
            "authority": self.authority,
            "upstream_host": self.upstream.as_deref(),
            "route_name": self.route,
        });
        to.extend_from_slice(line.to_string().as_bytes());
    }
}
