//! The registry as rules ask it.

use crate::Registry;
use crate::plan::Endpoint;
use crate::registry::{Discovery, Service};

/// The services that are known.
#[derive(Clone, Copy)]
pub(super) struct Services<'m>(pub(super) &'m Registry);

impl<'m> Services<'m> {
    /// Whether any service is known. Where none is, nothing can be said about references to them.
    pub(super) fn known(self) -> bool {
        !self.0.services().is_empty()
    }

    /// The service that is written as this fully qualified host, and that all of the namespaces see.
    pub(super) fn seen_by(self, host: &str, namespaces: &[&str]) -> Option<&'m Service> {
        let mut found = namespaces.iter().map(|namespace| self.0.exact(host, namespace));
        let first = found.next()?;
        if found.all(|service| service.is_some()) { first } else { None }
    }

    /// The service that would be meant if lookups were not exact: by a wildcard that covers the host, or in another case.
    pub(super) fn nearly(self, host: &str, namespace: &str) -> Option<&'m Service> {
        self.0.covering(&host.to_ascii_lowercase(), namespace).filter(|service| service.written != host)
    }

    /// The service of a fully qualified host, whoever sees it.
    pub(super) fn any(self, host: &str) -> Option<&'m Service> {
        self.0.any_service(&host.to_ascii_lowercase())
    }
}

/// The instances of a service; `None` where they are found by others, or not known.
pub(super) fn instances(service: &Service) -> Option<&[Endpoint]> {
    let endpoints = &service.ports.first()?.endpoints;
    (service.discovery == Discovery::Static).then_some(endpoints.as_slice())
}
