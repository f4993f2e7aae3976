//! TLS on both sides: what certificates and settings become, kept for all threads and read again when files change.
//!
//! Keys and settings are turned into rustls's configurations on a thread that may wait for the disk; the threads that serve only
//! look them up. A configuration that cannot be read anew stays as it was.

pub(crate) mod alpn;
mod certs;
pub(crate) mod client;
pub(crate) mod server;
mod settings;
mod store;
mod verify;

pub(crate) use alpn::Alpn;
pub(crate) use store::{Slot, Store};

use std::path::PathBuf;

/// Why TLS cannot be spoken as it is asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file of certificates or keys.
    #[error("cannot read {path}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// What should be PEM is not.
    #[error("{what} holds no {wanted}")]
    Pem { what: String, wanted: &'static str },
    /// There is no certificate to show.
    #[error("no certificate: neither files nor a secret of the mesh")]
    NoCertificate,
    /// There is nobody to check the other side by.
    #[error("no authorities to check clients by")]
    NoAuthorities,
    /// A mode that needs the mesh's own certificates, which the built-in proxy does not have.
    #[error("{0} needs the certificates of a mesh, which this proxy has none of")]
    Mode(String),
    /// No version is left.
    #[error("no version of TLS is left that is safe: 1.2 and 1.3 are")]
    Versions,
    /// rustls's own.
    #[error("the certificates do not fit together")]
    Rustls(#[from] rustls::Error),
    /// rustls's own, of authorities.
    #[error("the authorities cannot be used")]
    Authorities(#[from] rustls::server::VerifierBuilderError),
    /// The system's authorities could not be read.
    #[error("the system has no authorities that could be read")]
    NoRoots,
    /// A name that cannot be one of TLS.
    #[error("`{0}` cannot be the name of a server")]
    Name(String),
}
