//! The values of a header, as conditions see them: each line is one, as in Envoy since 1.39.

use std::borrow::Cow;

use super::Request;

/// The values of a header or of a query parameter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values<'r> {
    first: Option<Cow<'r, str>>,
    /// Nearly always empty, and then nothing is allocated for it.
    rest: Vec<Cow<'r, str>>,
}

/// The values of a request's header; pseudo headers and `host` by their names.
pub fn values<'r>(request: &'r impl Request, name: &'r str) -> Values<'r> {
    match name {
        ":method" => Some(request.method()).into(),
        ":scheme" => Some(request.scheme()).into(),
        ":authority" | "host" => Some(request.authority()).into(),
        ":path" => Some(request.path()).into(),
        _ => {
            let mut lines = request.header(name);
            let mut values = Values { first: lines.next(), rest: Vec::new() };
            if let Some(second) = lines.next() {
                values.rest.push(second);
                values.rest.extend(lines);
                if is_joined(name) {
                    values = Values { first: values.joined(), rest: Vec::new() };
                }
            }
            values
        }
    }
}

impl<'r> Values<'r> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.first.iter().chain(&self.rest).map(|value| &**value)
    }

    /// All of them in one; `None` when there are none.
    pub fn joined(self) -> Option<Cow<'r, str>> {
        let first = self.first?;
        if self.rest.is_empty() {
            return Some(first);
        }
        Some(Cow::Owned(self.rest.iter().fold(first.into_owned(), |all, value| all + "," + value)))
    }
}

impl<'r> From<Option<&'r str>> for Values<'r> {
    fn from(value: Option<&'r str>) -> Self {
        Self { first: value.map(Cow::Borrowed), rest: Vec::new() }
    }
}

/// Whether Envoy keeps one value of a header and joins the lines that come by `,`: its «inline» headers, asked one by one of
/// Envoy 1.40. All others stay as they came, line by line.
pub fn is_joined(name: &str) -> bool {
    JOINED.binary_search(&name).is_ok()
}

/// Sorted.
const JOINED: [&str; 53] = [
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "cdn-loop",
    "content-encoding",
    "content-type",
    "expect",
    "grpc-accept-encoding",
    "grpc-timeout",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "pragma",
    "proxy-status",
    "referer",
    "user-agent",
    "via",
    "x-client-trace-id",
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-is-timeout-retry",
    "x-envoy-max-retries",
    "x-envoy-original-host",
    "x-envoy-original-path",
    "x-envoy-original-url",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_that_are_joined_are_found() {
        assert!(JOINED.is_sorted());
        for (name, expected) in [
            ("accept", true),
            ("x-request-id", true),
            ("x-envoy-retry-on", true),
            ("x-envoy-fault-abort-request", false),
            ("cookie", false),
            ("x-role", false),
        ] {
            assert_eq!(is_joined(name), expected, "{name}");
        }
    }
}
