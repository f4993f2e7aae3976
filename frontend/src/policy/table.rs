//! The fields of a policy that can be edited.

use mesh::annotation::HEALTH_CHECK;
use mesh::resource::DurationString;
use serde_json::Value;

use super::{Shown, at, find, list, places};
use crate::words;

/// What a field's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A whole number.
    Count,
    /// A number.
    Number,
    /// A duration, typed in seconds.
    Seconds,
    /// A duration, typed in seconds, of which 0 means something else.
    Life,
    /// 0 to 100.
    Percent,
    /// A text.
    Text,
    /// Texts, with commas between them.
    List,
    /// Regions that stand in for others: `a → b, c → d`.
    Regions,
    /// Shares of the traffic from a place: `a/* → a/*=80 b/*=20, …`.
    Shares,
    /// Whether there is such a part.
    Switch,
    /// One of these: as a select has it, and in words.
    Choice(&'static [(&'static str, &'static str)]),
}

/// A field.
#[derive(Debug)]
pub struct Field {
    /// Where it is in a `trafficPolicy`; below [`HEALTH`], in the annotation with the health check.
    pub path: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// What its value is.
    pub unit: Unit,
    /// What holds where nobody says anything, in words.
    pub default: &'static str,
    /// It has a meaning only where this is set.
    needs: &'static str,
}

const fn field(path: &'static str, label: &'static str, unit: Unit, default: &'static str) -> Field {
    Field { path, label, unit, default, needs: "" }
}

impl Field {
    const fn of(self, needs: &'static str) -> Self {
        Self { needs, ..self }
    }

    /// Its path where it is written: that of a health check begins within the annotation.
    pub fn written(&self) -> &'static str {
        match self.path.strip_prefix(HEALTH) {
            Some("") => HEALTH_CHECK,
            Some(below) => &below[1..],
            None => self.path,
        }
    }
}

/// The part that is no part of a policy: active health checks, which stand in an annotation.
pub(super) const HEALTH: &str = "healthCheck";

const NO_LIMIT: &str = "no limit";
const OF_SYSTEM: &str = "system default";
const COOKIE: &str = "loadBalancer.consistentHash.httpCookie";
const HASH: &str = "loadBalancer.consistentHash";
const WARMUP: &str = "loadBalancer.warmup";
const ON: &[(&str, &str)] = &[("", "not set"), ("true", "on"), ("false", "off")];

