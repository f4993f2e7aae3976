//! All that speaks to a Kubernetes API server: how it is found and asked, what may be read and written there, what it has, and
//! how a change is written to it. What a mesh means is the work of `mesh`; when something is asked or written, that of the server.
//!
//! `connect` finds a server in a kubeconfig, `discover` and `access` ask what it serves and permits. `error` and `permission` say what
//! is wrong or not permitted, with the next step. `kind` has the kinds that all of them speak of.
//!
//! `mesh_config` reads Istio's defaults for the mesh.
//! `mirror` keeps a copy of what the cluster has: `object`s, which are documents, and an `inventory` of what runs. `write` makes changes, each
//! the smallest `patch`, in the `order` in which no request meets what is not defined; `flights` knows what is being written. `owner` says
//! whose a field is.

pub mod access;
pub mod claim;
pub mod connect;
pub mod discover;
pub mod error;
pub mod flights;
pub mod inventory;
pub mod kind;
pub mod mesh_config;
pub mod mirror;
pub mod object;
pub mod order;
pub mod owner;
pub mod permission;
pub mod words;
pub mod write;

/// The name that changes are written under, as the server keeps it of each field.
pub const MANAGER: &str = "meshwright";

pub use access::{Access, Scope, access};
pub use claim::Claim;
pub use connect::{Connection, Context, Options, connect, contexts};
pub use discover::{Served, discover};
pub use error::Error;
pub use kind::{Kind, Verb};
pub use mesh::patch;
pub use mirror::{Mirror, View};
pub use object::Object;
pub use order::{Change, Stages};
pub use permission::{Denied, Permission};
pub use write::{Refused, Why, Writer};
