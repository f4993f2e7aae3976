//! Status codes that cannot be answered.

use crate::Severity;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0305",
    severity: Severity::Error,
    title: "An invalid status code",
    explanation: "Aborts and direct responses have a final status, 200 to 599 (Istio accepts 600 as well). Istio accepts redirect codes from 300 to 399, but Envoy redirects only with 301, 302, 303, 307 and 308: with any other the rule has no action, and requests get 404.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("statuses.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for http in context.http_routes() {
        http.at(|at| {
            let abort = http.route.fault.as_ref().and_then(|fault| fault.abort.as_ref());
            if let Some(status) = abort.and_then(|abort| abort.http_status)
                && !(200..=600).contains(&status)
            {
                let message = format!("{status} is not a status from 200 to 599 that an abort can answer with: Istio rejects the VirtualService.");
                report.add(http.resource, &at.field("fault").field("abort").field("httpStatus"), message);
            }
            if let Some(status) = http.route.direct_response.as_ref().and_then(|answer| answer.status)
                && !(200..=600).contains(&status)
            {
                let message =
                    format!("{status} is not a status from 200 to 599 that a direct response can have: Istio rejects the VirtualService.");
                report.add(http.resource, &at.field("directResponse").field("status"), message);
            }
            if let Some(code) = http.route.redirect.as_ref().and_then(|redirect| redirect.redirect_code) {
                let at = at.field("redirect");
                let at = at.field("redirectCode");
                if !(300..=399).contains(&code) {
                    let message = format!("{code} is not a redirect status (300 to 399): Istio rejects the VirtualService.");
                    report.add(http.resource, &at, message);
                } else if !matches!(code, 301 | 302 | 303 | 307 | 308) {
                    let message = format!(
                        "Envoy does not redirect with {code}: the rule has no action, and requests get 404."
                    );
                    report.add(http.resource, &at, message).severity(Severity::Warning).corresponds_to(&[]);
                }
            }
        });
    }
}
