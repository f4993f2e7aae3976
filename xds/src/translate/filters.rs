//! Faults and cross-origin policies: filters that routes configure.

use envoy_types::pb::envoy::extensions::filters::common::fault::v3 as common;
use envoy_types::pb::envoy::extensions::filters::http::cors::v3 as cors;
use envoy_types::pb::envoy::extensions::filters::http::fault::v3 as fault;
use envoy_types::pb::google::protobuf::Any;
use mesh::plan::{AbortWith, Cors, Fault, Route};

use super::pb;

/// The fault filter.
pub(super) const FAULT: &str = "envoy.filters.http.fault";
/// The filter for cross-origin requests.
pub(super) const CORS: &str = "envoy.filters.http.cors";
/// Share of requests that a policy is for.
const ALL: u32 = 1_000_000;

/// What a route says to filters, in the order of their names.
pub(super) fn per_route(route: &Route) -> impl Iterator<Item = (&'static str, Any)> {
    let cors = route.cors.as_ref().map(|policy| (CORS, pb::any(&cors_policy(policy))));
    let fault = route.fault.as_ref().and_then(faults).map(|faults| (FAULT, pb::any(&faults)));
    cors.into_iter().chain(fault)
}

/// Whether Envoy can do what a fault says: it has no fault that resets.
pub(super) fn is_possible(fault: &Fault) -> bool {
    !matches!(fault.abort, Some((_, AbortWith::Reset)))
}

fn faults(fault: &Fault) -> Option<fault::HttpFault> {
    use common::fault_delay::FaultDelaySecifier;
    use fault::fault_abort::ErrorType;
    let delay = fault.delay.map(|(share, length)| common::FaultDelay {
        percentage: Some(pb::share(share)),
        fault_delay_secifier: Some(FaultDelaySecifier::FixedDelay(pb::millis(length))),
    });
    let abort = fault.abort.and_then(|(share, with)| {
        let error = match with {
            AbortWith::Http(status) => ErrorType::HttpStatus(status.into()),
            AbortWith::Grpc(status) => ErrorType::GrpcStatus(status),
            AbortWith::Reset => return None,
        };
        let percentage = Some(pb::share(share));
        Some(fault::FaultAbort { percentage, error_type: Some(error), ..Default::default() })
    });
    (delay.is_some() || abort.is_some()).then(|| fault::HttpFault { delay, abort, ..Default::default() })
}

fn cors_policy(policy: &Cors) -> cors::CorsPolicy {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    cors::CorsPolicy {
        allow_origin_string_match: policy.allow_origins.iter().map(pb::string).collect(),
        allow_methods: text(&policy.allow_methods),
        allow_headers: text(&policy.allow_headers),
        expose_headers: text(&policy.expose_headers),
        max_age: policy.max_age.map(|age| age.to_string()).unwrap_or_default(),
        allow_credentials: policy.allow_credentials.map(pb::flag),
        filter_enabled: Some(pb::runtime_share(ALL)),
        forward_not_matching_preflights: Some(pb::flag(policy.forward_not_matching)),
        ..Default::default()
    }
}
