//! Active health checks. Istio has no field for them, so a DestinationRule says them in an annotation, as YAML:
//!
//! ```yaml
//! meshwright.io/health-check: |
//!   http: {path: /healthz}
//!   interval: 5s
//! ```

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::serial::duration;
use crate::resource::DurationString;

/// How the endpoints of a cluster are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// The port that is asked; the endpoint's own unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// From one check to the next.
    #[serde(serialize_with = "duration")]
    pub interval: Duration,
    /// Up to this much is added to each interval, drawn.
    #[serde(serialize_with = "duration")]
    pub jitter: Duration,
    /// For one check.
    #[serde(serialize_with = "duration")]
    pub timeout: Duration,
    /// Failed checks in a row that take an endpoint out.
    pub unhealthy_threshold: u32,
    /// Passed checks in a row that bring it back.
    pub healthy_threshold: u32,
}

/// What a health check asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// A request over HTTP/1.1.
    Http {
        /// Its path.
        path: String,
        /// Its `Host`; the service's host unless set.
        host: Option<String>,
        /// Statuses that pass, 200 unless set.
        expected: Vec<u16>,
        /// Statuses that count as one failure; any other takes the endpoint out at once.
        retriable: Vec<u16>,
    },
    /// A connection.
    Tcp,
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        /// The service that is asked for; empty is the whole server.
        service: String,
    },
}

impl HealthCheck {
    /// Reads an annotation's value; an error is a sentence's middle: what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = crate::yaml::read(text);
        if let Some(problem) = read.problems.first() {
            return Err(problem.message.trim_end_matches('.').to_owned());
        }
        let Value::Object(mut fields) = read.value else { return Err("it has no fields".to_owned()) };
        let probes: Vec<(&str, Value)> = ["http", "tcp", "grpc"]
            .into_iter()
            .filter_map(|name| Some((name, fields.remove(name)?)))
            .collect();
        let [(kind, inner)] = &probes[..] else {
            return Err("it takes exactly one of `http`, `tcp` and `grpc`".to_owned());
        };
        let mut inner = match inner {
            Value::Object(inner) => inner.clone(),
            Value::Null => Map::new(),
            _ => return Err(format!("`{kind}` takes fields, as in `{kind}: {{}}`")),
        };
        let probe = match *kind {
            "http" => Probe::Http {
                path: text_of(&mut inner, "path")?.unwrap_or_else(|| "/".to_owned()),
                host: text_of(&mut inner, "host")?,
                expected: statuses(&mut inner, "expectedStatuses")?.unwrap_or_else(|| vec![200]),
                retriable: statuses(&mut inner, "retriableStatuses")?.unwrap_or_default(),
            },
            "tcp" => Probe::Tcp,
            _ => Probe::Grpc { service: text_of(&mut inner, "service")?.unwrap_or_default() },
        };
        if let Probe::Http { path, .. } = &probe
            && !path.starts_with('/')
        {
            return Err("`path` begins with `/`".to_owned());
        }
        let seconds = Duration::from_secs;
        let check = Self {
            probe,
            port: number(&mut fields, "port", 65535)?.map(|port| u16::try_from(port).unwrap_or_default()),
            interval: time(&mut fields, "interval")?.unwrap_or(seconds(10)),
            jitter: time(&mut fields, "jitter")?.unwrap_or(seconds(1)),
            timeout: time(&mut fields, "timeout")?.unwrap_or(seconds(1)),
            unhealthy_threshold: number(&mut fields, "unhealthyThreshold", u32::MAX)?.unwrap_or(3),
            healthy_threshold: number(&mut fields, "healthyThreshold", u32::MAX)?.unwrap_or(2),
        };
        if check.interval.is_zero() || check.timeout.is_zero() {
            return Err("`interval` and `timeout` are more than 0".to_owned());
        }
        match fields.keys().chain(inner.keys()).next() {
            Some(unknown) => Err(format!("it has no field `{unknown}`")),
            None => Ok(check),
        }
    }
}

fn text_of(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match fields.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{name}` is a text")),
    }
}

fn time(fields: &mut Map<String, Value>, name: &str) -> Result<Option<Duration>, String> {
    let Some(text) = text_of(fields, name)? else { return Ok(None) };
    let time = DurationString(text).parse();
    time.map(Some).map_err(|error| format!("`{name}` is no duration: {error}"))
}

fn number(fields: &mut Map<String, Value>, name: &str, most: u32) -> Result<Option<u32>, String> {
    let Some(value) = fields.remove(name) else { return Ok(None) };
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    match number.filter(|number| (1..=most).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(format!("`{name}` is a whole number from 1 to {most}")),
    }
}

fn statuses(fields: &mut Map<String, Value>, name: &str) -> Result<Option<Vec<u16>>, String> {
    let Some(value) = fields.remove(name) else { return Ok(None) };
    let status = |value: &Value| {
        value.as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| (100..600).contains(code))
    };
    let list = value.as_array().and_then(|list| list.iter().map(status).collect());
    list.map(Some).ok_or_else(|| format!("`{name}` is a list of statuses, as in [200, 204]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_read() {
        let check = HealthCheck::parse(
            "http: {path: /ready, host: a.b, expectedStatuses: [200, 204], retriableStatuses: [429]}\n\
             port: 8081\ninterval: 5s\njitter: 250ms\ntimeout: 2s\nunhealthyThreshold: 5\nhealthyThreshold: 1\n",
        );
        let expected = HealthCheck {
            probe: Probe::Http {
                path: "/ready".to_owned(),
                host: Some("a.b".to_owned()),
                expected: vec![200, 204],
                retriable: vec![429],
            },
            port: Some(8081),
            interval: Duration::from_secs(5),
            jitter: Duration::from_millis(250),
            timeout: Duration::from_secs(2),
            unhealthy_threshold: 5,
            healthy_threshold: 1,
        };
        assert_eq!(check, Ok(expected));
        let short = HealthCheck::parse(r#"{"tcp": {}}"#).unwrap();
        assert_eq!((short.probe, short.interval), (Probe::Tcp, Duration::from_secs(10)));
        assert_eq!((short.unhealthy_threshold, short.healthy_threshold, short.port), (3, 2, None));
        let grpc = HealthCheck::parse("grpc:\ninterval: 1s").unwrap();
        assert_eq!(grpc.probe, Probe::Grpc { service: String::new() });
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("", "no fields"),
            ("http: {}\ntcp: {}", "exactly one"),
            ("interval: 1s", "exactly one"),
            ("http: /healthz", "takes fields"),
            ("http: {path: healthz}", "begins with"),
            ("http: {expectedStatuses: 200}", "list of statuses"),
            ("http: {expectedStatuses: [20]}", "list of statuses"),
            ("tcp: {}\ninterval: 5", "is a text"),
            ("tcp: {}\ninterval: 5x", "is no duration"),
            ("tcp: {}\ninterval: 0s", "more than 0"),
            ("tcp: {}\nhealthyThreshold: 0", "from 1 to"),
            ("tcp: {path: /}", "no field `path`"),
            ("tcp: {}\nintervall: 5s", "no field `intervall`"),
            ("{", "not YAML"),
        ] {
            let error = HealthCheck::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
