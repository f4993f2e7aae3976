//! The faults of a mesh, in words. Pure.

use mesh::edit::{FaultSpec, RouteTarget};

/// A fault that some route injects.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultView {
    /// The route.
    pub target: RouteTarget,
    /// Host of the service whose callers see it.
    pub host: String,
    /// What it does.
    pub fault: FaultSpec,
    /// `7 s delay · 10 %`.
    pub label: String,
    /// When it ends, in seconds since 1970.
    pub expires_at: Option<i64>,
}
