//! Destinations with the services that they mean, for the rules that ask for both.

use crate::registry::Service;
use crate::resource::virtual_service::Destination;
use crate::resource::walk::At;
use crate::resource::{Resource, VirtualService};

use super::context::{Context, each_destination};

/// A destination that names a host.
pub(super) struct Named<'m> {
    /// The VirtualService's resource.
    pub(super) resource: &'m Resource,
    /// The VirtualService.
    pub(super) spec: &'m VirtualService,
    /// The destination.
    pub(super) destination: &'m Destination,
    /// The host as it is written.
    pub(super) host: &'m str,
    /// The host in full.
    pub(super) full: String,
    /// The service that everybody sees who uses the rules.
    pub(super) service: Option<&'m Service>,
}

/// Shows all destinations that name a host; none where no service is known at all.
pub(super) fn each_named<'m>(context: &Context<'m>, see: &mut dyn FnMut(&At<'_>, Named<'m>)) {
    if !context.services.known() {
        return;
    }
    for (resource, spec) in context.virtual_services() {
        let namespaces = seen_from(resource, spec);
        each_destination(spec, &mut |at, destination| {
            let Some(host) = destination.host.as_deref().filter(|host| !host.is_empty()) else { return };
            let full = context.qualify(resource, host);
            let service = context.services.seen_by(&full, &namespaces);
            see(at, Named { resource, spec, destination, host, full, service });
        });
    }
}

/// The namespaces whose workloads use the rules: they must see the destination too.
fn seen_from<'r>(resource: &'r Resource, spec: &'r VirtualService) -> Vec<&'r str> {
    let own = resource.key.namespace.as_str();
    let listed = spec.export_to.iter().map(String::as_str).filter(|to| *to != "*");
    let namespaces: Vec<&str> = listed.map(|to| if to == "." { own } else { to }).collect();
    if namespaces.is_empty() { vec![own] } else { namespaces }
}
