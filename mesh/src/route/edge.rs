//! What nobody may say who comes from outside: which of Envoy's own headers steer a request, or claim what only a proxy knows.
//!
//! At a gateway they are taken off before any rule sees them, unless the operator has said that the client is within
//! ([`crate::Settings::internal_addresses`]). A workload is within: its own listener lets them through. The list is that of
//! Envoy's `ConnectionManagerUtility::cleanInternalHeaders`, with what Envoy says itself.

/// How Envoy's own headers begin.
pub const PREFIX: &str = "x-envoy-";

/// Whether a header is taken off a request from outside. Its name is in lower case.
pub fn is_for_insiders(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| {
        matches!(
            rest,
            // They steer.
            "retry-on"
                | "retry-grpc-on"
                | "max-retries"
                | "retriable-status-codes"
                | "retriable-header-names"
                | "hedge-on-per-try-timeout"
                | "upstream-rq-timeout-ms"
                | "upstream-rq-per-try-timeout-ms"
                | "upstream-rq-timeout-alt-response"
                | "upstream-stream-duration-ms"
                | "upstream-alt-stat-name"
                | "force-trace"
                // They claim.
                | "internal"
                | "external-address"
                | "expected-rq-timeout-ms"
                | "decorator-operation"
                | "downstream-service-cluster"
                | "downstream-service-node"
                | "ip-tags"
                | "original-host"
                | "original-path"
                | "original-url"
        )
    })
}
