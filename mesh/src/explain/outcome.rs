//! What a decision comes to, in numbers and names.

use std::time::Duration;

use super::certain::{Lookup, cluster};
use super::{
    Abort, Copied, Delay, ExplainRequest, Explanation, Faults, Retries, RouteRef, Seen, Status, Step, Target,
    TimeoutFrom,
};
use crate::RouteKey;
use crate::plan::{AbortWith, Fault, Forward, Listener, Plan, Retry, UnknownHost};
use crate::resource::DurationString;
use crate::route::path::Refused;
use crate::route::{Decision, Limits};

const NOTHING: Explanation = Explanation {
    status: Status::NoHost,
    virtual_service: None,
    route: None,
    delegated_by: None,
    certain: None,
    destinations: Vec::new(),
    timeout: None,
    timeout_from: None,
    retries: None,
    fault: None,
    mirror: None,
    steps: Vec::new(),
};

/// A decision without its steps.
pub(super) fn explanation(lookup: &Lookup<'_>, decision: &Decision<'_>, seen: &Seen<'_>) -> Explanation {
    let plan = lookup.plan;
    let status = match decision {
        Decision::Forward(..) => Status::Routed,
        Decision::Redirect(..) => Status::Redirect,
        Decision::Direct(..) => Status::Direct,
        Decision::NoRoute(_) => Status::NoRoute,
        Decision::NoHost => Status::NoHost,
    };
    let route = decision.chosen().map(|chosen| chosen.route);
    let mut explanation = Explanation {
        status,
        virtual_service: route.and_then(|route| route.key.as_ref()).map(full_name),
        route: route.and_then(|route| Some(route_ref(route.key.as_ref()?, route.name.as_ref()))),
        fault: route.and_then(|route| route.fault.as_ref()).map(faults),
        ..NOTHING
    };
    if let Decision::Forward(_, forward, _) = decision {
        let limits = Limits::of(forward, seen);
        explanation.destinations = targets(plan, forward);
        explanation.timeout = limits.timeout.map(duration);
        explanation.timeout_from = limits.timeout.map(|timeout| match forward.mesh_timeout {
            _ if forward.timeout != Some(timeout) => TimeoutFrom::Request,
            true => TimeoutFrom::Mesh,
            false => TimeoutFrom::Route,
        });
        explanation.retries = limits.retries.as_deref().map(|it| retries(it, limits.per_try_timeout));
        explanation.mirror = mirrors(lookup, forward);
    }
    explanation
}

/// The source has no listener for the request.
pub(super) fn no_listener(request: &ExplainRequest) -> Explanation {
    let reason = match request.port {
        Some(port) => format!("nothing listens on port {port}"),
        None => format!("nothing listens for \"{}\"", request.host),
    };
    Explanation { steps: vec![of_no_rule(reason)], ..NOTHING }
}

/// A path that no request can have.
pub(super) fn refused(path: &str, why: Refused) -> Explanation {
    let reason = format!("the path {path:?} is none that a request can have: {why}; it is answered with 400");
    Explanation { status: Status::Direct, steps: vec![of_no_rule(reason)], ..NOTHING }
}

/// Rules see another path than the one that is asked for.
pub(super) fn normalized(asked: &str, path: &str) -> Step {
    of_no_rule(format!("the path {asked:?} is compared and forwarded in its normal form: {path:?}"))
}

fn of_no_rule(reason: String) -> Step {
    Step { virtual_service: None, route: None, delegated_by: None, matched: false, reason }
}

/// No virtual host has the host.
pub(super) fn unknown_host(listener: &Listener, request: &ExplainRequest) -> Step {
    let then = match listener.unknown_host {
        UnknownHost::NotFound => "the request is answered with 404",
        UnknownHost::BadGateway => {
            "the request is answered with 502, because the mesh lets nothing out that it does not know"
        }
        UnknownHost::Passthrough => "the request is forwarded to the address that it names",
    };
    let reason =
        format!("no virtual host on port {} has the host \"{}\": {then}", listener.port, request.host);
    of_no_rule(reason)
}

/// `namespace/name` of the VirtualService of a rule.
pub(super) fn full_name(key: &RouteKey) -> String {
    format!("{}/{}", key.namespace, key.name)
}

/// A rule as the contract writes it.
pub(super) fn route_ref(key: &RouteKey, name: Option<&String>) -> RouteRef {
    RouteRef { index: key.index, name: name.cloned() }
}

/// A duration as Istio writes it.
pub(super) fn duration(it: Duration) -> String {
    DurationString::from_millis(u64::try_from(it.as_millis()).unwrap_or(u64::MAX)).0
}

fn targets(plan: &Plan, forward: &Forward) -> Vec<Target> {
    let alone = forward.destinations.len() == 1;
    let target = |destination: &crate::plan::Destination| {
        let key = cluster(plan, destination.cluster)?.clone();
        // Weights have 32 bits and there are few: doubles hold them exactly.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        let share = f64::from(destination.weight) / forward.total_weight as f64;
        Some(Target {
            host: key.host,
            subset: key.subset,
            port: key.port,
            weight: if alone { 1.0 } else { share },
        })
    };
    forward.destinations.iter().filter_map(target).collect()
}

/// Copies that are sent.
fn mirrors(lookup: &Lookup<'_>, forward: &Forward) -> Option<Vec<Copied>> {
    let copied = |mirror: &crate::plan::Mirror| {
        let key =
            cluster(lookup.plan, mirror.cluster).filter(|_| lookup.lost(mirror.cluster).is_none())?.clone();
        let percentage = percent(mirror.parts_per_million);
        Some(Copied { host: key.host, subset: key.subset, port: key.port, percentage })
    };
    let copies: Vec<Copied> = forward.mirrors.iter().filter_map(copied).collect();
    (!copies.is_empty()).then_some(copies)
}

fn faults(fault: &Fault) -> Faults {
    let delay = |(share, length): (u32, Duration)| Delay {
        percentage: percent(share),
        fixed_delay: duration(length),
    };
    let abort = |(share, with): (u32, AbortWith)| match with {
        // The contract has no word for a connection that is reset: there is no status.
        AbortWith::Reset => Abort { percentage: percent(share), http_status: 0, grpc_status: None },
        AbortWith::Http(http_status) => Abort { percentage: percent(share), http_status, grpc_status: None },
        AbortWith::Grpc(code) => {
            Abort { percentage: percent(share), http_status: 200, grpc_status: Some(code) }
        }
    };
    Faults { delay: fault.delay.map(delay), abort: fault.abort.map(abort) }
}

fn percent(parts_per_million: u32) -> f64 {
    f64::from(parts_per_million) / 10_000.0
}

fn retries(it: &Retry, per_try_timeout: Option<Duration>) -> Retries {
    Retries {
        attempts: it.attempts,
        per_try_timeout: per_try_timeout.map(duration),
        retry_on: it.on.to_string(),
    }
}
