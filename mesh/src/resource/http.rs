//! HTTP routes of a VirtualService.

use std::collections::BTreeMap;

use super::destination::Destination;
use super::scalar::{DurationString, Percent};

messages! {
    /// One rule: what it matches and what it does.
    HttpRoute {
        /// Its name, for people and logs.
        name: Option<String>,
        /// ORed; none matches everything.
        r#match: Vec<HttpMatch>,
        /// Weighted destinations.
        route: Vec<HttpRouteDestination>,
        /// Answers with a redirect instead.
        redirect: Option<HttpRedirect>,
        /// Answers by itself instead.
        direct_response: Option<HttpDirectResponse>,
        /// Goes on in another VirtualService.
        delegate: Option<Delegate>,
        /// Changes path and authority on the way.
        rewrite: Option<HttpRewrite>,
        /// For the whole request with its retries.
        timeout: Option<DurationString>,
        /// Retries.
        retries: Option<HttpRetry>,
        /// Faults to inject.
        fault: Option<HttpFault>,
        /// Where a copy goes.
        mirror: Option<Destination>,
        /// Where copies go, each with its share.
        mirrors: Vec<HttpMirror>,
        /// Share of `mirror`, in percent. Deprecated for `mirrorPercentage`.
        mirror_percent [present] as "mirrorPercent" | "mirror_percent": Option<i64>,
        /// Share of `mirror`.
        mirror_percentage: Option<Percent>,
        /// Cross-origin policy.
        cors_policy: Option<CorsPolicy>,
        /// Header operations.
        headers: Option<Headers>,
    }

    /// What a request must have; fields are ANDed.
    HttpMatch {
        /// Its name, for people and logs.
        name: Option<String>,
        /// Path without query.
        uri: Option<StringMatch>,
        /// `uri` without regard to case, for exact and prefix.
        ignore_uri_case: Option<bool>,
        /// `http` or `https`.
        scheme: Option<StringMatch>,
        /// Method.
        method: Option<StringMatch>,
        /// Host and port as the client sent them.
        authority: Option<StringMatch>,
        /// Headers, by name. An empty match means that it is there.
        headers: BTreeMap<String, StringMatch>,
        /// Headers that must not match.
        without_headers: BTreeMap<String, StringMatch>,
        /// Query parameters, by name.
        query_params: BTreeMap<String, StringMatch>,
        /// Port that it is addressed to.
        port: Option<i64>,
        /// Labels of the workload that it comes from.
        source_labels: BTreeMap<String, String>,
        /// Namespace that it comes from.
        source_namespace: Option<String>,
        /// Gateways that the rule applies to.
        gateways: Vec<String>,
        /// Prefix of the statistics.
        stat_prefix: Option<String>,
    }

    /// A comparison; one of the three at most. None of them means presence.
    StringMatch {
        /// Equal.
        exact [present]: Option<String>,
        /// Begins with it.
        prefix [present]: Option<String>,
        /// The whole matches, in RE2's syntax.
        regex [present]: Option<String>,
    }

    /// A weighted destination.
    HttpRouteDestination {
        /// Where it leads.
        destination: Option<Destination>,
        /// Its weight.
        weight: Option<i64>,
        /// Header operations for this destination alone.
        headers: Option<Headers>,
    }

    /// A redirect.
    HttpRedirect {
        /// New path.
        uri: Option<String>,
        /// What replaces the prefix that matched.
        prefix_rewrite: Option<String>,
        /// New authority.
        authority: Option<String>,
        /// New port.
        port [present]: Option<i64>,
        /// Where the port comes from.
        derive_port: Option<DerivePort>,
        /// New scheme.
        scheme: Option<String>,
        /// 301 unless set.
        redirect_code: Option<i64>,
    }

    /// An answer of the proxy's own.
    HttpDirectResponse {
        /// Status.
        status: Option<i64>,
        /// Body.
        body: Option<HttpBody>,
    }

    /// A body; one of the two.
    HttpBody {
        /// Text.
        string [present]: Option<String>,
        /// Base64.
        bytes [present]: Option<String>,
    }

    /// A VirtualService that goes on.
    Delegate {
        /// Its name.
        name: Option<String>,
        /// Its namespace; that of the root unless set.
        namespace: Option<String>,
    }

    /// Changes of path and authority.
    HttpRewrite {
        /// Replaces the prefix that matched, or the path.
        uri: Option<String>,
        /// New authority.
        authority: Option<String>,
        /// Replaces by a pattern.
        uri_regex_rewrite: Option<RegexRewrite>,
    }

    /// A pattern and its substitution.
    RegexRewrite {
        /// In RE2's syntax.
        r#match: Option<String>,
        /// With `\1` for the first group.
        rewrite: Option<String>,
    }

    /// Retries of a route.
    HttpRetry {
        /// After the first try; 0 is none.
        attempts: Option<i64>,
        /// For each try.
        per_try_timeout: Option<DurationString>,
        /// Conditions, comma-separated.
        retry_on: Option<String>,
        /// Other localities are tried too.
        retry_remote_localities [present]: Option<bool>,
        /// Hosts already tried are avoided.
        retry_ignore_previous_hosts [present]: Option<bool>,
        /// Base of the back-off.
        backoff: Option<DurationString>,
    }

    /// Faults; the delay comes first.
    HttpFault {
        /// A delay.
        delay: Option<FaultDelay>,
        /// An abort.
        abort: Option<FaultAbort>,
    }

    /// A delay.
    FaultDelay {
        /// How long.
        fixed_delay: Option<DurationString>,
        /// Mean of an exponential distribution; Istio does not implement it.
        exponential_delay: Option<DurationString>,
        /// Of requests. Missing together with `percent`, it is none.
        percentage: Option<Percent>,
        /// In whole percents. Deprecated for `percentage`.
        percent [present]: Option<i64>,
    }

    /// An abort.
    FaultAbort {
        /// Status.
        http_status [present]: Option<i64>,
        /// gRPC status, by name or number.
        grpc_status [present]: Option<String>,
        /// HTTP/2 error; Istio does not implement it.
        http2_error [present]: Option<String>,
        /// Of requests. Missing together with `percent`, it is none.
        percentage: Option<Percent>,
        /// In whole percents. Gone from the API, which has `percentage`.
        percent [present]: Option<i64>,
    }

    /// A copy of traffic.
    HttpMirror {
        /// Where it goes.
        destination: Option<Destination>,
        /// Its share; all unless set.
        percentage: Option<Percent>,
    }

    /// Cross-origin policy.
    CorsPolicy {
        /// Origins, exact. Deprecated for `allowOrigins`.
        allow_origin: Vec<String>,
        /// Origins.
        allow_origins: Vec<StringMatch>,
        /// Methods.
        allow_methods: Vec<String>,
        /// Headers of the request.
        allow_headers: Vec<String>,
        /// Headers of the response.
        expose_headers: Vec<String>,
        /// How long the answer holds.
        max_age: Option<DurationString>,
        /// With credentials.
        allow_credentials [present]: Option<bool>,
        /// What a preflight that does not match gets.
        unmatched_preflights: Option<UnmatchedPreflights>,
    }

    /// Header operations, both ways.
    Headers {
        /// On the request.
        request: Option<HeaderOperations>,
        /// On the response.
        response: Option<HeaderOperations>,
    }

    /// Header operations, one way.
    HeaderOperations {
        /// Overwrites.
        set: BTreeMap<String, String>,
        /// Appends.
        add: BTreeMap<String, String>,
        /// Removes.
        remove: Vec<String>,
    }
}

