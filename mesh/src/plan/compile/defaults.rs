//! What routes get that say nothing.

use crate::Settings;
use crate::plan::{Action, BACK_OFF, ClusterId, Destination, Forward, HeaderOps, Retry, RetryOn, Route};

/// Istio's default since 1.24: two retries of what certainly did no work.
pub(super) fn retry() -> Retry {
    Retry {
        attempts: 2,
        per_try_timeout: None,
        on: RetryOn::istio_default(),
        back_off: BACK_OFF,
        remote_localities: false,
        ignore_previous_hosts: true,
    }
}

/// The route of a service that no VirtualService governs.
pub(super) fn route(cluster: ClusterId, settings: &Settings) -> Route {
    let forward = Forward {
        destinations: vec![Destination { cluster, weight: 1, headers: HeaderOps::default() }],
        total_weight: 1,
        rewrite: None,
        timeout: settings.request_timeout(),
        mesh_timeout: true,
        retries: Some(retry()),
        mirrors: Vec::new(),
    };
    Route {
        key: None,
        name: None,
        matches: Vec::new(),
        action: Action::Forward(Box::new(forward)),
        fault: None,
        headers: HeaderOps::default(),
        cors: None,
    }
}
