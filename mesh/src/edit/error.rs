//! Why an edit cannot be made.

use crate::yaml::PatchError;
use crate::{ResourceKey, RouteKey};

/// Why an edit cannot be made. Nothing is changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The resource is not there.
    #[error("there is no {0}")]
    NoResource(ResourceKey),
    /// The VirtualService is there, the route is not.
    #[error("the VirtualService {}/{} has no such route {}", .0.namespace, .0.name, .0.index)]
    NoRoute(RouteKey),
    /// The route redirects, answers by itself or delegates.
    #[error("the HTTP route {} of {}/{} forwards to no destinations", .0.index, .0.namespace, .0.name)]
    NotForwarding(RouteKey),
    /// A split without destinations.
    #[error("a split needs a destination")]
    NoShares,
    /// Not a path of fields, or one that leads through a scalar.
    #[error("`{0}` leads to no field of the resource")]
    NoField(String),
    /// A document was expected, and this is several.
    #[error("the text holds {0} documents where one is expected")]
    NotOneDocument(usize),
    /// It is more than it may be.
    #[error(transparent)]
    Limit(#[from] crate::limits::Exceeded),
    /// A second document, or YAML, for a file of JSON.
    #[error(
        "`{0}` is JSON, which holds one document alone: put the resource into a file that ends with .yaml"
    )]
    Json(String),
    /// The text cannot be changed.
    #[error("{key}: {source}")]
    Text {
        /// The resource.
        key: ResourceKey,
        /// Why.
        source: PatchError,
    },
}
