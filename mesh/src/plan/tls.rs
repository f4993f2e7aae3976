//! TLS as a plan says it: what the resources wrote, and the secrets that they name.

use std::fmt;

use serde::Serialize;

use crate::resource::gateway::{ServerTls, ServerTlsMode};
use crate::resource::traffic_policy::ClientTls;

/// How TLS is met on a gateway's port, for some names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TlsServer {
    /// Names in the SNI, in lower case; `*` and `*.x` are wildcards.
    pub hosts: Vec<String>,
    /// HTTP is within; otherwise bytes are passed on.
    pub http: bool,
    /// What the Gateway says.
    pub settings: ServerTls,
    /// The secrets of `credentialName` and `credentialNames`, as far as the mesh has them.
    #[serde(skip)]
    pub secrets: Vec<Secret>,
    /// The secret of `caCertCredentialName`, or the one beside the certificate's (`-cacert`).
    #[serde(skip)]
    pub authorities: Option<Secret>,
}

/// TLS towards a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TlsClient {
    /// What the DestinationRule says.
    pub settings: ClientTls,
    /// The secret of `credentialName`, if the mesh has it.
    #[serde(skip)]
    pub secret: Option<Secret>,
    /// Names that the server may have where the DestinationRule gives none: those of the ServiceEntry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// Certificates and keys out of a Secret, in PEM. Nothing shows what it holds.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    /// The certificate with those that it was issued by.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
    /// Authorities that the other side is checked against.
    pub authorities: Vec<u8>,
    /// Revoked certificates.
    pub revoked: Vec<u8>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl TlsServer {
    /// TLS is not opened here: what the connection carries goes on as it came.
    pub fn passes(&self) -> bool {
        matches!(self.settings.mode, None | Some(ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough))
    }
}