open_enums! {
    /// Where the port of a redirect comes from.
    DerivePort {
        /// The scheme's default.
        FromProtocolDefault = "FROM_PROTOCOL_DEFAULT",
        /// The request's.
        FromRequestPort = "FROM_REQUEST_PORT",
    }

    /// What a preflight that does not match gets.
    UnmatchedPreflights {
        /// As `FORWARD`.
        Unspecified = "UNSPECIFIED",
        /// It goes upstream.
        Forward = "FORWARD",
        /// It is answered without the policy's headers.
        Ignore = "IGNORE",
    }
}

impl HttpRoute {
    /// Shows the regular expressions that it has.
    pub(crate) fn expressions(&self, see: &mut dyn FnMut(&str)) {
        let mut look = |it: &StringMatch| {
            if let Some(regex) = it.regex.as_deref() {
                see(regex);
            }
        };
        for entry in &self.r#match {
            let single = [&entry.uri, &entry.scheme, &entry.method, &entry.authority];
            single.into_iter().flatten().for_each(&mut look);
            for map in [&entry.headers, &entry.without_headers, &entry.query_params] {
                map.values().for_each(&mut look);
            }
        }
        self.cors_policy.iter().flat_map(|cors| &cors.allow_origins).for_each(&mut look);
        let rewrite = self.rewrite.as_ref().and_then(|rewrite| rewrite.uri_regex_rewrite.as_ref());
        if let Some(regex) = rewrite.and_then(|rewrite| rewrite.r#match.as_deref()) {
            see(regex);
        }
    }
}

/// Statuses of gRPC, in the order of their numbers.
pub(crate) const GRPC_STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
