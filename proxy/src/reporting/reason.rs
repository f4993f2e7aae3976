//! Why a connection failed, or the TLS on it: a few reasons that can be counted by, each with a name for metrics and words for people.

use std::error::Error as _;
use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError};

/// Why a connection to an endpoint, or TLS with a client, failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Nobody listens there.
    Refused,
    /// No way leads there.
    Unreachable,
    /// It took too long.
    Timeout,
    /// The name has no address.
    Unresolved,
    /// The other side closed it before it could be used.
    Closed,
    /// This program has no file descriptors left.
    Descriptors,
    /// It would lead back to this proxy.
    Loop,
    /// What came is not TLS, or damaged.
    NotTls,
    /// No version or cipher that both sides take.
    Incompatible,
    /// The certificate is by nobody who is trusted.
    Untrusted,
    /// The certificate is too old.
    Expired,
    /// The certificate's time has not come.
    NotYetValid,
    /// The certificate is for other names.
    WrongName,
    /// The certificate was revoked.
    Revoked,
    /// The certificate cannot be accepted for another reason.
    BadCertificate,
    /// A certificate is wanted, and none was shown.
    NoCertificate,
    /// The other side ended TLS with an alert.
    Alert,
    /// The settings of TLS cannot be used: a file is missing, perhaps.
    Settings,
    /// An endpoint that is a proxy does not take the connection on.
    Tunnel,
    /// Something else.
    Other,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Refused,
        Self::Unreachable,
        Self::Timeout,
        Self::Unresolved,
        Self::Closed,
        Self::Descriptors,
        Self::Loop,
        Self::NotTls,
        Self::Incompatible,
        Self::Untrusted,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongName,
        Self::Revoked,
        Self::BadCertificate,
        Self::NoCertificate,
        Self::Alert,
        Self::Settings,
        Self::Tunnel,
        Self::Other,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        self.named().0
    }

    fn named(self) -> (&'static str, &'static str) {
        match self {
            Self::Refused => ("refused", "connection refused: nothing listens there"),
            Self::Unreachable => ("unreachable", "no way leads to the address"),
            Self::Timeout => ("timeout", "no connection within the connect timeout"),
            Self::Unresolved => ("unresolved", "the name has no address"),
            Self::Closed => ("closed", "the other side closed the connection before it could be used"),
            Self::Descriptors => ("no_descriptors", "this program may open no more files or connections"),
            Self::Loop => ("loop", "the address leads back to this proxy"),
            Self::NotTls => ("not_tls", "the other side does not speak TLS"),
            Self::Incompatible => ("tls_incompatible", "both sides have no TLS version or cipher in common"),
            Self::Untrusted => ("certificate_untrusted", "the certificate is not by a trusted authority"),
            Self::Expired => ("certificate_expired", "the certificate has expired"),
            Self::NotYetValid => ("certificate_not_yet_valid", "the certificate is not valid yet"),
            Self::WrongName => ("certificate_wrong_name", "the certificate is for another name"),
            Self::Revoked => ("certificate_revoked", "the certificate was revoked"),
            Self::BadCertificate => ("certificate_bad", "the certificate cannot be accepted"),
            Self::NoCertificate => ("certificate_missing", "a certificate is required, and none was shown"),
            Self::Alert => ("tls_alert", "the other side broke off TLS"),
            Self::Settings => ("tls_settings", "the TLS settings cannot be used"),
            Self::Tunnel => ("tunnel", "the endpoint does not take the connection on"),
            Self::Other => ("other", "the connection failed"),
        }
    }

    /// What the system, or rustls within it, says.
    pub(crate) fn of_io(error: &io::Error) -> Self {
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::of_tls(error);
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Self::Refused,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable => Self::Unreachable,
            io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            // EMFILE and ENFILE.
            _ if cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24)) => Self::Descriptors,
            _ => Self::Other,
        }
    }

    /// What rustls says.
    pub(crate) fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => match error {
                CertificateError::UnknownIssuer => Self::Untrusted,
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    Self::NotYetValid
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    Self::WrongName
                }
                CertificateError::Revoked => Self::Revoked,
                _ => Self::BadCertificate,
            },
            rustls::Error::NoCertificatesPresented => Self::NoCertificate,
            rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. } => Self::NotTls,
            rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol => Self::Incompatible,
            rustls::Error::AlertReceived(alert) => match alert {
                AlertDescription::CertificateRequired => Self::NoCertificate,
                AlertDescription::UnknownCA => Self::Untrusted,
                AlertDescription::CertificateExpired => Self::Expired,
                AlertDescription::CertificateRevoked => Self::Revoked,
                AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
                    Self::BadCertificate
                }
                AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity
                | AlertDescription::NoApplicationProtocol => Self::Incompatible,
                _ => Self::Alert,
            },
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.named().1)
    }
}

/// What a failure says in full, for the access log: its reason and what is behind it. Envoy begins with the same words.
pub(crate) fn told(reason: Reason, error: &io::Error) -> String {
    let within = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match within {
        Some(error) => format!("TLS_error: {reason} ({error})"),
        None => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("delayed connect error: {error}{cause}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_names_of_their_own() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }

    #[test]
    fn errors_have_their_reasons() {
        let tls = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        for (error, expected) in [
            (io::ErrorKind::ConnectionRefused.into(), Reason::Refused),
            (io::ErrorKind::UnexpectedEof.into(), Reason::Closed),
            (io::Error::from_raw_os_error(24), Reason::Descriptors),
            (tls(CertificateError::UnknownIssuer.into()), Reason::Untrusted),
            (tls(CertificateError::NotValidForName.into()), Reason::WrongName),
            (tls(rustls::Error::NoCertificatesPresented), Reason::NoCertificate),
            (tls(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)), Reason::NoCertificate),
            (io::Error::other("?"), Reason::Other),
        ] {
            assert_eq!(Reason::of_io(&error), expected, "{error}");
        }
    }
}
