//! Header operations, faults and cross-origin policies of a rule.

use std::collections::BTreeMap;

use super::matches::comparison;
use crate::plan::{AbortWith, Action, Cors, Fault, HeaderOps, HeaderValue, Matcher, Ops, Patterns};
use crate::resource::Percent;
use crate::resource::http::{
    CorsPolicy, GRPC_STATUSES, HeaderOperations, Headers, HttpFault, HttpRoute, UnmatchedPreflights,
};

/// Header operations without what cannot be one: pseudo headers and `Host`, which change the authority instead.
pub(super) fn operations(headers: Option<&Headers>) -> HeaderOps {
    let Some(headers) = headers else { return HeaderOps::default() };
    let request = headers.request.as_ref();
    let authority = |map: fn(&HeaderOperations) -> &BTreeMap<String, String>| {
        let mut names = request.into_iter().flat_map(map).rev();
        names.find(|(name, value)| is_authority(name) && !value.is_empty()).map(|(_, value)| value.clone())
    };
    HeaderOps {
        request: request.map(ops).unwrap_or_default(),
        response: headers.response.as_ref().map(ops).unwrap_or_default(),
        authority: authority(|it| &it.set).or_else(|| authority(|it| &it.add)),
    }
}

/// The operations of a rule. Its only destination has its own among them: Istio writes no list apart for it.
pub(super) fn of_rule(http: &HttpRoute, action: &mut Action) -> HeaderOps {
    let mut own = operations(http.headers.as_ref());
    if let (1, Action::Forward(forward)) = (http.route.len(), action) {
        forward.destinations.iter_mut().for_each(|only| own.take_in(std::mem::take(&mut only.headers)));
    }
    own
}

fn ops(operations: &HeaderOperations) -> Ops {
    let pairs = |map: &BTreeMap<String, String>| {
        // Envoy sets nothing to nothing.
        let plain = map.iter().filter(|(name, value)| !is_internal(name) && !value.is_empty());
        plain.map(|(name, value)| (name.to_ascii_lowercase(), HeaderValue::new(value))).collect()
    };
    let remove = operations.remove.iter().filter(|name| !is_internal(name));
    Ops {
        remove: remove.map(|name| name.to_ascii_lowercase()).collect(),
        set: pairs(&operations.set),
        add: pairs(&operations.add),
    }
}

fn is_internal(name: &str) -> bool {
    name.starts_with(':') || name.eq_ignore_ascii_case("host")
}

fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case(":authority") || name.eq_ignore_ascii_case("host")
}

/// A percentage in millionths, cut off; `percent` is the old form in whole percents.
pub(super) fn parts_per_million(percentage: Option<&Percent>, percent: Option<i64>) -> Option<u32> {
    let percent = match percentage {
        Some(percentage) => percentage.value.unwrap_or(0.0),
        // Whole percents that do not fit are nonsense that the cap below takes care of.
        None => f64::from(i32::try_from(percent?).unwrap_or(i32::MAX)),
    };
    // The same double arithmetic as Istio's, so that 0.29 % gives the same share there and here.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just before")]
    Some((percent * 10_000.0).clamp(0.0, 1_000_000.0) as u32)
}

/// Faults that can happen; none when no request would meet one. An abort that the rule writes stands above a reset.
pub(super) fn fault(fault: Option<&HttpFault>, reset: u32) -> Option<Fault> {
    let delay = fault.and_then(|fault| fault.delay.as_ref()).and_then(|delay| {
        let share = parts_per_million(delay.percentage.as_ref(), delay.percent)?;
        Some((share, delay.fixed_delay.as_ref()?.parse().ok()?))
    });
    let abort = fault.and_then(|fault| fault.abort.as_ref()).and_then(|abort| {
        let share = parts_per_million(abort.percentage.as_ref(), abort.percent)?;
        let http = abort.http_status.and_then(|status| u16::try_from(status).ok()).map(AbortWith::Http);
        let grpc = || abort.grpc_status.as_deref().and_then(grpc_code).map(AbortWith::Grpc);
        Some((share, http.or_else(grpc)?))
    });
    let abort = abort.or((reset > 0).then_some((reset, AbortWith::Reset)));
    let fault = Fault { delay: delay.filter(|it| it.0 > 0), abort: abort.filter(|it| it.0 > 0) };
    (fault != Fault::default()).then_some(fault)
}

fn grpc_code(name: &str) -> Option<u32> {
    let by_name = GRPC_STATUSES.iter().position(|known| known.eq_ignore_ascii_case(name));
    by_name.and_then(|at| u32::try_from(at).ok()).or_else(|| name.parse().ok().filter(|code| *code <= 16))
}

/// A cross-origin policy; comparisons that cannot be made allow nothing.
pub(super) fn cors(policy: &CorsPolicy, patterns: &Patterns) -> Cors {
    let joined = |list: &[String]| (!list.is_empty()).then(|| list.join(","));
    let allow_origins = if policy.allow_origins.is_empty() {
        policy.allow_origin.iter().map(|origin| Matcher::Exact(origin.clone())).collect()
    } else {
        policy.allow_origins.iter().filter_map(|origin| comparison(origin, patterns).ok().flatten()).collect()
    };
    Cors {
        allow_origins,
        allow_methods: joined(&policy.allow_methods),
        allow_headers: joined(&policy.allow_headers),
        expose_headers: joined(&policy.expose_headers),
        max_age: policy.max_age.as_ref().and_then(|age| age.parse().ok()).map(|age| age.as_secs()),
        allow_credentials: policy.allow_credentials,
        forward_not_matching: policy.unmatched_preflights != Some(UnmatchedPreflights::Ignore),
    }
}
