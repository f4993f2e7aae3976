//! TLS towards clients and towards endpoints, and the secrets that it needs.

use envoy::common_tls_context::ValidationContextType;
use envoy::subject_alt_name_matcher::SanType;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3 as envoy;
use envoy_types::pb::envoy::r#type::matcher::v3 as matcher;
use mesh::plan::{Cluster, Matcher, Secret, TlsServer};
use mesh::resource::gateway::{ServerTls, ServerTlsMode, TlsVersion};
use prost::Message;

use super::{Delivery, pb};

/// Stands for the system's authorities in `caCertificates`.
const SYSTEM: &str = "system";
/// Where a system keeps them. Envoy knows no other way to ask for them (its `system_root_certs` does nothing), and this is where
/// they are on the systems that most Envoys run on.
const SYSTEM_AUTHORITIES: &str =
    if cfg!(target_os = "macos") { "/etc/ssl/cert.pem" } else { "/etc/ssl/certs/ca-certificates.crt" };
/// Curves that Envoy knows, in Istio's names.
const CURVES: [&str; 5] = ["X25519", "P-256", "P-384", "P-521", "X25519MLKEM768"];
/// The transport socket.
const TLS: &str = "envoy.transport_sockets.tls";

/// TLS towards the endpoints of a cluster by this name.
pub(super) fn upstream(
    name: &str,
    cluster: &Cluster,
    bytes: bool,
    delivery: Delivery,
) -> Option<core::TransportSocket> {
    let tls = cluster.policy.tls.as_ref()?;
    let settings = &tls.settings;
    let held = tls.secret.as_ref();
    let validation = (settings.insecure_skip_verify != Some(true)).then(|| {
        let ca = set(settings.ca_certificates.as_ref()).filter(|path| *path != SYSTEM);
        let authorities = held.filter(|it| !it.authorities.is_empty() && ca.is_none());
        let names =
            if settings.subject_alt_names.is_empty() { &tls.names } else { &settings.subject_alt_names };
        // Without names of its own the server is the one that was asked for.
        let wanted = if names.is_empty() { vec![sni(cluster)] } else { names.clone() };
        let revoked = held.map(|it| it.revoked.clone()).filter(|it| !it.is_empty());
        envoy::CertificateValidationContext {
            trusted_ca: Some(match (ca, authorities) {
                (Some(path), _) => file(path),
                (None, Some(it)) => inline(it.authorities.clone()),
                (None, None) => file(SYSTEM_AUTHORITIES),
            }),
            crl: set(settings.ca_crl.as_ref()).map(file).or_else(|| revoked.map(inline)),
            match_typed_subject_alt_names: wanted.iter().flat_map(|name| alternatives(name)).collect(),
            ..Default::default()
        }
    });
    let alpn = if bytes {
        Vec::new()
    } else {
        // Of either, Envoy asks for what it is about to speak.
        let policy = &cluster.policy;
        let spoken = if policy.http2 { "h2" } else { "http/1.1" };
        if policy.client_protocol { Vec::new() } else { vec![spoken.to_owned()] }
    };
    let context = envoy::UpstreamTlsContext {
        sni: sni(cluster),
        common_tls_context: Some(envoy::CommonTlsContext {
            tls_certificates: files(settings.client_certificate.as_ref(), settings.private_key.as_ref())
                .into_iter()
                .collect(),
            tls_certificate_sds_secret_configs: by_name(name, held_for(cluster), delivery),
            validation_context_type: validation.map(ValidationContextType::ValidationContext),
            alpn_protocols: alpn,
            ..Default::default()
        }),
        ..Default::default()
    };
    Some(pb::transport(TLS, pb::any(&context)))
}

/// The secret that has the certificate towards the endpoints of a cluster, where no files do.
pub(super) fn held_for(cluster: &Cluster) -> Option<&Secret> {
    let tls = cluster.policy.tls.as_ref()?;
    let in_files =
        files(tls.settings.client_certificate.as_ref(), tls.settings.private_key.as_ref()).is_some();
    tls.secret.as_ref().filter(|_| !in_files)
}

/// The name that a server is asked for.
fn sni(cluster: &Cluster) -> String {
    let said = cluster.policy.tls.as_ref().and_then(|tls| set(tls.settings.sni.as_ref()));
    said.unwrap_or(&cluster.key.host).to_owned()
}

