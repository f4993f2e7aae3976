//! Fields that are still read and have been replaced.

use crate::Severity;
use crate::resource::traffic_policy::SimpleLoadBalancer;

use super::context::Context;
use super::policies::each_policy;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0421",
    severity: Severity::Warning,
    title: "A field has been replaced by another",
    explanation: "It still works, and a later version of Istio may drop it. Old forms that the designer can upgrade by itself are told of by MW0020 to MW0024.",
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
                    "`allowOrigin` is deprecated: `allowOrigins` compares by `exact`, `prefix` or `regex`.";
                report.add(http.resource, &at.field("corsPolicy").field("allowOrigin"), message);
            });
        }
    }
    each_policy(context, &mut |at, policy| {
        if policy.outlier_detection.is_some_and(|detection| detection.consecutive_errors.is_some()) {
            let message = "`consecutiveErrors` is deprecated: `consecutive5xxErrors` or `consecutiveGatewayErrors` says which errors.";
            report.add(policy.resource, &at.field("outlierDetection").field("consecutiveErrors"), message);
        }
        let Some(balancer) = policy.load_balancer else { return };
        let at = at.field("loadBalancer");
        if balancer.simple == Some(SimpleLoadBalancer::LeastConn) {
            report.add(
                policy.resource,
                &at.field("simple"),
                "`LEAST_CONN` is deprecated: it is `LEAST_REQUEST` by an old name.",
            );
        }
        if balancer.warmup_duration_secs.is_some() {
            report.add(
                policy.resource,
                &at.field("warmupDurationSecs"),
                "`warmupDurationSecs` is deprecated: `warmup.duration` says the same.",
            );
        }
        if balancer.consistent_hash.as_ref().is_some_and(|hash| hash.minimum_ring_size.is_some()) {
            let message = "`minimumRingSize` is deprecated: `ringHash.minimumRingSize` says the same.";
            report.add(policy.resource, &at.field("consistentHash").field("minimumRingSize"), message);
        }
    });
}
