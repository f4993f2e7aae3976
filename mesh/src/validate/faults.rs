//! Faults that are not complete.

use crate::Severity;
use crate::resource::http::{FaultAbort, FaultDelay, GRPC_STATUSES};
use crate::resource::walk::At;

use super::context::{Context, Http};
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0319",
    severity: Severity::Error,
    title: "A fault is incomplete",
    explanation: "A delay needs `fixedDelay`, an abort needs either `httpStatus` or `grpcStatus`. gRPC statuses are written by name, such as `UNAVAILABLE`. `exponentialDelay` and `http2Error` are in the API, but Istio does not implement them.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("faults.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for http in context.http_routes() {
        let Some(fault) = &http.route.fault else { continue };
        http.at(|at| {
            let at = at.field("fault");
            if fault.delay.is_none() && fault.abort.is_none() {
                let message = "The fault has neither `delay` nor `abort`: nothing is injected, and Istio rejects the VirtualService.";
                report.add(http.resource, &at, message);
            }
            if let Some(wanted) = &fault.delay {
                delay(http, wanted, &at.field("delay"), report);
            }
            if let Some(wanted) = &fault.abort {
                abort(http, wanted, &at.field("abort"), report);
            }
        });
    }
}

fn delay(http: Http<'_>, delay: &FaultDelay, at: &At<'_>, report: &mut Report<'_>) {
    if delay.fixed_delay.is_some() {
        return;
    }
    if delay.exponential_delay.is_some() {
        let message = "Istio does not implement `exponentialDelay`: no request is delayed; use `fixedDelay`.";
        report.add(http.resource, &at.field("exponentialDelay"), message);
    } else {
        report.add(http.resource, &at.field("fixedDelay"), "`fixedDelay` is missing: no request is delayed.");
    }
}

fn abort(http: Http<'_>, abort: &FaultAbort, at: &At<'_>, report: &mut Report<'_>) {
    match (abort.http_status, abort.grpc_status.as_deref()) {
        (Some(_), Some(_)) => {
            let message = "The abort has `httpStatus` and `grpcStatus`: Istio rejects both together.";
            report.add(http.resource, &at.field("grpcStatus"), message);
        }
        (None, Some(status)) => {
            let number = status.parse::<usize>().ok().filter(|number| *number < GRPC_STATUSES.len());
            if number.is_none() && !GRPC_STATUSES.contains(&status) {
                let message = format!("`{status}` is not a gRPC status: Istio rejects the VirtualService.");
                report.add(http.resource, &at.field("grpcStatus"), message);
            }
        }
        (None, None) if abort.http2_error.is_some() => {
            let message = "Istio does not implement `http2Error`: no request is aborted; use `httpStatus`.";
            report.add(http.resource, &at.field("http2Error"), message);
        }
        (None, None) => {
            report.add(
                http.resource,
                &at.field("httpStatus"),
                "`httpStatus` is missing: no request is aborted.",
            );
        }
        (Some(_), None) => {}
    }
}