/// TLS towards clients; `name` is what its secrets begin with.
pub(super) fn downstream(name: &str, server: &TlsServer, delivery: Delivery) -> core::TransportSocket {
    let settings = &server.settings;
    let validation = validation(server);
    let context = envoy::DownstreamTlsContext {
        require_client_certificate: Some(pb::flag(settings.mode == Some(ServerTlsMode::Mutual))),
        common_tls_context: Some(envoy::CommonTlsContext {
            tls_params: Some(parameters(settings)),
            tls_certificate_sds_secret_configs: by_name(name, &server.secrets, delivery),
            tls_certificates: own(settings).collect(),
            validation_context_type: validation.map(ValidationContextType::ValidationContext),
            alpn_protocols: if server.http {
                ["h2", "http/1.1"].map(str::to_owned).to_vec()
            } else {
                Vec::new()
            },
            ..Default::default()
        }),
        ..Default::default()
    };
    pb::transport(TLS, pb::any(&context))
}

/// Whether a server has a certificate to show.
pub(super) fn has_certificate(server: &TlsServer) -> bool {
    own(&server.settings).next().is_some() || named("", &server.secrets).next().is_some()
}

/// The certificates of a server that are in files, with their keys.
fn own(settings: &ServerTls) -> impl Iterator<Item = envoy::TlsCertificate> {
    let pairs = settings.tls_certificates.iter().map(|pair| (&pair.server_certificate, &pair.private_key));
    std::iter::once((&settings.server_certificate, &settings.private_key))
        .chain(pairs)
        .filter_map(|(certificate, key)| files(certificate.as_ref(), key.as_ref()))
}

fn validation(server: &TlsServer) -> Option<envoy::CertificateValidationContext> {
    use envoy::certificate_validation_context::TrustChainVerification;
    let settings = &server.settings;
    if !matches!(settings.mode, Some(ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual)) {
        return None;
    }
    let listed = settings.tls_certificates.iter().find_map(|pair| set(pair.ca_certificates.as_ref()));
    let ca = set(settings.ca_certificates.as_ref()).or(listed);
    let secrets = || server.authorities.iter().chain(&server.secrets);
    let held = secrets().map(|secret| &secret.authorities).find(|pem| !pem.is_empty());
    let revoked: Vec<u8> = secrets().flat_map(|secret| secret.revoked.clone()).collect();
    let unchecked = settings.insecure_skip_verify == Some(true);
    Some(envoy::CertificateValidationContext {
        trusted_ca: ca.map(file).or_else(|| held.cloned().map(inline)),
        crl: set(settings.ca_crl.as_ref())
            .map(file)
            .or_else(|| (!revoked.is_empty()).then(|| inline(revoked))),
        match_typed_subject_alt_names: settings
            .subject_alt_names
            .iter()
            .flat_map(|it| alternatives(it))
            .collect(),
        verify_certificate_spki: settings.verify_certificate_spki.clone(),
        verify_certificate_hash: settings.verify_certificate_hash.clone(),
        trust_chain_verification: if unchecked {
            TrustChainVerification::AcceptUntrusted.into()
        } else {
            TrustChainVerification::VerifyTrustChain.into()
        },
        ..Default::default()
    })
}

/// Whether Envoy knows a curve; it would refuse the listener for one that it does not.
pub(super) fn knows_curve(name: &str) -> bool {
    CURVES.contains(&name)
}

/// Whether Envoy knows a cipher by this name.
pub(super) fn knows_cipher(name: &str) -> bool {
    mesh::validate::CIPHERS.contains(&name)
}

/// Those that Envoy knows. Where it knows none it is to refuse them: none said would be any.
fn known(named: &[String], knows: fn(&str) -> bool) -> Vec<String> {
    let known: Vec<String> = named.iter().filter(|it| knows(it)).cloned().collect();
    if known.is_empty() { named.to_vec() } else { known }
}

fn parameters(settings: &ServerTls) -> envoy::TlsParameters {
    use envoy::tls_parameters::TlsProtocol;
    let version = |version: Option<&TlsVersion>, otherwise| match version {
        Some(TlsVersion::V1_0) => TlsProtocol::TlSv10,
        Some(TlsVersion::V1_1) => TlsProtocol::TlSv11,
        Some(TlsVersion::V1_2) => TlsProtocol::TlSv12,
        Some(TlsVersion::V1_3) => TlsProtocol::TlSv13,
        _ => otherwise,
    };
    envoy::TlsParameters {
        tls_minimum_protocol_version: version(settings.min_protocol_version.as_ref(), TlsProtocol::TlSv12)
            .into(),
        tls_maximum_protocol_version: version(settings.max_protocol_version.as_ref(), TlsProtocol::TlSv13)
            .into(),
        cipher_suites: known(&settings.cipher_suites, knows_cipher),
        ecdh_curves: known(&settings.ecdh_curves, knows_curve),
        ..Default::default()
    }
}

