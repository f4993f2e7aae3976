//! TLS towards a service whose settings contradict each other.

use crate::Severity;
use crate::resource::traffic_policy::{ClientTls, ClientTlsMode};

use super::context::Context;
use super::policies::each_policy;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0312",
    severity: Severity::Error,
    title: "Client TLS settings contradict each other",
    explanation: "Certificates come from files or from a Secret (`credentialName`), not both. MUTUAL with files needs `clientCertificate` and `privateKey`. `insecureSkipVerify` cannot be combined with `caCertificates` or `subjectAltNames`, which it would ignore.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("client_tls.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    each_policy(context, &mut |at, policy| {
        let Some(tls) = policy.tls else { return };
        let at = at.field("tls");
        for (field, message) in problems(tls) {
            report.add(policy.resource, &at.field(field), message);
        }
    });
}

fn problems(tls: &ClientTls) -> Vec<(&'static str, &'static str)> {
    let there = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let mut found = Vec::new();
    if !matches!(tls.mode, Some(ClientTlsMode::Simple | ClientTlsMode::Mutual)) {
        return found;
    }
    if tls.insecure_skip_verify == Some(true) {
        let message = "With `insecureSkipVerify: true` any server is trusted, so this field cannot apply: Istio rejects both together.";
        if there(&tls.ca_certificates) {
            found.push(("caCertificates", message));
        }
        if !tls.subject_alt_names.is_empty() {
            found.push(("subjectAltNames", message));
        }
    }
    if there(&tls.credential_name) {
        let message = "`credentialName` names a Secret with the certificates: Istio rejects files beside it.";
        for (name, field) in [
            ("clientCertificate", &tls.client_certificate),
            ("privateKey", &tls.private_key),
            ("caCertificates", &tls.ca_certificates),
        ] {
            if there(field) {
                found.push((name, message));
            }
        }
    } else if tls.mode == Some(ClientTlsMode::Mutual) {
        if !there(&tls.client_certificate) {
            found.push((
                "clientCertificate",
                "MUTUAL needs `clientCertificate`: without it there is no certificate for the server.",
            ));
        }
        if !there(&tls.private_key) {
            found.push(("privateKey", "MUTUAL needs `privateKey`, the key of `clientCertificate`."));
        }
    }
    found
}
