//! Which documents' findings may depend on each other: those that name the same host or delegate.
//!
//! Only the first part of a host counts, in lower case, since `reviews` and `reviews.default.svc.cluster.local` may be one host.
//! That takes some for related that are not, and leaves out none. Gateways, services and all that makes the registry are not
//! told apart here: who reads them is not told by names alone.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::host;
use crate::resource::http::HttpRoute;
use crate::resource::virtual_service::Destination;
use crate::resource::{Resource, Spec};

/// Hashes of names. Two names with one hash make more documents related than are.
pub(crate) type Names = HashSet<u64>;

/// What relates a document to others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Related {
    names: Box<[u64]>,
    /// It is for hosts that a wildcard covers.
    pub(crate) wild: bool,
    /// It delays requests, which makes sense only within the timeouts of whoever calls.
    pub(crate) delays: bool,
    /// It bounds how long requests take.
    pub(crate) timeouts: bool,
    /// It has regular expressions, which share a budget.
    pub(crate) patterns: bool,
}

impl Related {
    pub(super) fn of(resource: &Resource) -> Self {
        let mut related = Self::default();
        let mut names = Names::new();
        let mut add = |host: &str| {
            related.wild |= host::is_wildcard(host);
            names.insert(name(host));
        };
        match &resource.spec {
            Spec::VirtualService(service) => {
                service.hosts.iter().for_each(|host| add(host));
                // Others may take it for a delegate, with hosts or without.
                add(&resource.key.name);
                let tls = service.tls.iter().flat_map(|route| &route.r#match);
                tls.flat_map(|it| &it.sni_hosts).for_each(|host| add(host));
                let tls = service.tls.iter().flat_map(|route| &route.route);
                let tcp = service.tcp.iter().flat_map(|route| &route.route);
                tls.chain(tcp).for_each(|it| to(it.destination.as_ref(), &mut add));
                for route in &service.http {
                    route.route.iter().for_each(|it| to(it.destination.as_ref(), &mut add));
                    to(route.mirror.as_ref(), &mut add);
                    route.mirrors.iter().for_each(|it| to(it.destination.as_ref(), &mut add));
                    let delegate = route.delegate.as_ref().and_then(|delegate| delegate.name.as_deref());
                    delegate.into_iter().for_each(&mut add);
                }
                for route in &service.http {
                    related.delays |= route.fault.as_ref().is_some_and(|fault| fault.delay.is_some());
                    related.timeouts |= route.timeout.is_some();
                    related.patterns |= has_pattern(route);
                }
            }
            Spec::DestinationRule(rule) => rule.host.as_deref().into_iter().for_each(add),
            _ => {}
        }
        related.names = names.into_iter().collect();
        related
    }

    /// The names.
    pub(crate) fn names(&self) -> impl Iterator<Item = u64> {
        self.names.iter().copied()
    }

    /// Whether one of these names is among its own.
    pub(crate) fn has_any(&self, names: &Names) -> bool {
        self.names.iter().any(|name| names.contains(name))
    }
}

fn to(destination: Option<&Destination>, add: &mut impl FnMut(&str)) {
    destination.and_then(|it| it.host.as_deref()).into_iter().for_each(add);
}

fn name(host: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    let first = host.split('.').next().unwrap_or(host);
    first.bytes().for_each(|byte| byte.to_ascii_lowercase().hash(&mut hasher));
    hasher.finish()
}

fn has_pattern(route: &HttpRoute) -> bool {
    let mut any = false;
    route.expressions(&mut |_| any = true);
    any
}
