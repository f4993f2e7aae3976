//! Values of headers as rules write them: text with Envoy's command operators (`%REQ(x-user)%`), taken apart once.

mod facts;
mod syntax;
mod time;

use std::fmt;

use serde::{Serialize, Serializer};

pub use facts::{Fact, Facts};
pub(crate) use syntax::{Token, tokens};
pub use time::TimeFormat;

/// A header's value.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderValue {
    source: String,
    parts: Vec<Part>,
}

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text, where a percent sign is one.
    Text(String),
    /// What is filled in, and how it was written.
    Command(Command, String),
    /// A command that Envoy fills in, and the built-in proxy sends as it was written.
    Envoys(String),
    /// What looks like a command and is none: it is sent as it was written.
    Written(String),
}

/// A command operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `REQ`: a header of the request.
    Request(Named),
    /// `RESP`: a header of the response.
    Response(Named),
    /// `START_TIME`: when the request came.
    StartTime(TimeFormat),
    /// What takes no arguments.
    Fact(Fact),
}

/// A header by its name in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    name: String,
    /// Asked for where the first is absent.
    otherwise: Option<String>,
    /// No more than so many bytes of it.
    at_most: Option<usize>,
}

impl HeaderValue {
    /// Takes a value apart. What is no command that can be filled in is text.
    pub fn new(source: &str) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for token in tokens(source) {
            match (token, parts.last_mut()) {
                (Token::Text(text), Some(Part::Text(before))) => before.push_str(text),
                (Token::Text(text), _) => parts.push(Part::Text(text.to_owned())),
                (Token::Broken(text), _) => parts.push(Part::Written(text.to_owned())),
                (Token::Command { name, argument, length, text }, _) => {
                    parts.push(match Command::new(name, argument, length) {
                        Some(command) => Part::Command(command, text.to_owned()),
                        None if is_envoys(name, argument) => Part::Envoys(text.to_owned()),
                        None => Part::Written(text.to_owned()),
                    });
                }
            }
        }
        Self { source: source.to_owned(), parts }
    }

    /// The value as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Its pieces.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The value, where it is one text whatever the request.
    pub fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text) | Part::Envoys(text) | Part::Written(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it takes something from the request.
    pub fn reads_request(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Command(Command::Request(_), _)))
    }

    /// The value for a request. What is not there, or not known yet, leaves nothing.
    pub fn fill(&self, facts: &impl Facts) -> Vec<u8> {
        let mut out = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) | Part::Envoys(text) | Part::Written(text) => {
                    out.extend_from_slice(text.as_bytes())
                }
                Part::Command(command, _) => command.fill(facts, &mut out),
            }
        }
        out
    }
}

/// Whether Envoy 1.40 has a command that is not filled in here.
fn is_envoys(name: &str, argument: Option<&str>) -> bool {
    match argument {
        // Of a form of times not all words are known here.
        Some(_) if name == "START_TIME" => true,
        Some(argument) if !argument.is_empty() => WITH_ARGUMENT.contains(&name),
        _ => ALONE.contains(&name) || ["DOWNSTREAM_", "UPSTREAM_"].iter().any(|side| name.starts_with(side)),
    }
}

const WITH_ARGUMENT: [&str; 13] = [
    "CLUSTER_METADATA",
    "COALESCE",
    "COMMON_DURATION",
    "DYNAMIC_METADATA",
    "ENVIRONMENT",
    "FILTER_STATE",
    "GRPC_STATUS",
    "METADATA",
    "PATH",
    "PER_REQUEST_STATE",
    "QUERY_PARAM",
    "REQUESTED_SERVER_NAME",
    "TRAILER",
];

const ALONE: [&str; 33] = [
    "ACCESS_LOG_TYPE",
    "BYTES_RECEIVED",
    "BYTES_RETRANSMITTED",
    "BYTES_SENT",
    "CONNECTION_ID",
    "CONNECTION_TERMINATION_DETAILS",
    "CUSTOM_FLAGS",
    "DURATION",
    "EMIT_TIME",
    "FILTER_CHAIN_NAME",
    "GRPC_STATUS",
    "GRPC_STATUS_NUMBER",
    "LOCAL_REPLY_BODY",
    "PACKETS_RETRANSMITTED",
    "PATH",
    "QUERY_PARAMS",
    "REQUEST_DURATION",
    "REQUEST_HEADERS_BYTES",
    "REQUEST_TX_DURATION",
    "RESPONSE_CODE_DETAILS",
    "RESPONSE_DURATION",
    "RESPONSE_FLAGS_LONG",
    "RESPONSE_HEADERS_BYTES",
    "RESPONSE_TRAILERS_BYTES",
    "RESPONSE_TX_DURATION",
    "ROUNDTRIP_DURATION",
    "SPAN_ID",
    "STREAM_ID",
    "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT",
    "TRACE_ID",
    "UNIQUE_ID",
    "VIRTUAL_CLUSTER_NAME",
];

impl Command {
    fn new(name: &str, argument: Option<&str>, length: Option<usize>) -> Option<Self> {
        match (name, argument) {
            ("REQ", Some(argument)) => Named::new(argument, length).map(Self::Request),
            ("RESP", Some(argument)) => Named::new(argument, length).map(Self::Response),
            ("START_TIME", format) if length.is_none() => {
                TimeFormat::new(format.unwrap_or("")).map(Self::StartTime)
            }
            (name, None | Some("")) if length.is_none() => Fact::named(name).map(Self::Fact),
            _ => None,
        }
    }

    fn fill(&self, facts: &impl Facts, out: &mut Vec<u8>) {
        match self {
            Self::Request(named) => named.fill(out, |name| facts.request(name)),
            Self::Response(named) => named.fill(out, |name| facts.response(name)),
            Self::StartTime(format) => format.write(facts.began(), out),
            Self::Fact(fact) => out.extend_from_slice(facts.fact(*fact).unwrap_or_default().as_bytes()),
        }
    }
}

impl Named {
    fn new(argument: &str, at_most: Option<usize>) -> Option<Self> {
        let (name, otherwise) = match argument.split_once('?') {
            Some((name, otherwise)) => (name, Some(otherwise)),
            None => (argument, None),
        };
        let good = !name.is_empty() && otherwise.is_none_or(|it| !it.contains('?'));
        let otherwise = otherwise.filter(|it| !it.is_empty()).map(str::to_ascii_lowercase);
        good.then(|| Self { name: name.to_ascii_lowercase(), otherwise, at_most })
    }

    fn fill<'f>(&self, out: &mut Vec<u8>, header: impl Fn(&str) -> Option<std::borrow::Cow<'f, [u8]>>) {
        let otherwise = || self.otherwise.as_deref().and_then(&header);
        if let Some(value) = header(&self.name).or_else(otherwise) {
            let end = self.at_most.map_or(value.len(), |most| most.min(value.len()));
            out.extend_from_slice(&value[..end]);
        }
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

impl Serialize for HeaderValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

#[cfg(test)]
mod tests;
