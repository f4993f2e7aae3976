//! The model of a service mesh: resources, YAML, validation, routing, plans, edits and diffs.
//!
//! Pure: no clock, no network, no randomness, no threads. Time, seeds and requests are parameters, so what the
//! browser says about a draft is what the server will say. Builds for wasm32.
//!
//! From text to where a request goes:
//!
//! ```
//! use mesh::explain::{ExplainRequest, explain};
//! use mesh::plan::Source;
//! use mesh::{Inventory, Mesh, Registry, Settings, Sources, validate};
//!
//! let sources = Sources::single(
//!     "mesh.yaml",
//!     "
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: reviews}
//! spec:
//!   hosts: [reviews.example.com]
//!   resolution: STATIC
//!   ports: [{number: 80, name: http, protocol: HTTP}]
//!   endpoints: [{address: 10.0.0.1, labels: {version: v1}}]
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: WorkloadEntry
//! metadata: {name: client}
//! spec: {address: 10.0.0.2}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews}
//! spec:
//!   hosts: [reviews.example.com]
//!   http:
//!   - match: [{headers: {end-user: {exact: jason}}}]
//!     route: [{destination: {host: reviews.example.com}}]
//!     timeout: 3s
//! ",
//! );
//! let settings = Settings::default();
//! let mesh = Mesh::parse(&sources).mesh;
//! let registry = Registry::of(&mesh, &Inventory::default(), &settings);
//! assert!(validate(&mesh, &registry, &settings).is_empty());
//!
//! let client = Source::Workload { namespace: "default".into(), name: "client".into() };
//! let request = ExplainRequest {
//!     host: "reviews.example.com".into(),
//!     headers: vec![("end-user".into(), "jason".into())],
//!     ..ExplainRequest::default()
//! };
//! let explanation = explain(&mesh, &registry, &settings, &client, 1, &request);
//! assert_eq!(explanation.virtual_service.as_deref(), Some("default/reviews"));
//! assert_eq!(explanation.timeout.as_deref(), Some("3s"));
//! ```

pub mod analysis;
pub mod annotation;
mod change;
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
pub mod patch;
pub mod plan;
pub mod registry;
pub mod resource;
pub mod revert;
pub mod route;
mod route_id;
pub mod settings;
pub mod sources;
pub mod split;
mod subnet;
pub mod validate;
pub mod yaml;

pub use analysis::Analysis;
pub use change::Edit;
pub use diagnostic::{Diagnostic, Severity};
pub use key::{Kind, ResourceKey, RouteKey};
pub use model::{Document, Mesh};
pub use plan::Plan;
pub use registry::{Inventory, Registry, Source};
pub use route_id::RouteId;
pub use settings::{DefaultBalancer, PathNormalization, Settings};
pub use sources::Sources;
pub use validate::validate;
