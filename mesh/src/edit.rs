//! Edits: one change in the domain's terms. Each applies to the text of a mesh, changes only the fields that it
//! names, and has an inverse.
//!
//! An edit names a route by its VirtualService and its position. One that is not there (any more) is an error, never a
//! change of something else.

mod apply;
mod bounds;
mod connections;
mod error;
mod expiry;
mod fault;
mod routes;
mod service;
mod shape;
mod summary;
mod weights;
mod workspace;

use crate::resource::Spec;
use crate::resource::virtual_service::{Destination, RouteDestination};
use crate::{Mesh, RouteKey};

pub use crate::change::{
    AbortSpec, DelaySpec, Edit, FaultSpec, FieldEdit, HeaderEquals, RetrySpec, RouteTarget, Share,
};
pub use apply::{Applied, apply, apply_to};
pub use bounds::fits;
pub use connections::connection_fault;
pub use error::EditError;
pub use expiry::{expiries_of, fault_expiries};
pub use fault::{COPY_PREFIX, is_fault_copy};
pub use service::add_rule;
pub use summary::summary;

impl RouteTarget {
    /// Destinations and weights of the route, as they are written; nothing for a default route.
    pub fn destinations<'m>(&self, mesh: &'m Mesh) -> Vec<(&'m Destination, Option<i64>)> {
        let spec = |key: &RouteKey| match mesh.resource(&key.resource()).map(|resource| &resource.spec) {
            Some(Spec::VirtualService(spec)) => Some(spec),
            _ => None,
        };
        let of = |route: &'m [RouteDestination]| {
            route.iter().filter_map(|one| Some((one.destination.as_ref()?, one.weight))).collect()
        };
        let found = match self {
            Self::Service(_) => None,
            Self::Route(key) => mesh.route(key).map(|(_, http)| {
                http.route.iter().filter_map(|one| Some((one.destination.as_ref()?, one.weight))).collect()
            }),
            Self::Tcp(key) => {
                spec(key).and_then(|spec| spec.tcp.get(key.index)).map(|route| of(&route.route))
            }
            Self::Tls(key) => {
                spec(key).and_then(|spec| spec.tls.get(key.index)).map(|route| of(&route.route))
            }
        };
        found.unwrap_or_default()
    }
}
