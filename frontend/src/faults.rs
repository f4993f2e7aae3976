//! The faults of a mesh, in words. Pure.

use mesh::edit::{FaultSpec, RouteTarget};
use mesh::resource::Resource;
use mesh::{Edit, Mesh, RouteKey, Settings, host};

use crate::subject;
use crate::summary;

/// A fault that some route injects.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultView {
    /// The route.
    pub target: RouteTarget,
    /// Host of the service whose callers see it; the first destination's where the route belongs to a gateway.
    pub host: String,
    /// What it does.
    pub fault: FaultSpec,
    /// `7 s delay · 10 %`.
    pub label: String,
    /// When it ends, in seconds since 1970.
    pub expires_at: Option<i64>,
}

/// All faults of a mesh, by VirtualService and route.
pub fn all(mesh: &Mesh, settings: &Settings) -> Vec<FaultView> {
    let mut faults = Vec::new();
    for (resource, spec) in mesh.virtual_services() {
        for (index, route) in spec.http.iter().enumerate() {
            let Some(fault) = route.fault.as_ref().map(subject::fault_spec) else { continue };
            if fault == FaultSpec::default() {
                continue;
            }
            let to = route.route.iter().find_map(|one| one.destination.as_ref()?.host.as_deref());
            let named = spec.hosts.iter().map(String::as_str).find(|host| *host != "*");
            let host = to.or(named).unwrap_or_default();
            let key = &resource.key;
            let target = RouteTarget::Route(RouteKey {
                namespace: key.namespace.clone(),
                name: key.name.clone(),
                index,
            });
            faults.push(FaultView {
                target,
                host: host::qualify(host, &key.namespace, &settings.domain).into_owned(),
                label: summary::fault_words(&fault),
                fault,
                expires_at: expiry(resource, index),
            });
        }
    }
    faults
}

/// Edits that end all of these faults. The last routes first, so that a route that goes away moves none that follows.
pub fn stop(faults: &[FaultView]) -> Vec<Edit> {
    let edit = |fault: &FaultView| Edit::InjectFault {
        target: fault.target.clone(),
        only: None,
        fault: None,
        expires_at: None,
    };
    faults.iter().rev().map(edit).collect()
}

/// When the fault of a route ends, as the edit noted it.
pub fn expiry(_resource: &Resource, _index: usize) -> Option<i64> {
    None
}
