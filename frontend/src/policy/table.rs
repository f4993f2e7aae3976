//! The fields of a policy that can be edited.

use mesh::resource::DurationString;
use serde_json::Value;

use super::{Shown, at, find};
use crate::words;

/// What a field's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A whole number.
    Count,
    /// A duration, typed in seconds.
    Seconds,
    /// 0 to 100.
    Percent,
    /// A text. It has a meaning only where it is set already: the algorithm asks for it.
    Text,
    /// As [`Unit::Text`], a duration typed in seconds.
    Life,
    /// Whether there is such a part.
    Switch,
    /// How an instance is chosen: one of [`ALGORITHMS`].
    Algorithm,
}

/// A field.
#[derive(Debug)]
pub struct Field {
    /// Where it is in a `trafficPolicy`.
    pub path: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// What its value is.
    pub unit: Unit,
    /// What holds where nobody says anything, in words.
    pub default: &'static str,
}

const fn field(path: &'static str, label: &'static str, unit: Unit, default: &'static str) -> Field {
    Field { path, label, unit, default }
}

const NO_LIMIT: &str = "no limit";

/// All fields, in groups with a title.
pub const GROUPS: [(&str, &[Field]); 3] = [
    (
        "Limits",
        &[
            field("connectionPool.tcp.maxConnections", "Connections", Unit::Count, NO_LIMIT),
            field("connectionPool.http.http1MaxPendingRequests", "Waiting requests", Unit::Count, NO_LIMIT),
            field("connectionPool.http.http2MaxRequests", "Requests under way", Unit::Count, NO_LIMIT),
            field(
                "connectionPool.http.maxRequestsPerConnection",
                "Requests per connection",
                Unit::Count,
                NO_LIMIT,
            ),
            field("connectionPool.http.maxRetries", "Retries under way", Unit::Count, NO_LIMIT),
            field("connectionPool.tcp.connectTimeout", "Connect timeout, s", Unit::Seconds, "10 s"),
            field("connectionPool.http.idleTimeout", "Idle timeout, s", Unit::Seconds, "1 h"),
        ],
    ),
    (
        "Outlier detection",
        &[
            field("outlierDetection", "Eject instances that fail", Unit::Switch, "off"),
            field("outlierDetection.consecutive5xxErrors", "5xx in a row", Unit::Count, "5"),
            field(
                "outlierDetection.consecutiveGatewayErrors",
                "Gateway errors in a row",
                Unit::Count,
                "not counted",
            ),
            field("outlierDetection.interval", "Interval, s", Unit::Seconds, "10 s"),
            field("outlierDetection.baseEjectionTime", "Base ejection time, s", Unit::Seconds, "30 s"),
            field("outlierDetection.maxEjectionPercent", "At most ejected, %", Unit::Percent, "10%"),
            field("outlierDetection.minHealthPercent", "Off below healthy, %", Unit::Percent, "0%"),
        ],
    ),
    (
        "Load balancing",
        &[
            field("loadBalancer", "Algorithm", Unit::Algorithm, "LEAST_REQUEST"),
            field("loadBalancer.consistentHash.httpHeaderName", "Header", Unit::Text, ""),
            field("loadBalancer.consistentHash.httpCookie.name", "Cookie", Unit::Text, ""),
            field("loadBalancer.consistentHash.httpCookie.ttl", "Life of the cookie, s", Unit::Life, ""),
            field("loadBalancer.consistentHash.httpQueryParameterName", "Query parameter", Unit::Text, ""),
        ],
    ),
];

/// How an instance is chosen: as a select has it, and in words. Those in capitals are values of `simple`.
pub const ALGORITHMS: [(&str, &str); 9] = [
    ("", "not set"),
    ("LEAST_REQUEST", "LEAST_REQUEST"),
    ("ROUND_ROBIN", "ROUND_ROBIN"),
    ("RANDOM", "RANDOM"),
    ("PASSTHROUGH", "PASSTHROUGH"),
    ("httpHeaderName", "hash of a header"),
    ("httpCookie", "hash of a cookie"),
    ("useSourceIp", "hash of the source IP"),
    ("httpQueryParameterName", "hash of a query parameter"),
];

/// All of them, one after the other.
pub fn fields() -> impl Iterator<Item = &'static Field> {
    GROUPS.iter().flat_map(|(_, fields)| fields.iter())
}

/// A field's value for a scope whose own policy is `own`, below these policies.
pub(super) fn shown(field: &Field, own: Option<&Value>, layers: &[(String, &Value)]) -> Shown {
    let own = own.and_then(|own| at(own, field.path));
    let found = find(layers, field.path);
    let detects = find(layers, "outlierDetection").is_some();
    let (effective, origin) = match found {
        Some((value, origin)) => (in_words(field, value), origin),
        None if field.path.starts_with("outlierDetection.") && !detects => ("off".to_owned(), "default"),
        None => (field.default.to_owned(), "default"),
    };
    Shown {
        own: own.map(|own| typed(field.unit, own)).unwrap_or_default(),
        effective,
        origin: origin.to_owned(),
        visible: found.is_some() || !matches!(field.unit, Unit::Text | Unit::Life),
    }
}

/// A value as it stands in its control.
fn typed(unit: Unit, value: &Value) -> String {
    match unit {
        Unit::Switch => "on".to_owned(),
        Unit::Algorithm => algorithm(value).to_owned(),
        Unit::Seconds | Unit::Life => match millis(value) {
            Some(millis) => words::seconds(millis),
            None => text(value),
        },
        Unit::Count | Unit::Percent | Unit::Text => text(value),
    }
}

fn in_words(field: &Field, value: &Value) -> String {
    // Istio takes 0 for what is not set, but for errors in a row, which it turns off.
    let zero = value.as_i64().is_some_and(|number| number <= 0) || millis(value) == Some(0);
    match field.unit {
        Unit::Switch => "on".to_owned(),
        Unit::Algorithm => {
            let own = algorithm(value);
            let known = ALGORITHMS.iter().find(|(name, _)| *name == own && !own.is_empty());
            known.map_or(field.default, |(_, words)| words).to_owned()
        }
        Unit::Count if zero && field.path.ends_with("5xxErrors") => "not counted".to_owned(),
        Unit::Count | Unit::Seconds if zero => field.default.to_owned(),
        Unit::Life if zero => "the browser's session".to_owned(),
        Unit::Percent => format!("{}%", text(value)),
        Unit::Seconds | Unit::Life => match millis(value) {
            Some(millis) => words::millis(millis),
            None => text(value),
        },
        Unit::Count | Unit::Text => text(value),
    }
}

/// Which of [`ALGORITHMS`] a `loadBalancer` asks for.
pub(super) fn algorithm(balancer: &Value) -> &'static str {
    let simple = at(balancer, "simple").and_then(Value::as_str);
    let hash = at(balancer, "consistentHash");
    let is = |(name, _): &&(&str, &str)| {
        simple == Some(name)
            || hash.and_then(|hash| at(hash, name)).is_some_and(|it| *it != Value::Bool(false))
    };
    ALGORITHMS.iter().find(is).map_or("", |(name, _)| name)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => mesh::json::write(other),
    }
}

fn millis(value: &Value) -> Option<u64> {
    let length = DurationString(value.as_str()?.to_owned()).parse().ok()?;
    u64::try_from(length.as_millis()).ok()
}
