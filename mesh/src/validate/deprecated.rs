//! Fields that are still read and have been replaced.

use crate::Severity;
use crate::resource::traffic_policy::SimpleLoadBalancer;

use super::context::Context;
use super::policies::each_policy;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0421",
    severity: Severity::Warning,
    title: "A deprecated field",
    explanation: "It still works, but a later version of Istio may drop it. For the old forms that the designer can upgrade by itself see MW0020 to MW0024.",
    corresponds_to: &["IST0133"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("deprecated.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for http in context.http_routes() {
        if http.route.cors_policy.as_ref().is_some_and(|cors| !cors.allow_origin.is_empty()) {
            http.at(|at| {
                let message =
                    "`allowOrigin` is deprecated: use `allowOrigins`, with `exact`, `prefix` or `regex`.";
                report.add(http.resource, &at.field("corsPolicy").field("allowOrigin"), message);
            });
        }
    }
    each_policy(context, &mut |at, policy| {
        if policy.outlier_detection.is_some_and(|detection| detection.consecutive_errors.is_some()) {
            let message = "`consecutiveErrors` is deprecated: use `consecutive5xxErrors` or `consecutiveGatewayErrors`.";
            report.add(policy.resource, &at.field("outlierDetection").field("consecutiveErrors"), message);
        }
        let Some(balancer) = policy.load_balancer else { return };
        let at = at.field("loadBalancer");
        if balancer.simple == Some(SimpleLoadBalancer::LeastConn) {
            report.add(
                policy.resource,
                &at.field("simple"),
                "`LEAST_CONN` is deprecated: use `LEAST_REQUEST`, its new name.",
            );
        }
        if balancer.warmup_duration_secs.is_some() {
            report.add(
                policy.resource,
                &at.field("warmupDurationSecs"),
                "`warmupDurationSecs` is deprecated: use `warmup.duration`.",
            );
        }
        if balancer.consistent_hash.as_ref().is_some_and(|hash| hash.minimum_ring_size.is_some()) {
            let message = "`minimumRingSize` is deprecated: use `ringHash.minimumRingSize`.";
            report.add(policy.resource, &at.field("consistentHash").field("minimumRingSize"), message);
        }
    });
}
