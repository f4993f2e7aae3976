//! TLS towards clients: a gateway's server as rustls's configuration.

use std::sync::Arc;

use http::HeaderValue;
use mesh::plan::TlsServer;
use mesh::resource::gateway::{ServerTls, ServerTlsMode};
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};

use super::TlsError;
use super::certs::{self, Files};
use super::settings::{provider, versions};
use super::verify::{Clients, Wanted, description};

/// What is spoken within, the preferred first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The configuration of a gateway's server.
pub(super) fn config(server: &TlsServer, files: &mut Files<'_>) -> Result<ServerConfig, TlsError> {
    let settings = &server.settings;
    let provider = provider(&settings.cipher_suites, &settings.ecdh_curves);
    let versions =
        versions(settings.min_protocol_version.as_ref(), settings.max_protocol_version.as_ref(), &provider)?;
    let keys = keys(server, files, &provider)?;
    let clients = clients(server, files, &provider)?;
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&versions)?;
    let mut config = builder.with_client_cert_verifier(clients).with_cert_resolver(Arc::new(Keys(keys)));
    if server.http {
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    }
    // A session is resumed by any thread.
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}

fn keys(
    server: &TlsServer,
    files: &mut Files<'_>,
    provider: &CryptoProvider,
) -> Result<Vec<Arc<CertifiedKey>>, TlsError> {
    let settings = &server.settings;
    let mut keys = Vec::new();
    if let (Some(certificate), Some(key)) =
        (set(settings.server_certificate.as_ref()), set(settings.private_key.as_ref()))
    {
        keys.push(files.pair(certificate, key, provider)?);
    }
    for pair in &settings.tls_certificates {
        if let (Some(certificate), Some(key)) =
            (set(pair.server_certificate.as_ref()), set(pair.private_key.as_ref()))
        {
            keys.push(files.pair(certificate, key, provider)?);
        }
    }
    for secret in &server.secrets {
        keys.push(certs::of_secret(secret, provider)?);
    }
    if keys.is_empty() { Err(TlsError::NoCertificate) } else { Ok(keys) }
}

fn clients(
    server: &TlsServer,
    files: &mut Files<'_>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let settings = &server.settings;
    let optional = match &settings.mode {
        Some(ServerTlsMode::Mutual) => false,
        Some(ServerTlsMode::OptionalMutual) => true,
        Some(ServerTlsMode::Simple) => return Ok(WebPkiClientVerifier::no_client_auth()),
        other => {
            return Err(TlsError::Mode(other.as_ref().map_or("no mode", |mode| mode.as_str()).to_owned()));
        }
    };
    if settings.insecure_skip_verify == Some(true) {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let (pem, what) = authorities(server, files)?;
    let given = certs::authorities(&pem, &what)?;
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(certs::roots(&given)?), Arc::clone(provider));
    let mut revoked =
        server.authorities.iter().chain(&server.secrets).flat_map(|it| it.revoked.clone()).collect();
    if let Some(path) = set(settings.ca_crl.as_ref()) {
        revoked = files.bytes(path)?;
    }
    if !revoked.is_empty() {
        // What the list does not speak of is not revoked, as in Envoy.
        builder = builder.with_crls(certs::revoked(&revoked, "caCrl")?).allow_unknown_revocation_status();
    }
    if optional {
        builder = builder.allow_unauthenticated();
    }
    let chain = builder.build()?;
    Ok(Arc::new(Clients { chain, given, wanted: wanted(settings) }))
}

/// The authorities that clients are checked by, and where they are from.
fn authorities(server: &TlsServer, files: &mut Files<'_>) -> Result<(Vec<u8>, String), TlsError> {
    let listed = server.settings.tls_certificates.iter().find_map(|pair| set(pair.ca_certificates.as_ref()));
    if let Some(path) = set(server.settings.ca_certificates.as_ref()).or(listed) {
        return Ok((files.bytes(path)?, path.to_owned()));
    }
    let secrets = server.authorities.iter().chain(&server.secrets);
    let found = secrets.map(|secret| &secret.authorities).find(|pem| !pem.is_empty());
    found.map(|pem| (pem.clone(), "the secret".to_owned())).ok_or(TlsError::NoAuthorities)
}

fn wanted(settings: &ServerTls) -> Wanted {
    Wanted {
        names: settings.subject_alt_names.clone(),
        keys: settings.verify_certificate_spki.clone(),
        certificates: settings
            .verify_certificate_hash
            .iter()
            .map(|hash| hash.replace(':', "").to_ascii_lowercase())
            .collect(),
    }
}

fn set(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// What upstreams are told of the certificate that a client has shown.
pub(crate) fn shown(connection: &ServerConnection) -> Option<HeaderValue> {
    let certificate = connection.peer_certificates()?.first()?;
    HeaderValue::try_from(description(certificate)).ok()
}

/// Certificates of several kinds of keys: the first that the client can check.
#[derive(Debug)]
struct Keys(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Keys {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        self.0.iter().find(fits).or_else(|| self.0.first()).map(Arc::clone)
    }
}
