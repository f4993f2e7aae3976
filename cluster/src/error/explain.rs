//! What the client library reports, in our words. It hides causes deep in others; they are looked for by type.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use kube::core::Status;
use rustls::CertificateError;

use super::{Certificate, Endpoint, Error, Names, Unreachable, words};
use crate::permission::Denied;

/// What an error of the client means.
pub fn explain(error: kube::Error, at: &Endpoint) -> Error {
    match error {
        kube::Error::Api(status) => answer(&status, at),
        // What our own parts on the way said.
        kube::Error::Service(error) => match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => connection(error.as_ref(), at),
        },
        kube::Error::SerdeError(error) => {
            Error::NotKubernetes { at: Box::new(at.clone()), said: words(&error.to_string()) }
        }
        kube::Error::FromUtf8(error) => {
            Error::NotKubernetes { at: Box::new(at.clone()), said: words(&error.to_string()) }
        }
        error => connection(&error, at),
    }
}

/// What an answer means that is an error.
fn answer(status: &Status, at: &Endpoint) -> Error {
    let at = Box::new(at.clone());
    let said = words(&status.message);
    match status.code {
        401 => Error::Unauthorized { at, expired: None },
        403 => match Denied::from_message(&status.message) {
            Some(denied) => Error::Denied(Box::new(denied)),
            None => Error::Refused { at, code: 403, said },
        },
        code @ (429 | 503 | 504) => {
            let wait = status.details.as_ref().map_or(0, |details| details.retry_after_seconds).clamp(1, 60);
            Error::Busy { at, code, wait: Duration::from_secs(wait.into()) }
        }
        // Whoever answers so is something else than an API server, or the address has a path too many.
        code if status.reason == "Failed to parse error data" => {
            let said = words(&format!("{code} {}", status.message));
            Error::NotKubernetes { at, said: said.chars().take(120).collect() }
        }
        code => Error::Refused { at, code, said },
    }
}

/// What it means that there is no answer.
fn connection(error: &(dyn StdError + 'static), at: &Endpoint) -> Error {
    let causes = causes(error);
    let at = Box::new(at.clone());
    let unreachable = |why| Error::Unreachable { at: at.clone(), why };
    for cause in &causes {
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return match error {
                rustls::Error::InvalidCertificate(error) => {
                    Error::Certificate { at: at.clone(), why: certificate(error) }
                }
                rustls::Error::InvalidMessage(_) => unreachable(Unreachable::NoTls),
                rustls::Error::AlertReceived(alert) => unreachable(Unreachable::Closed(format!(
                    "it ended TLS with {alert:?}, as servers do that want another client certificate"
                ))),
                error => unreachable(Unreachable::Other(words(&error.to_string()))),
            };
        }
    }
    if causes.iter().any(|cause| cause.is::<tower::timeout::error::Elapsed>()) {
        return unreachable(Unreachable::Timeout);
    }
    let texts: Vec<String> = causes.iter().map(ToString::to_string).collect();
    let last = words(texts.last().map_or("", String::as_str));
    if texts.iter().any(|text| text.starts_with("dns error")) {
        return unreachable(Unreachable::Dns);
    }
    for cause in &causes {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            let why = match error.kind() {
                io::ErrorKind::ConnectionRefused => Unreachable::Refused,
                io::ErrorKind::TimedOut => Unreachable::Timeout,
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => Unreachable::Closed(last),
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                    Unreachable::Other(format!("{last}; check the network or VPN"))
                }
                _ => continue,
            };
            return unreachable(why);
        }
    }
    if causes.iter().any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper_closed)) {
        return unreachable(Unreachable::Closed(last));
    }
    if at.proxy.is_some() && texts.iter().any(|text| text.contains("tunnel") || text.contains("SOCKS")) {
        return unreachable(Unreachable::Proxy(last));
    }
    Error::Other { at, why: words(&texts.join(": ")) }
}

fn hyper_closed(error: &hyper::Error) -> bool {
    error.is_closed() || error.is_incomplete_message() || error.is_canceled()
}

/// An error and what caused it. An `io::Error` hides the error that it wraps from those who ask for its source.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    const DEEP: usize = 16;
    let mut found: Vec<&'a (dyn StdError + 'static)> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next
        && found.len() < DEEP
    {
        found.push(error);
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|wrapped| wrapped as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    found
}

/// Why a certificate is not trusted.
fn certificate(error: &CertificateError) -> Certificate {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Certificate::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Certificate::NotYet,
        CertificateError::NotValidForName => Certificate::Name(Names(vec!["another name".to_owned()])),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names = presented.iter().map(|name| san(name)).collect();
            Certificate::Name(Names(names))
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Certificate::UnknownAuthority,
        // A certificate that signed itself.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            Certificate::UnknownAuthority
        }
        error => Certificate::Other(words(&error.to_string())),
    }
}

/// A name of a certificate, without how the library wraps it (`DnsName("x")`).
fn san(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"').to_owned()
}
