//! Checks of certificates beyond their chain: names and hashes that are listed.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use sha2::{Digest, Sha256};
use webpki::EndEntityCert;

/// Whether a certificate has one of these names: of DNS (its own may be wildcards), addresses, or URIs.
fn has_name(certificate: &CertificateDer<'_>, names: &[String]) -> bool {
    let Ok(parsed) = EndEntityCert::try_from(certificate) else { return false };
    names.iter().any(|name| {
        let by_uri = || parsed.valid_uri_names().any(|uri| uri == name);
        match ServerName::try_from(name.as_str()) {
            Ok(name) => parsed.verify_is_valid_for_subject_name(&name).is_ok() || by_uri(),
            Err(_not_one) => by_uri(),
        }
    })
}

/// What clients must have beside a certificate that an authority of ours made.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) names: Vec<String>,
    /// Base64 of SHA-256 of public keys.
    pub(super) keys: Vec<String>,
    /// Hexadecimal digits of SHA-256 of certificates, in lower case, without colons.
    pub(super) certificates: Vec<String>,
}

impl Wanted {
    /// The names must fit where there are any; and a key or a certificate where there are any of those.
    fn fits(&self, certificate: &CertificateDer<'_>) -> bool {
        let named = self.names.is_empty() || has_name(certificate, &self.names);
        let pinned = (self.keys.is_empty() && self.certificates.is_empty())
            || self.certificates.contains(&fingerprint(certificate))
            || EndEntityCert::try_from(certificate).is_ok_and(|parsed| {
                let key = Sha256::digest(parsed.subject_public_key_info());
                self.keys.contains(&BASE64_STANDARD.encode(key))
            });
        named && pinned
    }
}

/// What upstreams are told of a client's certificate: its hash and its names, as Envoy writes them.
pub(super) fn description(certificate: &CertificateDer<'_>) -> String {
    let mut text = format!("Hash={}", fingerprint(certificate));
    if let Ok(parsed) = EndEntityCert::try_from(certificate) {
        // Names with marks of their own would make new fields; there are none in names that are valid.
        let plain = |name: &&str| !name.contains([';', ',', '"', '=']);
        let uris = parsed.valid_uri_names().filter(plain).map(|name| format!(";URI={name}"));
        text.extend(uris);
        text.extend(parsed.valid_dns_names().filter(plain).map(|name| format!(";DNS={name}")));
    }
    text
}

/// SHA-256 of a certificate, in hexadecimal digits.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Clients by their chain, and by what is wanted of them.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) chain: Arc<dyn ClientCertVerifier>,
    /// The authorities.
    pub(super) given: Vec<CertificateDer<'static>>,
    pub(super) wanted: Wanted,
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        self.chain.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(certificate, intermediates, now).or_else(|error| {
            unless_given(error, certificate, &self.given)?;
            Ok::<_, Error>(ClientCertVerified::assertion())
        })?;
        if self.wanted.fits(certificate) { Ok(verified) } else { Err(refused()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Servers by their chain, and by the names that they may have.
#[derive(Debug)]
pub(super) struct Servers {
    /// `None`: any is trusted.
    pub(super) chain: Option<Arc<WebPkiServerVerifier>>,
    /// The authorities, where they are not the system's.
    pub(super) given: Vec<CertificateDer<'static>>,
    /// In place of the name that was asked for.
    pub(super) names: Vec<String>,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        let verified =
            chain.verify_server_cert(certificate, intermediates, name, ocsp, now).or_else(|error| {
                unless_given(error, certificate, &self.given)?;
                has_that_name(certificate, name)
            });
        if self.names.is_empty() {
            return verified;
        }
        match verified {
            // The name is looked at last, so the chain is good.
            Ok(_)
            | Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if has_name(certificate, &self.names) => Ok(ServerCertVerified::assertion()),
            Ok(_) => Err(CertificateError::NotValidForName.into()),
            Err(error) => Err(error),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with a certificate, unless it is itself one of the authorities that were given. webpki takes no authority's own
/// certificate from the other side, whoever trusts it; OpenSSL and Envoy do. It looks at the time before it says so.
fn unless_given(
    error: Error,
    certificate: &CertificateDer<'_>,
    given: &[CertificateDer<'static>],
) -> Result<(), Error> {
    let is_authority = matches!(&error, Error::InvalidCertificate(CertificateError::Other(other))
        if matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)));
    match is_authority {
        true if given.iter().any(|authority| authority == certificate) => Ok(()),
        true => Err(CertificateError::UnknownIssuer.into()),
        false => Err(error),
    }
}

fn has_that_name(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
) -> Result<ServerCertVerified, Error> {
    let parsed = EndEntityCert::try_from(certificate).map_err(|_bad| CertificateError::BadEncoding)?;
    match parsed.verify_is_valid_for_subject_name(name) {
        Ok(()) => Ok(ServerCertVerified::assertion()),
        Err(_other) => Err(CertificateError::NotValidForName.into()),
    }
}

fn refused() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}
