//! TLS that trusts whoever answers.

use crate::Severity;
use crate::resource::traffic_policy::ClientTlsMode;

use super::context::Context;
use super::policies::each_policy;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0414",
    severity: Severity::Warning,
    title: "A server's certificate is not verified",
    explanation: "Without `caCertificates` SIMPLE and MUTUAL encrypt. The built-in proxy then verifies the server's certificate against the system's CA certificates, while Istio's may accept any certificate, so that someone in between can read the traffic. A Secret (`credentialName`) brings its CA certificates, where a `workloadSelector` says which clients use it.",
    corresponds_to: &["IST0128", "IST0129"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("unverified_server.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    each_policy(context, &mut |at, policy| {
        let Some(tls) = policy.tls else { return };
        let Some(mode @ (ClientTlsMode::Simple | ClientTlsMode::Mutual)) = &tls.mode else { return };
        let by_secret = tls.credential_name.as_deref().is_some_and(|name| !name.is_empty());
        if tls.ca_certificates.as_deref().is_some_and(|file| !file.is_empty())
            || (by_secret && policy.rule.workload_selector.is_some())
            || tls.insecure_skip_verify == Some(true)
        {
            return;
        }
        let host = policy.rule.host.as_deref().unwrap_or_default();
        let (port, code) = match policy.port {
            Some(port) => (format!(" at port {port}"), "IST0129"),
            None => (String::new(), "IST0128"),
        };
        let message = format!(
            "{} for `{host}`{port} has no `caCertificates`: the built-in proxy verifies the server against the system's CA certificates, while Istio's may trust any server.",
            mode.as_str()
        );
        report.add(policy.resource, &at.field("tls"), message).corresponds_to(&[code]);
    });
}