/// The secrets of something by this name, encoded, by their names.
pub(super) fn secrets<'s>(
    name: &str,
    secrets: impl IntoIterator<Item = &'s Secret>,
) -> impl Iterator<Item = (String, Vec<u8>)> {
    named(name, secrets).map(|(name, secret)| {
        let certificate = envoy::TlsCertificate {
            certificate_chain: Some(inline(secret.certificate.clone())),
            private_key: Some(inline(secret.key.clone())),
            ..Default::default()
        };
        let kind = envoy::secret::Type::TlsCertificate(certificate);
        (name.clone(), envoy::Secret { name, r#type: Some(kind) }.encode_to_vec())
    })
}

/// Those of the secrets that have a certificate, with what each is called.
fn named<'s>(
    owner: &str,
    secrets: impl IntoIterator<Item = &'s Secret>,
) -> impl Iterator<Item = (String, &'s Secret)> {
    let all = secrets.into_iter().enumerate().filter(|(_, secret)| !secret.certificate.is_empty());
    all.map(move |(at, secret)| (format!("{owner} certificate {at}"), secret))
}

/// The same, for an Envoy to ask for. It would wait for one that is not there.
fn by_name<'s>(
    owner: &str,
    secrets: impl IntoIterator<Item = &'s Secret>,
    delivery: Delivery,
) -> Vec<envoy::SdsSecretConfig> {
    // Without a source it is one of those that the same file holds.
    let source = (delivery != Delivery::Static).then(pb::from_ads);
    let config = |(name, _)| envoy::SdsSecretConfig { name, sds_config: source.clone() };
    named(owner, secrets).map(config).collect()
}

/// A name that a certificate may be for, in each way in which it can say so.
fn alternatives(name: &str) -> [envoy::SubjectAltNameMatcher; 3] {
    let pattern = match (name.strip_suffix('*'), name.strip_prefix('*')) {
        (Some(prefix), _) if !prefix.is_empty() => Matcher::Prefix(prefix.to_owned()),
        _ => Matcher::Exact(name.to_owned()),
    };
    [SanType::Dns, SanType::Uri, SanType::IpAddress].map(|kind| {
        let matcher: matcher::StringMatcher = pb::string(&pattern);
        envoy::SubjectAltNameMatcher { san_type: kind.into(), matcher: Some(matcher), ..Default::default() }
    })
}

/// A certificate with its key, where files have both.
fn files(certificate: Option<&String>, key: Option<&String>) -> Option<envoy::TlsCertificate> {
    let (certificate, key) = set(certificate).zip(set(key))?;
    Some(envoy::TlsCertificate {
        certificate_chain: Some(file(certificate)),
        private_key: Some(file(key)),
        ..Default::default()
    })
}

fn file(path: &str) -> core::DataSource {
    let specifier = core::data_source::Specifier::Filename(path.to_owned());
    core::DataSource { specifier: Some(specifier), ..Default::default() }
}

fn inline(bytes: Vec<u8>) -> core::DataSource {
    let specifier = core::data_source::Specifier::InlineBytes(bytes);
    core::DataSource { specifier: Some(specifier), ..Default::default() }
}

fn set(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_are_not_whole_are_not_asked_for() {
        let text = |text: &str| Some(text.to_owned());
        let secret = |certificate: &str| Secret { certificate: certificate.into(), ..Secret::default() };
        let file = || text("/a.pem");
        for (certificate, key, secrets, files, asked) in [
            (file(), file(), vec![], 1, vec![]),
            (file(), None, vec![], 0, vec![]),
            (file(), text(""), vec![], 0, vec![]),
            (None, None, vec![secret(""), secret("x")], 0, vec!["443.0 certificate 1"]),
        ] {
            let settings =
                ServerTls { server_certificate: certificate, private_key: key, ..ServerTls::default() };
            let server = TlsServer { hosts: Vec::new(), http: true, settings, secrets, authorities: None };
            let Some(super::core::transport_socket::ConfigType::TypedConfig(made)) =
                downstream("443.0", &server, Delivery::Delta).config_type
            else {
                panic!("no configuration")
            };
            let made = envoy::DownstreamTlsContext::decode(made.value.as_slice()).unwrap();
            let made = made.common_tls_context.unwrap();
            let names: Vec<&str> =
                made.tls_certificate_sds_secret_configs.iter().map(|it| it.name.as_str()).collect();
            assert_eq!((made.tls_certificates.len(), &names), (files, &asked));
            let sent = super::secrets("443.0", &server.secrets).map(|(name, _)| name).collect::<Vec<_>>();
            assert_eq!(sent, asked, "what is asked for is there");
            assert_eq!(has_certificate(&server), files + asked.len() > 0);
        }
    }
}
