//! The model of a service mesh: resources, YAML, validation, routing, plans, edits and diffs.
//!
//! Pure: no clock, no network, no randomness, no threads. Time, seeds and requests are parameters, so what the
//! browser says about a draft is what the server will say. Builds for wasm32.

pub mod analysis;
pub mod annotation;
pub mod diagnostic;
pub mod diff;
pub mod edit;
pub mod explain;
pub mod export;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod host;
pub mod key;
pub mod labels;
pub mod limits;
pub mod model;
pub mod plan;
pub mod registry;
pub mod resource;
pub mod revert;
pub mod route;
mod route_id;
pub mod settings;
pub mod sources;
pub mod split;
pub mod validate;
pub mod yaml;

pub use analysis::Analysis;
pub use diagnostic::{Diagnostic, Severity};
pub use edit::Edit;
pub use key::{Kind, ResourceKey, RouteKey};
pub use model::{Document, Mesh};
pub use plan::{Plan, Source};
pub use registry::{Inventory, Registry};
pub use route_id::RouteId;
pub use settings::{DefaultBalancer, PathNormalization, Settings};
pub use sources::Sources;
pub use validate::validate;
