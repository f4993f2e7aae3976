//! TLS towards endpoints: a DestinationRule's settings as rustls's configuration.

use std::sync::Arc;

use mesh::plan::TlsClient;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use super::TlsError;
use super::alpn::{Alpn, HTTP1, HTTP2};
use super::certs::{self, Files};
use super::settings::provider;
use super::verify::Servers;

/// Stands for the system's authorities in `caCertificates`.
const SYSTEM: &str = "system";

/// What a client's configuration is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClientSettings {
    /// What the DestinationRule says.
    pub(crate) tls: TlsClient,
    /// What is spoken within.
    pub(crate) alpn: Alpn,
}

/// Authorities out of PEM, which are also kept as they are.
fn given_roots(
    pem: &[u8],
    what: &str,
    given: &mut Vec<CertificateDer<'static>>,
) -> Result<Arc<RootCertStore>, TlsError> {
    *given = certs::authorities(pem, what)?;
    Ok(Arc::new(certs::roots(given)?))
}

/// The configuration of a client.
pub(super) fn config(
    asked: &ClientSettings,
    files: &mut Files<'_>,
    system: &dyn Fn() -> Result<Arc<RootCertStore>, TlsError>,
) -> Result<ClientConfig, TlsError> {
    let settings = &asked.tls.settings;
    let provider = provider(&[], &[]);
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let secret = asked.tls.secret.as_ref();
    let mut given = Vec::new();
    let chain = if settings.insecure_skip_verify == Some(true) {
        None
    } else {
        let held = secret.filter(|secret| !secret.authorities.is_empty());
        let roots = match (set(&settings.ca_certificates), held) {
            (Some(path), _) if path != SYSTEM => given_roots(&files.bytes(&path)?, &path, &mut given)?,
            (None, Some(secret)) => given_roots(&secret.authorities, "the secret", &mut given)?,
            _ => system()?,
        };
        let mut builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let revoked = match set(&settings.ca_crl) {
            Some(path) => files.bytes(&path)?,
            None => secret.map(|secret| secret.revoked.clone()).unwrap_or_default(),
        };
        if !revoked.is_empty() {
            // What the list does not speak of is not revoked, as in Envoy.
            builder = builder.with_crls(certs::revoked(&revoked, "caCrl")?).allow_unknown_revocation_status();
        }
        Some(builder.build()?)
    };
    let names =
        if settings.subject_alt_names.is_empty() { &asked.tls.names } else { &settings.subject_alt_names };
    let verifier = Servers { chain, given, names: names.clone(), provider: Arc::clone(&provider) };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let own = match (set(&settings.client_certificate), set(&settings.private_key)) {
        (Some(certificate), Some(key)) => Some(files.pair(&certificate, &key, &provider)?),
        _ => match secret {
            Some(secret) if !secret.certificate.is_empty() => Some(certs::of_secret(secret, &provider)?),
            _ => None,
        },
    };
    let mut config = match own {
        Some(own) => builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = match asked.alpn {
        Alpn::Http1 => vec![HTTP1.to_vec()],
        Alpn::Http2 => vec![HTTP2.to_vec()],
        Alpn::Either | Alpn::Bytes => Vec::new(),
    };
    Ok(config)
}
