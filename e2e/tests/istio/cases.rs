//! The mesh, and what is asked of it. Each case has a host of its own; where Istio and the built-in proxy differ, it says why.

use crate::lab::Ports;
use e2e::wire::Request;

/// Where a request goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the edge.
    Gateway,
    /// From a workload.
    Sidecar,
}

/// One request.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) request: Vec<u8>,
    /// Headers of the answer that are compared.
    pub(crate) headers: &'static [&'static str],
    /// Headers that are compared where they reach the backend.
    pub(crate) upstream: &'static [&'static str],
    /// Further requests may reach the backend that nobody waits for.
    pub(crate) copies: bool,
    /// Why there is a difference.
    pub(crate) differs: Option<&'static str>,
}

impl Case {
    /// What is compared of a request at the backend.
    pub(crate) fn shown(&self, seen: &Request) -> String {
        let mut shown = format!("{} {}", seen.method, seen.path);
        for name in self.upstream {
            let values: Vec<_> =
                seen.headers.iter().filter(|(it, _)| it == name).map(|(_, value)| &**value).collect();
            if !values.is_empty() {
                shown += &format!(" {name}: {}", values.join(" | "));
            }
        }
        shown
    }
}

/// All resources.
pub(crate) fn mesh(ports: &Ports, backend: u16) -> String {
    include_str!("mesh.yaml")
        .replace("{SERVICE}", &ports.service.to_string())
        .replace("{OTHER}", &ports.other.to_string())
        .replace("{GATEWAY}", &ports.gateway.to_string())
        .replace("{BACKEND}", &backend.to_string())
}

/// A line of the table.
struct Row {
    place: Place,
    name: &'static str,
    /// Lines end with LF here; `{P}` is the port.
    request: &'static str,
    headers: &'static [&'static str],
    upstream: &'static [&'static str],
    copies: bool,
    differs: Option<&'static str>,
}

const fn at(place: Place, name: &'static str, request: &'static str) -> Row {
    Row { place, name, request, headers: &[], upstream: &[], copies: false, differs: None }
}

const fn gateway(name: &'static str, request: &'static str) -> Row {
    at(Place::Gateway, name, request)
}

const fn sidecar(name: &'static str, request: &'static str) -> Row {
    at(Place::Sidecar, name, request)
}

impl Row {
    const fn answer(self, headers: &'static [&'static str]) -> Self {
        Self { headers, ..self }
    }

    const fn sees(self, upstream: &'static [&'static str]) -> Self {
        Self { upstream, ..self }
    }

    const fn copies(self) -> Self {
        Self { copies: true, ..self }
    }

    const fn differs(self, why: &'static str) -> Self {
        Self { differs: Some(why), ..self }
    }
}

/// All requests.
pub(crate) fn cases(ports: &Ports) -> Vec<Case> {
    let paths = PATHS
        .iter()
        .map(|path| (format!("path {path}"), format!("GET {path} HTTP/1.1\nhost: paths.example.com\n\n")));
    let paths = paths.map(|(name, request)| {
        let cut = "the library that reads requests here cuts a fragment off; nothing behind it is routed or passed on";
        let row = Row { differs: name.contains('#').then_some(cut), ..gateway("", "") };
        (name, request, row)
    });
    let rows = ROWS.iter().map(|row| (row.name.to_owned(), row.request.to_owned(), Row { ..*row }));
    paths
        .chain(rows)
        .map(|(name, request, row)| {
            let port = if row.place == Place::Gateway { ports.gateway } else { ports.service };
            let request = request.replace('\n', "\r\n").replace("{P}", &port.to_string()).into_bytes();
            let Row { place, headers, upstream, copies, differs, .. } = row;
            Case { name, place, request, headers, upstream, copies, differs }
        })
        .collect()
}

/// Around a rule that answers `/admin` with 403.
const PATHS: [&str; 17] = [
    "/admin",
    "/public/../admin",
    "/./admin",
    "/%61dmin",
    "/public/%2e%2e/admin",
    "/public/%2E./admin",
    "/public\\..\\admin",
    "/\\admin",
    "//admin",
    "/a//../admin",
    "/a%2fb",
    "/A%2Fb/%7e%7E",
    "/../../admin",
    "/a/./b/../c?d=/../e",
    "/a%00b",
    "/a#b",
    "/a%zz",
];

const CORS: &[&str] = &[
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
    "access-control-allow-credentials",
    "access-control-max-age",
];

const CLAIMS: &[&str] = &[
    "x-forwarded-proto",
    "x-envoy-internal",
    "x-envoy-external-address",
    "x-envoy-original-path",
    "x-envoy-original-host",
    "x-envoy-force-trace",
    "x-envoy-retry-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-ip-tags",
];

