//! Versions and ciphers as Istio names them.

use std::sync::Arc;

use mesh::resource::gateway::TlsVersion;
use rustls::crypto::{CryptoProvider, ring};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, NamedGroup, SupportedProtocolVersion};

use super::TlsError;

/// BoringSSL's names of the ciphers of TLS 1.2 that are spoken here. What else can be named has known weaknesses (CBC, or
/// keys that RSA alone protects) and is left out.
const CIPHERS: [(&str, CipherSuite); 6] = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// BoringSSL's names of the curves that are spoken here.
const CURVES: [(&str, NamedGroup); 3] =
    [("X25519", NamedGroup::X25519), ("P-256", NamedGroup::secp256r1), ("P-384", NamedGroup::secp384r1)];

/// The cryptography, with these ciphers of TLS 1.2 and these curves; an empty list is all. The ciphers of 1.3 are always
/// there, as in Envoy.
pub(super) fn provider(ciphers: &[String], curves: &[String]) -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    if !curves.is_empty() {
        let named = |group: NamedGroup| {
            CURVES.iter().any(|(name, known)| *known == group && curves.iter().any(|it| it == name))
        };
        provider.kx_groups.retain(|group| named(group.name()));
    }
    if !ciphers.is_empty() {
        let named = |suite: CipherSuite| {
            CIPHERS.iter().any(|(name, known)| *known == suite && ciphers.iter().any(|it| it == name))
        };
        provider.cipher_suites.retain(|suite| suite.tls13().is_some() || named(suite.suite()));
    }
    Arc::new(provider)
}

/// The versions from `min` to `max`; Istio's gateways begin at 1.2, and nothing older is spoken here.
pub(super) fn versions(
    min: Option<&TlsVersion>,
    max: Option<&TlsVersion>,
    provider: &CryptoProvider,
) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let mut versions = Vec::new();
    if !matches!(max, Some(TlsVersion::V1_0 | TlsVersion::V1_1)) {
        let older = provider.cipher_suites.iter().any(|suite| suite.tls13().is_none());
        if min != Some(&TlsVersion::V1_3) && older {
            versions.push(&TLS12);
        }
        if max != Some(&TlsVersion::V1_2) {
            versions.push(&TLS13);
        }
    }
    if versions.is_empty() { Err(TlsError::Versions) } else { Ok(versions) }
}
