//! The faults of a mesh, in words. Pure.

use std::collections::HashMap;

use mesh::edit::{self, FaultSpec, RouteTarget};
use mesh::{Edit, Mesh, RouteKey, Settings, host};

use crate::subject;
use crate::words;

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
    let expiries: HashMap<RouteKey, i64> = edit::fault_expiries(mesh).into_iter().collect();
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
            let at = RouteKey { namespace: key.namespace.clone(), name: key.name.clone(), index };
            faults.push(FaultView {
                host: host::qualify(host, &key.namespace, &settings.domain).into_owned(),
                label: label(&fault),
                fault,
                expires_at: expiries.get(&at).copied(),
                target: RouteTarget::Route(at),
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

/// A fault in words: `7 s delay · 10% + 500 abort · 5%`.
pub fn label(fault: &FaultSpec) -> String {
    let delay = fault
        .delay
        .map(|delay| format!("{} delay · {}", words::millis(delay.millis), words::percentage(delay.percent)));
    let abort =
        fault.abort.map(|abort| format!("{} abort · {}", abort.status, words::percentage(abort.percent)));
    delay.into_iter().chain(abort).collect::<Vec<_>>().join(" + ")
}

#[cfg(test)]
mod tests {
    use mesh::edit::{AbortSpec, DelaySpec};

    use super::*;

    #[test]
    fn labels() {
        let delay = Some(DelaySpec { percent: 10.0, millis: 7000 });
        let abort = Some(AbortSpec { percent: 0.5, status: 503 });
        for (fault, text) in [
            (FaultSpec { delay, abort: None }, "7 s delay · 10%"),
            (FaultSpec { delay: None, abort }, "503 abort · 0.5%"),
            (FaultSpec { delay, abort }, "7 s delay · 10% + 503 abort · 0.5%"),
        ] {
            assert_eq!(label(&fault), text);
        }
    }
}