/// Why workloads' overrides differ.
const OVERRIDES: &str =
    "inside the mesh a caller may override retries and timeouts here; Istio's sidecars ignore it";

const ROWS: &[Row] = &[
    // What clients claim.
    gateway(
        "retries that a client asks for",
        "GET /status-503 HTTP/1.1\nhost: plain.example.com\nx-envoy-retry-on: 5xx\nx-envoy-max-retries: 3\n\n",
    )
    .sees(CLAIMS),
    gateway(
        "what a client claims",
        "GET / HTTP/1.1\nhost: plain.example.com\nx-forwarded-proto: https\nx-envoy-internal: true\nx-envoy-external-address: 1.2.3.4\n\
         x-envoy-original-path: /x\nx-envoy-original-host: y\nx-envoy-force-trace: true\nx-envoy-decorator-operation: z\n\
         x-envoy-upstream-rq-timeout-ms: 0\nx-envoy-ip-tags: a\n\n",
    )
    .sees(CLAIMS),
    gateway("a claimed scheme that a rule matches", "GET / HTTP/1.1\nhost: claims.example.com\nx-forwarded-proto: https\n\n"),
    gateway("a claim that a rule matches", "GET / HTTP/1.1\nhost: claims.example.com\nx-envoy-internal: true\n\n"),
    sidecar(
        "retries that a workload asks for",
        "GET /status-503 HTTP/1.1\nhost: plain.example.com:{P}\nx-envoy-retry-on: 5xx\nx-envoy-max-retries: 2\n\n",
    )
    .differs(OVERRIDES),
    // Upgrades.
    gateway("upgrade h2c", "GET / HTTP/1.1\nhost: plain.example.com\nconnection: upgrade, http2-settings\nupgrade: h2c\nhttp2-settings: AAMAAABk\n\n")
        .sees(&["upgrade", "connection"]),
    gateway("upgrade foo", "GET / HTTP/1.1\nhost: plain.example.com\nconnection: upgrade\nupgrade: foo\n\n")
        .sees(&["upgrade", "connection"]),
    gateway("upgrade websocket", "GET / HTTP/1.1\nhost: plain.example.com\nconnection: Upgrade\nupgrade: WebSocket\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\nsec-websocket-version: 13\n\n")
        .sees(&["upgrade"]),
    gateway("upgrade foo and websocket", "GET / HTTP/1.1\nhost: plain.example.com\nconnection: upgrade\nupgrade: foo, websocket\n\n")
        .sees(&["upgrade"]),
    // Repeated headers.
    gateway("a header that a rule refuses, second", "GET / HTTP/1.1\nhost: roles.example.com\nx-role: x\nx-role: admin\n\n"),
    gateway("a header that a rule refuses, first", "GET / HTTP/1.1\nhost: roles.example.com\nx-role: admin\nx-role: x\n\n"),
    gateway("a header by prefix, second", "GET / HTTP/1.1\nhost: roles.example.com\nx-prefix: x\nx-prefix: adm\n\n"),
    gateway("a header by expression, second", "GET / HTTP/1.1\nhost: roles.example.com\nx-regex: x\nx-regex: admin\n\n"),
    gateway("withoutHeaders, on the second line", "GET / HTTP/1.1\nhost: roles.example.com\nx-ok: 1\nx-without: x\nx-without: yes\n\n"),
    gateway("withoutHeaders, on none", "GET / HTTP/1.1\nhost: roles.example.com\nx-ok: 1\nx-without: x\nx-without: y\n\n"),
    gateway("a cookie in two lines", "GET / HTTP/1.1\nhost: roles.example.com\ncookie: a=b\ncookie: role=admin\n\n").sees(&["cookie"]),
    // CORS.
    gateway("CORS, any origin", "GET / HTTP/1.1\nhost: cors.example.com\norigin: https://a.example\n\n").answer(CORS),
    gateway("CORS, preflight", "OPTIONS / HTTP/1.1\nhost: cors.example.com\norigin: https://a.example\naccess-control-request-method: PUT\naccess-control-request-headers: x-a, x-b\n\n")
        .answer(CORS),
    gateway("CORS, preflight of named methods", "OPTIONS /named HTTP/1.1\nhost: cors.example.com\norigin: https://a.example\naccess-control-request-method: PUT\naccess-control-request-headers: x-a\n\n")
        .answer(CORS),
    gateway("CORS, preflight of another origin", "OPTIONS /named HTTP/1.1\nhost: cors.example.com\norigin: https://b.example\naccess-control-request-method: PUT\n\n")
        .answer(CORS),
    // Operations on headers.
    gateway("headers of a sole destination and its route", "GET / HTTP/1.1\nhost: ops.example.com\nx-a: client\nx-empty: client\n\n")
        .answer(&["x-r", "x-back"])
        .sees(&["x-a", "x-b", "x-empty", "x-path", "x-host", "x-odd", "x-gone"]),
    gateway("headers of several destinations and their route", "GET /several HTTP/1.1\nhost: ops.example.com\nx-a: client\n\n")
        .answer(&["x-r"])
        .sees(&["x-a", "x-b"]),
    gateway("another authority, of the route", "GET / HTTP/1.1\nhost: authority.example.com\n\n").sees(&["host", "x-envoy-original-host"]),
    gateway("another authority, of the destination", "GET /destination HTTP/1.1\nhost: authority.example.com\n\n").sees(&["host", "x-envoy-original-host"]),
    gateway("another authority, of a rewrite", "GET /rewrite/x HTTP/1.1\nhost: authority.example.com\n\n")
        .sees(&["host", "x-envoy-original-host", "x-envoy-original-path"]),
    // Retries.
    gateway("a backend that hangs up, no attempts", "GET /close HTTP/1.1\nhost: never.example.com\n\n"),
    gateway("a backend that hangs up, DELETE", "DELETE /close HTTP/1.1\nhost: never.example.com\n\n"),
    gateway("a backend that hangs up, as by default", "GET /close HTTP/1.1\nhost: plain.example.com\n\n"),
    gateway("retryOn with a number", "GET /status-418 HTTP/1.1\nhost: retryon.example.com\n\n"),
    gateway("retryOn of gateway errors", "GET /status-502 HTTP/1.1\nhost: retryon.example.com\n\n"),
    gateway("retryOn, none of it", "GET /status-500 HTTP/1.1\nhost: retryon.example.com\n\n"),
    // Destinations.
    gateway("a host that only a wildcard covers", "GET / HTTP/1.1\nhost: wild.example.com\n\n"),
    gateway("a host in another case", "GET / HTTP/1.1\nhost: case.example.com\n\n"),
    sidecar("a host that only a wildcard covers, from a workload", "GET / HTTP/1.1\nhost: wild.example.com:{P}\n\n"),
    sidecar("a service without the port", "GET / HTTP/1.1\nhost: noport.example.com:{P}\n\n"),
    sidecar("a copy to a service without the port", "GET / HTTP/1.1\nhost: mirrored.example.com:{P}\n\n").copies(),
    gateway("a service without the port, at a gateway", "GET / HTTP/1.1\nhost: noport.example.com\n\n"),
    gateway("two entries of one host", "GET / HTTP/1.1\nhost: twice.example.com\n\n"),
    // The edge of HTTP.
    gateway("an answer of 201", "GET /201 HTTP/1.1\nhost: direct.example.com\n\n").answer(&["location"]),
    gateway("an answer of 302", "GET /302 HTTP/1.1\nhost: direct.example.com\n\n").answer(&["location"]),
    gateway("an answer of 204", "GET /204 HTTP/1.1\nhost: direct.example.com\n\n").answer(&["location"]),
    gateway("an unknown method", "FOO / HTTP/1.1\nhost: plain.example.com\n\n"),
    gateway("a method in lower case", "get / HTTP/1.1\nhost: plain.example.com\n\n"),
    gateway("PROPFIND", "PROPFIND / HTTP/1.1\nhost: plain.example.com\n\n"),
    gateway("OPTIONS *", "OPTIONS * HTTP/1.1\nhost: plain.example.com\n\n"),
    gateway("TRACE", "TRACE / HTTP/1.1\nhost: plain.example.com\n\n"),
    gateway("a host with a space", "GET / HTTP/1.1\nhost: be ta\n\n"),
    gateway("a host with #", "GET / HTTP/1.1\nhost: a#\n\n"),
    gateway("a host with <", "GET / HTTP/1.1\nhost: <a>\n\n"),
    gateway("a host with @", "GET / HTTP/1.1\nhost: u@plain.example.com\n\n"),
    gateway("a host with a slash", "GET / HTTP/1.1\nhost: plain.example.com/x\n\n"),
    gateway("an empty host", "GET / HTTP/1.1\nhost:\n\n"),
    gateway("a host with an odd port", "GET / HTTP/1.1\nhost: plain.example.com:99999\n\n"),
    gateway("a host with a dot at its end", "GET / HTTP/1.1\nhost: plain.example.com.\n\n"),
    gateway("an unknown host", "GET / HTTP/1.1\nhost: nobody.example.org\n\n"),
    gateway("an absolute target", "GET http://plain.example.com/a HTTP/1.1\nhost: nobody.example.org\n\n").sees(&["host"]),
    // Zero values.
    gateway("zeros and empty texts", "GET /zeros HTTP/1.1\nhost: zeros.example.com\n\n").sees(&["host"]),
    gateway("a redirect with empty fields", "GET /redirect HTTP/1.1\nhost: zeros.example.com\n\n").answer(&["location"]),
];
