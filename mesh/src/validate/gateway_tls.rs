//! TLS of a gateway that lacks what its mode needs, or has what it does not.

use crate::Severity;
use crate::resource::Resource;
use crate::resource::gateway::{Server, ServerTls, ServerTlsMode};
use crate::resource::walk::At;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0313",
    severity: Severity::Error,
    title: "A Gateway's TLS settings do not fit the mode",
    explanation: "SIMPLE needs a certificate with its key, and MUTUAL `caCertificates` for the clients' certificates as well: from files, from `tlsCertificates` or from a Secret (`credentialName`), but only one of these. ISTIO_MUTUAL uses the mesh's own certificates. PASSTHROUGH (the default) does not terminate TLS, so it uses no certificate.",
    corresponds_to: &["IST0106", "IST0133"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("gateway_tls.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for (resource, spec) in context.gateways() {
        for (index, server) in spec.servers.iter().enumerate() {
            let Some(tls) = &server.tls else { continue };
            let list = At::SPEC.field("servers");
            let at = list.index(index);
            server_tls(resource, server, tls, &at.field("tls"), report);
        }
    }
}

fn server_tls(resource: &Resource, server: &Server, tls: &ServerTls, at: &At<'_>, report: &mut Report<'_>) {
    let protocol = server.port.as_ref().and_then(|port| port.protocol.as_deref()).unwrap_or_default();
    for (index, suite) in tls.cipher_suites.iter().enumerate() {
        let at = at.field("cipherSuites");
        let message = if !CIPHERS.contains(&suite.trim_start_matches(['-', '!', '+'])) {
            format!("`{suite}` is not a cipher suite that Envoy knows: it is left out.")
        } else if tls.cipher_suites[..index].contains(suite) {
            format!("`{suite}` is listed twice: this one is left out.")
        } else {
            continue;
        };
        report
            .add(resource, &at.index(index), message)
            .severity(Severity::Warning)
            .corresponds_to(&["IST0133"]);
    }
    // A redirect to HTTPS is all that TLS says of a plain port.
    if protocol.eq_ignore_ascii_case("http") {
        return;
    }
    let mode = tls.mode.as_ref().unwrap_or(&ServerTlsMode::Passthrough);
    match mode {
        ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough => {
            if let Some(field) = first(tls) {
                let message = format!(
                    "With mode {} the gateway does not terminate TLS: `{field}` is not used.",
                    mode.as_str()
                );
                report
                    .add(resource, &at.field(field), message)
                    .severity(Severity::Warning)
                    .corresponds_to(&["IST0133"]);
            }
        }
        ServerTlsMode::IstioMutual => {
            if let Some(field) = first(tls) {
                let message =
                    format!("ISTIO_MUTUAL uses the mesh's own certificates: Istio rejects `{field}`.");
                report.add(resource, &at.field(field), message).corresponds_to(&["IST0106"]);
            }
        }
        ServerTlsMode::Other(_) => {}
        ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual => {
            certificates(resource, tls, mode != &ServerTlsMode::Simple, at, report);
        }
    }
}

fn is(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

/// The first field that names a certificate.
fn first(tls: &ServerTls) -> Option<&'static str> {
    let fields = [
        ("serverCertificate", is(tls.server_certificate.as_ref())),
        ("privateKey", is(tls.private_key.as_ref())),
        ("caCertificates", is(tls.ca_certificates.as_ref())),
        ("credentialName", is(tls.credential_name.as_ref())),
        ("credentialNames", !tls.credential_names.is_empty()),
        ("tlsCertificates", !tls.tls_certificates.is_empty()),
    ];
    fields.into_iter().find(|(_, there)| *there).map(|(name, _)| name)
}

fn certificates(resource: &Resource, tls: &ServerTls, mutual: bool, at: &At<'_>, report: &mut Report<'_>) {
    let mut add = |at: &At<'_>, message: &str| {
        report.add(resource, at, message).corresponds_to(&["IST0106"]);
    };
    if !mutual && is(tls.ca_crl.as_ref()) {
        add(
            &at.field("caCrl"),
            "With mode SIMPLE clients send no certificate that `caCrl` could revoke: Istio rejects `caCrl`.",
        );
    }
    let files = is(tls.server_certificate.as_ref()) || is(tls.private_key.as_ref());
    let ways = [
        ("credentialName", is(tls.credential_name.as_ref()) || !tls.credential_names.is_empty()),
        ("tlsCertificates", !tls.tls_certificates.is_empty()),
        ("serverCertificate", files),
    ];
    let mut used = ways.into_iter().filter(|(_, there)| *there).map(|(name, _)| name);
    let by = used.next();
    if let Some(second) = used.next() {
        let message = "Certificates come from `credentialName`, from `tlsCertificates` or from files: Istio rejects more than one of them.";
        add(&at.field(second), message);
        return;
    }
    let lacks_key = "`privateKey` is missing: the certificate cannot be used without its key.";
    let lacks_certificate = "`serverCertificate` is missing: the server has no certificate for its clients.";
    match by {
        Some("credentialName") => return,
        Some("tlsCertificates") => {
            for (index, entry) in tls.tls_certificates.iter().enumerate() {
                let at = at.field("tlsCertificates");
                if !is(entry.server_certificate.as_ref()) {
                    add(&at.index(index).field("serverCertificate"), lacks_certificate);
                }
                if !is(entry.private_key.as_ref()) {
                    add(&at.index(index).field("privateKey"), lacks_key);
                }
            }
        }
        _ => {
            if !is(tls.server_certificate.as_ref()) {
                add(&at.field("serverCertificate"), lacks_certificate);
            }
            if !is(tls.private_key.as_ref()) {
                add(&at.field("privateKey"), lacks_key);
            }
        }
    }
    if mutual && !is(tls.ca_certificates.as_ref()) && !is(tls.ca_cert_credential_name.as_ref()) {
        add(
            &at.field("caCertificates"),
            "`caCertificates` is missing: clients' certificates cannot be verified.",
        );
    }
}

/// Cipher suites that Envoy knows, by BoringSSL's names.
pub const CIPHERS: [&str; 15] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
];