/// All fields, in groups with a title and the part of the resource that has them.
pub const GROUPS: [(&str, &str, &[Field]); 5] = [
    (
        "Connection pool",
        "connectionPool",
        &[
            field("connectionPool.tcp.maxConnections", "Maximum connections", Unit::Count, NO_LIMIT),
            field(
                "connectionPool.http.http1MaxPendingRequests",
                "Maximum pending requests",
                Unit::Count,
                NO_LIMIT,
            ),
            field("connectionPool.http.http2MaxRequests", "Maximum active requests", Unit::Count, NO_LIMIT),
            field(
                "connectionPool.http.maxRequestsPerConnection",
                "Maximum requests per connection",
                Unit::Count,
                NO_LIMIT,
            ),
            field(
                "connectionPool.http.maxConcurrentStreams",
                "Maximum concurrent streams",
                Unit::Count,
                NO_LIMIT,
            ),
            field("connectionPool.http.maxRetries", "Maximum active retries", Unit::Count, NO_LIMIT),
            field("retryBudget.percent", "Retry budget, % of requests", Unit::Number, "no budget"),
            field("retryBudget.minRetryConcurrency", "Minimum concurrent retries", Unit::Count, "3")
                .of("retryBudget"),
            field("connectionPool.tcp.connectTimeout", "Connect timeout, s", Unit::Seconds, "10 s"),
            field("connectionPool.http.idleTimeout", "HTTP idle timeout, s", Unit::Seconds, "1 h"),
            field("connectionPool.tcp.idleTimeout", "TCP idle timeout, s", Unit::Seconds, "1 h"),
            field(
                "connectionPool.tcp.maxConnectionDuration",
                "Maximum connection duration, s",
                Unit::Seconds,
                NO_LIMIT,
            ),
            field("connectionPool.tcp.tcpKeepalive", "TCP keepalive", Unit::Switch, "off"),
            field(
                "connectionPool.tcp.tcpKeepalive.time",
                "First keepalive probe after, s",
                Unit::Seconds,
                OF_SYSTEM,
            )
            .of("connectionPool.tcp.tcpKeepalive"),
            field(
                "connectionPool.tcp.tcpKeepalive.interval",
                "Between keepalive probes, s",
                Unit::Seconds,
                OF_SYSTEM,
            )
            .of("connectionPool.tcp.tcpKeepalive"),
            field(
                "connectionPool.tcp.tcpKeepalive.probes",
                "Unanswered keepalive probes",
                Unit::Count,
                OF_SYSTEM,
            )
            .of("connectionPool.tcp.tcpKeepalive"),
            field(
                "connectionPool.http.http2KeepAlive.interval",
                "HTTP/2 PING every, s",
                Unit::Seconds,
                "off",
            ),
            field("connectionPool.http.http2KeepAlive.timeout", "HTTP/2 PING timeout, s", Unit::Seconds, "")
                .of("connectionPool.http.http2KeepAlive"),
        ],
    ),
    (
        "Outlier detection",
        "outlierDetection",
        &[
            field("outlierDetection", "Eject failing instances", Unit::Switch, "off"),
            field("outlierDetection.consecutive5xxErrors", "Consecutive 5xx errors", Unit::Count, "5"),
            field(
                "outlierDetection.consecutiveGatewayErrors",
                "Consecutive gateway errors",
                Unit::Count,
                "not counted",
            ),
            field("outlierDetection.interval", "Interval, s", Unit::Seconds, "10 s"),
            field("outlierDetection.baseEjectionTime", "Base ejection time, s", Unit::Seconds, "30 s"),
            field("outlierDetection.maxEjectionPercent", "Maximum ejection, %", Unit::Percent, "10%"),
            field("outlierDetection.minHealthPercent", "Minimum health, %", Unit::Percent, "0%"),
        ],
    ),
    (
        "Health checks",
        HEALTH_CHECK,
        &[
            field(HEALTH, "Check each instance by", Unit::Choice(KINDS), "off"),
            field("healthCheck.http.path", "Path", Unit::Text, "/").of("healthCheck.http"),
            field("healthCheck.grpc.service", "gRPC service to check", Unit::Text, "the whole server")
                .of("healthCheck.grpc"),
            field("healthCheck.port", "Port", Unit::Count, "the instance's").of(HEALTH),
            field("healthCheck.interval", "Check interval, s", Unit::Seconds, "10 s").of(HEALTH),
            field("healthCheck.timeout", "Check timeout, s", Unit::Seconds, "1 s").of(HEALTH),
            field("healthCheck.unhealthyThreshold", "Unhealthy after failures", Unit::Count, "3").of(HEALTH),
            field("healthCheck.healthyThreshold", "Healthy after passes", Unit::Count, "2").of(HEALTH),
        ],
    ),
    (
        "Load balancing",
        "loadBalancer",
        &[
            field("loadBalancer", "Algorithm", Unit::Choice(ALGORITHMS), "LEAST_REQUEST"),
            field("loadBalancer.consistentHash.httpHeaderName", "Header", Unit::Text, "")
                .of("loadBalancer.consistentHash.httpHeaderName"),
            field("loadBalancer.consistentHash.httpCookie.name", "Cookie name", Unit::Text, "").of(COOKIE),
            field("loadBalancer.consistentHash.httpCookie.path", "Cookie path", Unit::Text, "").of(COOKIE),
            field(
                "loadBalancer.consistentHash.httpCookie.ttl",
                "Cookie lifetime, s",
                Unit::Life,
                "set by the client",
            )
            .of(COOKIE),
            field("loadBalancer.consistentHash.httpQueryParameterName", "Query parameter", Unit::Text, "")
                .of("loadBalancer.consistentHash.httpQueryParameterName"),
            field(RING, "Minimum ring size", Unit::Count, "1024").of(HASH),
            field(MAGLEV, "Maglev table size, a prime", Unit::Count, "none").of(HASH),
            field("loadBalancer.warmup.duration", "Warm-up of new instances, s", Unit::Seconds, "off"),
            field("loadBalancer.warmup.minimumPercent", "Warm-up starts at, %", Unit::Number, "10")
                .of(WARMUP),
            field("loadBalancer.warmup.aggression", "Warm-up aggression", Unit::Number, "1").of(WARMUP),
        ],
    ),
    (
        "Locality",
        "localityLbSetting",
        &[
            field(
                "loadBalancer.localityLbSetting.enabled",
                "Prefer nearby instances",
                Unit::Choice(ON),
                "on",
            ),
            field("loadBalancer.localityLbSetting.failover", "Failover regions", Unit::Regions, "any region"),
            field(
                "loadBalancer.localityLbSetting.failoverPriority",
                "Failover priority, by labels",
                Unit::List,
                "none",
            ),
            field("loadBalancer.localityLbSetting.distribute", "Traffic distribution", Unit::Shares, "none"),
        ],
    ),
];

