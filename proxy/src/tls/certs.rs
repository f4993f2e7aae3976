//! Certificates, keys and authorities out of files and secrets, all of them PEM.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh::plan::Secret;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::TlsError;
use crate::regular::{self, Stamp, stamp};

/// Longest file: the authorities of all the world are a fraction of it.
const LONGEST: u64 = 4 << 20;

/// Reads files, and remembers which.
pub(crate) struct Files<'f> {
    folder: &'f Path,
    pub(crate) read: Vec<(PathBuf, Option<Stamp>)>,
}

impl<'f> Files<'f> {
    /// Paths that are not absolute begin at `folder`.
    pub(crate) fn new(folder: &'f Path) -> Self {
        Self { folder, read: Vec::new() }
    }

    /// All of a file.
    pub(crate) fn bytes(&mut self, path: &str) -> Result<Vec<u8>, TlsError> {
        let path = self.folder.join(path);
        // Before it is read, so that a change while it is read is one; and one that is not there yet may come.
        self.read.push((path.clone(), stamp(&path)));
        regular::read(&path, LONGEST).map_err(|source| TlsError::File { path, source })
    }

    /// A certificate with its key.
    pub(crate) fn pair(
        &mut self,
        certificate: &str,
        key: &str,
        provider: &CryptoProvider,
    ) -> Result<Arc<CertifiedKey>, TlsError> {
        let (chain, private) = (self.bytes(certificate), self.bytes(key));
        certified(&chain?, &private?, certificate, provider)
    }
}

/// The certificate and key of a secret.
pub(crate) fn of_secret(secret: &Secret, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    certified(&secret.certificate, &secret.key, "the secret", provider)
}

fn certified(
    chain: &[u8],
    key: &[u8],
    what: &str,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let lacks = |wanted| TlsError::Pem { what: what.to_owned(), wanted };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|_bad| lacks("certificate"))?;
    if chain.is_empty() {
        return Err(lacks("certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_bad| lacks("private key"))?;
    Ok(Arc::new(CertifiedKey::from_der(chain, key, provider)?))
}

/// Authorities out of PEM.
pub(crate) fn authorities(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if all.is_empty() {
        return Err(TlsError::Pem { what: what.to_owned(), wanted: "certificate" });
    }
    Ok(all)
}

/// The same, to check others by.
pub(crate) fn roots(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in authorities {
        store.add(certificate.clone())?;
    }
    Ok(store)
}

/// Lists of revoked certificates out of PEM.
pub(crate) fn revoked(
    pem: &[u8],
    what: &str,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    CertificateRevocationListDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_bad| TlsError::Pem { what: what.to_owned(), wanted: "list of revoked certificates" })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(folder.path().join("fifo")).status();
        assert!(fifo.unwrap().success());
        std::fs::write(folder.path().join("file"), "pem").unwrap();
        let mut files = Files::new(folder.path());
        assert_eq!(files.bytes("file").unwrap(), b"pem");
        for path in ["fifo", ".", "/dev/zero"] {
            assert!(matches!(files.bytes(path), Err(TlsError::File { .. })), "{path}");
        }
    }
}
