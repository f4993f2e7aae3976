//! Who vouches for the API server, and for users by certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The authority; what it issues are files in a folder.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    /// A new one, with `ca.crt`.
    pub(super) fn new(folder: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "meshwright tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        fs::write(folder.join("ca.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder: folder.to_owned() }
    }

    /// Its own certificate.
    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The certificate and the key of a server.
    pub(super) fn server(&self, name: &str, hosts: &[&str]) -> (PathBuf, PathBuf) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, name, None)
    }

    /// Those of a user: Kubernetes takes the common name for the user's and the organization for a group.
    pub(super) fn user(&self, name: &str, group: Option<&str>) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, name, group)
    }

    fn issue(&self, mut params: CertificateParams, name: &str, group: Option<&str>) -> (PathBuf, PathBuf) {
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let paths = ["crt", "key"].map(|kind| self.folder.join(format!("{name}.{kind}")));
        fs::write(&paths[0], certificate).unwrap();
        fs::write(&paths[1], key.serialize_pem()).unwrap();
        let [certificate, key] = paths;
        (certificate, key)
    }

    /// The keys that tokens of service accounts are checked and signed with.
    pub(super) fn accounts(&self) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let paths = ["accounts.pub", "accounts.key"].map(|name| self.folder.join(name));
        fs::write(&paths[0], key.public_key_pem()).unwrap();
        fs::write(&paths[1], key.serialize_pem()).unwrap();
        let [public, private] = paths;
        (public, private)
    }

    /// What a client needs to trust it.
    pub(super) fn trusted(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.certificate()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Arc::new(config.unwrap().with_root_certificates(roots).with_no_client_auth())
    }
}
