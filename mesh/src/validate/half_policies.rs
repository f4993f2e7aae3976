//! Policies that lack their other half.

use crate::Severity;

use super::context::Context;
use super::policies::each_policy;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0309",
    severity: Severity::Error,
    title: "A setting needs another one",
    explanation: "HTTP/2 keep-alive needs both its interval and its timeout. Locally originated failures (`consecutiveLocalOriginFailures`) are counted separately only with `splitExternalLocalOriginErrors: true`. `tunnel` needs `targetHost` and `targetPort`.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("half_policies.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    each_policy(context, &mut |at, policy| {
        let http = policy.connection_pool.and_then(|pool| pool.http.as_ref());
        if let Some(keep_alive) = http.and_then(|http| http.http2_keep_alive.as_ref()) {
            for (name, there) in
                [("interval", keep_alive.interval.is_some()), ("timeout", keep_alive.timeout.is_some())]
            {
                if !there {
                    let at = at.field("connectionPool");
                    let message =
                        format!("HTTP/2 keep-alive needs `{name}` too: Istio rejects the DestinationRule.");
                    report.add(
                        policy.resource,
                        &at.field("http").field("http2KeepAlive").field(name),
                        message,
                    );
                }
            }
        }
        if let Some(tunnel) = policy.tunnel {
            let there = |text: Option<&String>| text.is_some_and(|text| !text.is_empty());
            for (name, there) in [
                ("targetHost", there(tunnel.target_host.as_ref())),
                ("targetPort", tunnel.target_port.is_some()),
            ] {
                if !there {
                    let message = format!("The tunnel needs `{name}`: Istio rejects the DestinationRule.");
                    report.add(policy.resource, &at.field("tunnel").field(name), message);
                }
            }
        }
        if let Some(detection) = policy.outlier_detection
            && detection.consecutive_local_origin_failures.is_some_and(|count| count > 0)
            && detection.split_external_local_origin_errors != Some(true)
        {
            let message = "Without `splitExternalLocalOriginErrors: true` locally originated failures are not counted separately: Istio rejects the DestinationRule.";
            let at = at.field("outlierDetection");
            let split = vec![(at.field("splitExternalLocalOriginErrors").to_string(), Some(true.into()))];
            report
                .add(policy.resource, &at.field("consecutiveLocalOriginFailures"), message)
                .set("Count them separately", split);
        }
    });
}