/// The two tables that a hash can have; one excludes the other.
pub(super) const RING: &str = "loadBalancer.consistentHash.ringHash.minimumRingSize";
pub(super) const MAGLEV: &str = "loadBalancer.consistentHash.maglev.tableSize";

/// How an instance is chosen. Those in capitals are values of `simple`.
pub(super) const ALGORITHMS: &[(&str, &str)] = &[
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

/// What an instance is asked by.
const KINDS: &[(&str, &str)] =
    &[("", "not set"), ("http", "HTTP"), ("tcp", "TCP connection"), ("grpc", "gRPC")];

/// All of them, one after the other.
pub fn fields() -> impl Iterator<Item = &'static Field> {
    GROUPS.iter().flat_map(|(_, _, fields)| fields.iter())
}

/// The origin of a value that no policy sets.
pub(super) const DEFAULT: &str = "default";

/// A field's value for a scope whose own policy is `own`, below these policies.
pub(super) fn shown(field: &Field, own: Option<&Value>, layers: &[(String, &Value)]) -> Shown {
    let own = own.and_then(|own| at(own, field.path));
    let found = find(layers, field.path);
    let detects = find(layers, "outlierDetection").is_some();
    let (effective, origin) = match found {
        Some((value, origin)) => (in_words(field, value), origin),
        None if field.path.starts_with("outlierDetection.") && !detects => ("off".to_owned(), DEFAULT),
        None => (field.default.to_owned(), DEFAULT),
    };
    Shown {
        own: own.map(|own| typed(field.unit, own)).unwrap_or_default(),
        effective,
        origin: origin.to_owned(),
        visible: field.needs.is_empty() || find(layers, field.needs).is_some(),
    }
}

/// A value as it stands in its control.
fn typed(unit: Unit, value: &Value) -> String {
    match unit {
        Unit::Switch => "on".to_owned(),
        Unit::Choice(choices) => chosen(choices, value).0.to_owned(),
        Unit::Regions | Unit::Shares => places::written(value),
        Unit::List => list(Some(value)).iter().map(text).collect::<Vec<_>>().join(", "),
        Unit::Seconds | Unit::Life => match millis(value) {
            Some(millis) => words::seconds(millis),
            None => text(value),
        },
        Unit::Count | Unit::Number | Unit::Percent | Unit::Text => text(value),
    }
}

fn in_words(field: &Field, value: &Value) -> String {
    // Istio takes 0 for what is not set, but for errors in a row, which it turns off.
    let zero = value.as_i64().is_some_and(|number| number <= 0) || millis(value) == Some(0);
    match field.unit {
        Unit::Switch => "on".to_owned(),
        Unit::Choice(choices) => match chosen(choices, value) {
            ("", _) => field.default.to_owned(),
            (_, words) => words.to_owned(),
        },
        Unit::Count if zero && field.path.ends_with("5xxErrors") => "not counted".to_owned(),
        Unit::Count | Unit::Seconds if zero => field.default.to_owned(),
        Unit::Life if zero => "session cookie".to_owned(),
        Unit::Percent => format!("{}%", text(value)),
        Unit::Seconds | Unit::Life => match millis(value) {
            Some(millis) => words::millis(millis),
            None => text(value),
        },
        unit => typed(unit, value),
    }
}

/// Which of these a value is: a truth, a part that it has, an algorithm.
pub(super) fn chosen(
    choices: &'static [(&'static str, &'static str)],
    value: &Value,
) -> (&'static str, &'static str) {
    let simple = at(value, "simple").and_then(Value::as_str);
    let has = |name: &str| {
        let there = |part: Option<&Value>| part.is_some_and(|part| *part != Value::Bool(false));
        let truth = value.as_bool().is_some_and(|truth| name == if truth { "true" } else { "false" });
        truth
            || simple == Some(name)
            || value.get(name).is_some()
            || there(at(value, "consistentHash").and_then(|hash| at(hash, name)))
    };
    choices.iter().find(|(name, _)| has(name)).copied().unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn millis(value: &Value) -> Option<u64> {
    let length = DurationString(value.as_str()?.to_owned()).parse().ok()?;
    u64::try_from(length.as_millis()).ok()
}
