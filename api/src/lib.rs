//! What browser and server say to each other: requests, events and data transfer objects.
//!
//! The browser gets the mesh as text ([`mesh::Sources`]) and derives services, routes and diagnostics from it with the
//! same `mesh` crate that the server runs, so only what the text cannot say travels here: revisions, targets, settings
//! and what was observed.

pub mod alert;
pub mod cluster;
pub mod event;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod health;
pub mod inventory;
pub mod observed;
pub mod problem;
pub mod reduce;
pub mod request;
pub mod revision;
mod series;
pub mod state;

pub use alert::{Alert, AlertKind};
pub use event::{Delta, Event};
pub use health::{Classes, Health};
pub use observed::{EdgeKey, EdgeStats, InstanceStats, Tick};
pub use problem::Problem;
pub use revision::{Milestone, RevisionInfo, Timeline};
pub use state::{Snapshot, TargetStatus};
