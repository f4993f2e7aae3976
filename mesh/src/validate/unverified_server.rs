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
    explanation: "SIMPLE and MUTUAL without `caCertificates` encrypt; the built-in proxy then asks the system's authorities, and a cluster's may trust any certificate: whoever is in between can read along. A secret by `credentialName` brings its authorities, where a `workloadSelector` says which clients use it.",
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
            "{} towards `{host}`{port} names no `caCertificates`: the built-in proxy asks the system's authorities, a cluster's may trust whoever answers.",
            mode.as_str()
        );
        report.add(policy.resource, &at.field("tls"), message).corresponds_to(&[code]);
    });
}
