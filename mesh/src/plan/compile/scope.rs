//! For whom and where rules are translated.

use crate::plan::Patterns;
use crate::registry::Viewer;

/// For whom and where rules are translated.
pub(super) struct Scope<'a> {
    /// The source.
    pub(super) viewer: &'a Viewer,
    /// `mesh`, or the gateway's `namespace/name`.
    pub(super) gateway: &'a str,
    /// Port of the listener.
    pub(super) port: u16,
    /// TLS ends at the listener.
    pub(super) tls: bool,
    /// The mesh's regular expressions.
    pub(super) patterns: &'a Patterns,
}
